#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that stay unacknowledged for longer end the connection, where the system can tell (fault 25). The heartbeat is
 * shorter: this catches what it cannot see, such as a connection that is being closed. */
enum { USER_TIMEOUT_MS = 30000 };

#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE takes its place */
#endif

int socket_new(int family, int type)
{
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
    int fd = socket(family, type, 0);
    if (fd < 0) return -1;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) return fd;
    close(fd);
    return -1;
#endif
}

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value); /* each is a help, none is needed */
}

static void tune(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* one send carries many requests already */
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#if defined(TCP_USER_TIMEOUT)
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
#endif
#if defined(SO_NOSIGPIPE)
    set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
}

union endpoint {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Gives the length, 0 if the address is neither IPv4 nor IPv6. */
static socklen_t to_endpoint(const struct cqlua_address *address, union endpoint *endpoint)
{
    memset(endpoint, 0, sizeof *endpoint);
    if (address->len == 4) {
        endpoint->v4.sin_family = AF_INET;
        endpoint->v4.sin_port = htons(address->port);
        memcpy(&endpoint->v4.sin_addr, address->bytes, 4);
        return sizeof endpoint->v4;
    }
    if (address->len != 16) return 0;
    endpoint->v6.sin6_family = AF_INET6;
    endpoint->v6.sin6_port = htons(address->port);
    endpoint->v6.sin6_scope_id = address->scope_id;
    memcpy(&endpoint->v6.sin6_addr, address->bytes, 16);
    return sizeof endpoint->v6;
}

int socket_connect(const struct cqlua_address *address, int *fd)
{
    union endpoint endpoint;
    socklen_t len = to_endpoint(address, &endpoint);
    if (len == 0) return EAFNOSUPPORT;
    *fd = socket_new(endpoint.any.sa_family, SOCK_STREAM);
    if (*fd < 0) return errno;
    tune(*fd);
    if (connect(*fd, &endpoint.any, len) == 0 || errno == EINPROGRESS || errno == EINTR) return 0;
    int error = errno;
    close(*fd);
    return error;
}

/* --- listening ------------------------------------------------------------------------------------------------------------- */

enum { BACKLOG = 128 };

static int own_port(int fd, uint16_t *port)
{
    union endpoint own;
    socklen_t len = sizeof own;
    memset(&own, 0, sizeof own);
    if (getsockname(fd, &own.any, &len) != 0) return errno;
    *port = ntohs(own.any.sa_family == AF_INET ? own.v4.sin_port : own.v6.sin6_port);
    return 0;
}

static int start_listening(int fd, struct cqlua_address *address, const union endpoint *endpoint, socklen_t len)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* what listened here before may have connections that linger */
    if (bind(fd, &endpoint->any, len) != 0 || listen(fd, BACKLOG) != 0) return errno;
    return own_port(fd, &address->port);
}

int socket_listen(struct cqlua_address *address, int *fd)
{
    union endpoint endpoint;
    socklen_t len = to_endpoint(address, &endpoint);
    if (len == 0) return EAFNOSUPPORT;
    *fd = socket_new(endpoint.any.sa_family, SOCK_STREAM);
    if (*fd < 0) return errno;
    int error = start_listening(*fd, address, &endpoint, len);
    if (error != 0) close(*fd);
    return error;
}

/* Neither flag of accept4 is everywhere: two more calls for each connection are no matter here. */
int socket_accept(int fd)
{
    int accepted = accept(fd, NULL, NULL);
    if (accepted < 0) return -1;
    if (fcntl(accepted, F_SETFD, FD_CLOEXEC) != 0 || fcntl(accepted, F_SETFL, O_NONBLOCK) != 0) {
        close(accepted);
        return -1;
    }
    tune(accepted);
    return accepted;
}

/* --- connecting's end, bytes ----------------------------------------------------------------------------------------------- */

/* On loopback a connect to a port where nobody listens may meet itself, if the system picks that very port for it. */
static int is_self(int fd, const union endpoint *peer)
{
    union endpoint own;
    socklen_t len = sizeof own;
    memset(&own, 0, sizeof own);
    return getsockname(fd, &own.any, &len) == 0 && memcmp(&own, peer, sizeof own) == 0;
}

int socket_connected(int fd)
{
    union endpoint peer;
    socklen_t len = sizeof peer;
    int error = 0;
    socklen_t error_len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0) return errno;
    if (error != 0) return error;
    memset(&peer, 0, sizeof peer);
    if (getpeername(fd, &peer.any, &len) != 0) return errno == ENOTCONN ? EINPROGRESS : errno;
    return is_self(fd, &peer) ? ECONNREFUSED : 0;
}

int64_t socket_receive(int fd, void *room, size_t len)
{
    ssize_t n;
    do n = recv(fd, room, len, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return n;
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

int64_t socket_send(int fd, const void *bytes, size_t len)
{
    ssize_t n;
    do n = send(fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

void socket_shut(int fd)
{
    (void)shutdown(fd, SHUT_RDWR); /* fails where the peer has reset it: that ends it too */
}

void socket_close(int fd)
{
    (void)close(fd); /* also after EINTR it is closed */
}
