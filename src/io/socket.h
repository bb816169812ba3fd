/* Non-blocking TCP sockets: the system calls and their quirks, nothing of loops or links. Errors are errno values. */
#ifndef CQLUA_IO_SOCKET_H
#define CQLUA_IO_SOCKET_H

#include <cqlua/transport.h>

/* A new socket that is not inherited and never blocks, -1 with errno. */
int socket_new(int family, int type);
/* Starts to connect: 0 and *fd, which becomes writable at the end, or an errno value. */
int socket_connect(const struct cqlua_address *address, int *fd);
/* How the connect ended: 0, EINPROGRESS (it goes on), or an errno value. */
int socket_connected(int fd);
/* Listens at an address; port 0: the system chooses one, which is written there. 0 and *fd, or an errno value. */
int socket_listen(struct cqlua_address *address, int *fd);
/* The next connection that has come in: its descriptor, or -1 (none for now, or it is gone already). */
int socket_accept(int fd);
/* Bytes received, 0 at the stream's end, or minus an errno value (-EAGAIN: nothing there). */
int64_t socket_receive(int fd, void *room, size_t len);
/* Bytes taken, 0: none for now, or minus an errno value. Never raises SIGPIPE. */
int64_t socket_send(int fd, const void *bytes, size_t len);
/* Makes the stream end for the reader, after the bytes that have arrived already. */
void socket_shut(int fd);
void socket_close(int fd);

#endif
