/* Addresses and contact points: text -> bytes and back. Knows nothing of sockets. */
#ifndef CQLUA_CLUSTER_ADDRESS_H
#define CQLUA_CLUSTER_ADDRESS_H

#include <cqlua/transport.h>
#include <stdbool.h>

#include "base/buffer.h"

enum { ADDRESS_TEXT = 64, HOST_NAME = 256 };

/* "127.0.0.1:9042", "[::1]:9042" */
void address_text(const struct cqlua_address *address, char text[ADDRESS_TEXT]);
/* The same without the port: "127.0.0.1", "::1" */
void address_host(const struct cqlua_address *address, char text[ADDRESS_TEXT]);
bool address_equal(const struct cqlua_address *a, const struct cqlua_address *b);
bool address_is_loopback(const struct cqlua_address *address);
/* A numeric address, without a port. */
bool address_parse(const char *text, uint16_t port, struct cqlua_address *address);

struct contact_point {
    char host[HOST_NAME]; /* a name or an address, without brackets */
    uint16_t port;
};
/* The next of a list "a, b:9043, [::1]:9042": 1, 0 at the end, or CQLUA_EMISUSE (*list is left at it). */
int contact_point_next(const char **list, uint16_t default_port, struct contact_point *point);

#endif
