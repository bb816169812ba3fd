/* A node on a loopback socket, in a process of its own: speaks v4, answers a text with a row of that text. "CLOSE" resets the
 * connection, "NEVER" gets no answer, all else one at once. */
#ifndef TCP_SERVER_H
#define TCP_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>

struct tcp_server {
    pid_t pid;
    char contact_point[32]; /* "127.0.0.1:40123" */
};

void tcp_server_start(struct tcp_server *server);
void tcp_server_stop(struct tcp_server *server);

#endif
