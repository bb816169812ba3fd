/* How c-ares reaches the kernel: sockets that are not inherited, never block and raise no SIGPIPE. */
#ifndef CQLUA_IO_DNS_SOCKET_H
#define CQLUA_IO_DNS_SOCKET_H

#include <ares.h>

extern const struct ares_socket_functions dns_socket_functions;

#endif
