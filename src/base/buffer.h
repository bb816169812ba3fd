/* A growing byte buffer with a maximum, and the writer of the protocol's notations on it. Errors stick: encode many fields,
 * look at `error` once. */
#ifndef CQLUA_BASE_BUFFER_H
#define CQLUA_BASE_BUFFER_H

#include <string.h>

#include "base/memory.h"

struct buffer {
    struct memory *memory;
    uint8_t *base;
    size_t len, capacity;
    size_t max; /* len never exceeds it */
    int error;  /* 0, CQLUA_ENO_MEMORY or CQLUA_EFRAME_TOO_LARGE; sticky */
};

void buffer_init(struct buffer *buffer, struct memory *memory, size_t max);
void buffer_dispose(struct buffer *buffer);
/* Makes room for `size` more bytes: 0, or the sticky error. */
int buffer_grow(struct buffer *buffer, size_t size);
/* Drops the first `size` bytes. */
void buffer_consume(struct buffer *buffer, size_t size);

/* Appends `size` bytes and gives where they are, to be filled; NULL after an error. */
static inline uint8_t *buffer_add(struct buffer *buffer, size_t size)
{
    if (buffer->error != 0 || (buffer->capacity - buffer->len < size && buffer_grow(buffer, size) != 0)) return NULL;
    uint8_t *at = buffer->base + buffer->len;
    buffer->len += size;
    return at;
}

static inline void store_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}
static inline void store_u32(uint8_t *at, uint32_t value)
{
    uint32_t big = __builtin_bswap32(value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    big = value;
#endif
    memcpy(at, &big, sizeof big);
}
static inline void store_u64(uint8_t *at, uint64_t value)
{
    store_u32(at, (uint32_t)(value >> 32));
    store_u32(at + 4, (uint32_t)value);
}

static inline void put_u8(struct buffer *buffer, uint8_t value)
{
    uint8_t *at = buffer_add(buffer, 1);
    if (at != NULL) at[0] = value;
}
static inline void put_u16(struct buffer *buffer, uint16_t value)
{
    uint8_t *at = buffer_add(buffer, 2);
    if (at != NULL) store_u16(at, value);
}
static inline void put_u32(struct buffer *buffer, uint32_t value)
{
    uint8_t *at = buffer_add(buffer, 4);
    if (at != NULL) store_u32(at, value);
}
static inline void put_i32(struct buffer *buffer, int32_t value)
{
    put_u32(buffer, (uint32_t)value);
}
static inline void put_u64(struct buffer *buffer, uint64_t value)
{
    uint8_t *at = buffer_add(buffer, 8);
    if (at != NULL) store_u64(at, value);
}
static inline void put_raw(struct buffer *buffer, const void *bytes, size_t len)
{
    uint8_t *at = buffer_add(buffer, len);
    if (at != NULL && len > 0) memcpy(at, bytes, len);
}

/* [string], [long string], [bytes], [short bytes] (v4 section 3). Too long for the length field: the error is
 * CQLUA_EINVALID_VALUE and nothing is appended. `put_null_bytes` writes the length -1. */
void put_string(struct buffer *buffer, struct cqlua_slice text);
void put_long_string(struct buffer *buffer, struct cqlua_slice text);
void put_bytes(struct buffer *buffer, struct cqlua_slice bytes);
void put_short_bytes(struct buffer *buffer, struct cqlua_slice bytes);
static inline void put_null_bytes(struct buffer *buffer)
{
    put_i32(buffer, -1);
}

static inline struct cqlua_slice slice(const void *base, size_t len)
{
    return (struct cqlua_slice){base, len};
}
static inline struct cqlua_slice slice_of(const char *text)
{
    return slice(text, text == NULL ? 0 : strlen(text));
}
static inline bool slice_equal(struct cqlua_slice a, struct cqlua_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.base, b.base, a.len) == 0);
}

#endif
