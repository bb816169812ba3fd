/* Which addresses nodes may have (SEC18): a list of addresses and networks that are allowed, and one of those that are denied.
 * IPv4 addresses written as IPv6 (::ffff:10.0.0.1) are IPv4 addresses. */
#ifndef CQLUA_CLUSTER_ADDRESS_FILTER_H
#define CQLUA_CLUSTER_ADDRESS_FILTER_H

#include "cluster/address.h"

enum { LIMIT_FILTER_RANGES = 256 }; /* of one list */

struct filter_range {
    struct cqlua_address base; /* port 0: any */
    uint8_t bits;              /* that an address shares with it */
};

struct filter_list {
    struct filter_range *ranges;
    uint32_t count, capacity;
};

struct address_filter {
    struct memory *memory;
    struct filter_list allow, deny; /* nothing allowed: all that is not denied */
};

void address_filter_init(struct address_filter *filter, struct memory *memory);
void address_filter_dispose(struct address_filter *filter);
/* Adds to a list: "10.0.0.0/8, 192.0.2.7, [2001:db8::1]:9042, fd00::/8". 0, MISUSE (not such a list: *at, if not NULL, is set to
 * where it goes wrong), or NO_MEMORY. */
int address_filter_allow(struct address_filter *filter, const char *list, const char **at);
int address_filter_deny(struct address_filter *filter, const char *list, const char **at);
/* Denied is denied, whatever is allowed. */
bool address_filter_passes(const struct address_filter *filter, const struct cqlua_address *address);

#endif
