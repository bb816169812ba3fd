/* A bounds-checked reader of the protocol's notations (v4 section 3). After an error everything reads as zero or empty and
 * `error` stays, so that a decoder reads many fields and looks once. Nothing is copied: slices point into the input. */
#ifndef CQLUA_BASE_READER_H
#define CQLUA_BASE_READER_H

#include "base/buffer.h"

struct reader {
    const uint8_t *at, *end;
    int error; /* 0 or CQLUA_EPROTOCOL; sticky */
};

static inline struct reader reader_of(struct cqlua_slice bytes)
{
    const uint8_t *base = bytes.base;
    return (struct reader){base, bytes.len == 0 ? base : base + bytes.len, 0};
}
static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}
static inline void reader_fail(struct reader *reader)
{
    reader->error = CQLUA_EPROTOCOL;
    reader->at = reader->end;
}

static inline uint16_t load_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static inline uint32_t load_u32(const uint8_t *at)
{
    uint32_t big;
    memcpy(&big, at, sizeof big);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return big;
#else
    return __builtin_bswap32(big);
#endif
}
static inline uint64_t load_u64(const uint8_t *at)
{
    return (uint64_t)load_u32(at) << 32 | load_u32(at + 4);
}

/* The next `len` bytes, or NULL and the error. */
static inline const uint8_t *read_raw(struct reader *reader, size_t len)
{
    if (reader->error != 0 || len > reader_left(reader)) {
        reader_fail(reader);
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += len;
    return at;
}
static inline uint8_t read_u8(struct reader *reader)
{
    const uint8_t *at = read_raw(reader, 1);
    return at == NULL ? 0 : at[0];
}
static inline uint16_t read_u16(struct reader *reader)
{
    const uint8_t *at = read_raw(reader, 2);
    return at == NULL ? 0 : load_u16(at);
}
static inline uint32_t read_u32(struct reader *reader)
{
    const uint8_t *at = read_raw(reader, 4);
    return at == NULL ? 0 : load_u32(at);
}
static inline int32_t read_i32(struct reader *reader)
{
    return (int32_t)read_u32(reader);
}
static inline uint64_t read_u64(struct reader *reader)
{
    const uint8_t *at = read_raw(reader, 8);
    return at == NULL ? 0 : load_u64(at);
}
static inline struct cqlua_slice read_slice(struct reader *reader, size_t len)
{
    const uint8_t *at = read_raw(reader, len);
    return at == NULL ? slice(NULL, 0) : slice(at, len);
}
/* [string] and [short bytes] */
static inline struct cqlua_slice read_string(struct reader *reader)
{
    return read_slice(reader, read_u16(reader));
}
/* [bytes]: null (any negative length) has base NULL; empty has not. */
static inline struct cqlua_slice read_bytes(struct reader *reader)
{
    int32_t len = read_i32(reader);
    return len < 0 ? slice(NULL, 0) : read_slice(reader, (size_t)len);
}
/* [long string]: a negative length is an error. */
static inline struct cqlua_slice read_long_string(struct reader *reader)
{
    int32_t len = read_i32(reader);
    if (len < 0) reader_fail(reader);
    return len < 0 ? slice(NULL, 0) : read_slice(reader, (size_t)len);
}

#endif
