/* Page tokens: a paging state that may travel through a link. The text is URL-safe base64 of
 *
 *      [form] [paging state ...] [16 bytes: HMAC-SHA256 over form, keyspace, query text, values and paging state]
 *
 * whose key is the session's secret (form SIGNED) or known to all (form PLAIN): a plain token is tied to its query, but anybody
 * can make one. Pure functions over bytes. */
#ifndef CQLUA_SESSION_PAGE_TOKEN_H
#define CQLUA_SESSION_PAGE_TOKEN_H

#include "base/buffer.h"

/* What a token is tied to. */
struct page_token_query {
    struct cqlua_slice secret;   /* base NULL: tokens are plain */
    struct cqlua_slice keyspace; /* in which the query's names are looked up; base NULL: none */
    struct cqlua_slice text;
    struct cqlua_slice values; /* encoded, as they are sent */
};

/* Characters of the token of a paging state of so many bytes, without a NUL. */
size_t page_token_size(size_t state_len);
/* Writes as many: 0 or CQLUA_ENO_MEMORY. */
int page_token_write(const struct page_token_query *query, struct cqlua_slice state, char *out);

/* Bytes that page_token_read needs for a token of so many characters. */
size_t page_token_room(size_t token_len);
/* Decodes into `room` and gives the paging state in it: 0, CQLUA_EINVALID_PAGE_TOKEN or CQLUA_ENO_MEMORY. */
int page_token_read(const struct page_token_query *query, struct cqlua_slice token, uint8_t *room, struct cqlua_slice *state);

#endif
