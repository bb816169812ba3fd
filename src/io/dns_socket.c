#include "io/dns_socket.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/socket.h"

static ares_socket_t open_socket(int family, int type, int protocol, void *data)
{
    (void)protocol; /* the type says it: TCP or UDP */
    (void)data;
    return socket_new(family, type);
}

static int close_socket(ares_socket_t fd, void *data)
{
    (void)data;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t len, void *data)
{
    (void)data;
    return connect(fd, address, len);
}

static ares_ssize_t receive_from(ares_socket_t fd, void *room, size_t len, int flags, struct sockaddr *from,
                                 ares_socklen_t *from_len, void *data)
{
    (void)data;
    return recvfrom(fd, room, len, flags, from, from_len);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int count, void *data)
{
    struct msghdr message;
    (void)data;
    memset(&message, 0, sizeof message);
    message.msg_iov = (struct iovec *)parts; /* sendmsg does not write to it */
    message.msg_iovlen = (size_t)count;
#if defined(MSG_NOSIGNAL)
    return sendmsg(fd, &message, MSG_NOSIGNAL);
#else
    return sendmsg(fd, &message, 0);
#endif
}

const struct ares_socket_functions dns_socket_functions = {
    open_socket, close_socket, connect_socket, receive_from, send_parts,
};
