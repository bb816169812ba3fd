/* Bytes for specs: hex as the protocol's pages would show it, each in an allocation of exactly its size, so that a sanitizer
 * sees the first byte read beyond. All of it is freed by bytes_free_all, a group's teardown. */
#ifndef SUPPORT_BYTES_H
#define SUPPORT_BYTES_H

#include <stdio.h>
#include <stdlib.h>

#include "base/reader.h"
#include "check.h"

struct bytes_block {
    struct bytes_block *next;
    uint8_t *base;
};
static struct bytes_block *bytes_blocks;

static inline uint8_t *bytes_new(size_t len)
{
    struct bytes_block *block = malloc(sizeof *block);
    assert_non_null(block);
    *block = (struct bytes_block){bytes_blocks, malloc(len == 0 ? 1 : len)};
    assert_non_null(block->base);
    bytes_blocks = block;
    return block->base;
}

static inline int bytes_free_all(void **state)
{
    (void)state;
    while (bytes_blocks != NULL) {
        struct bytes_block *block = bytes_blocks;
        bytes_blocks = block->next;
        free(block->base);
        free(block);
    }
    return 0;
}

static inline struct cqlua_slice copy_of(struct cqlua_slice bytes)
{
    uint8_t *copy = bytes_new(bytes.len);
    if (bytes.len > 0) memcpy(copy, bytes.base, bytes.len);
    return slice(copy, bytes.len);
}

static inline int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    fail_msg("'%c' is no hex digit", digit);
    return 0;
}

/* "0003 'abc'": hex digits in pairs, white space anywhere between, text in single quotes. */
static inline struct cqlua_slice hex(const char *text)
{
    uint8_t *base = bytes_new(strlen(text));
    size_t len = 0;
    for (const char *at = text; *at != '\0';) {
        if (*at == ' ' || *at == '\n') {
            at++;
        } else if (*at == '\'') {
            for (at++; *at != '\''; at++) base[len++] = (uint8_t)*at;
            at++;
        } else {
            base[len++] = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
            at += 2;
        }
    }
    return copy_of(slice(base, len));
}

static inline void assert_bytes(struct cqlua_slice actual, struct cqlua_slice expected)
{
    size_t same = 0, shorter = actual.len < expected.len ? actual.len : expected.len;
    const uint8_t *a = actual.base, *b = expected.base;
    while (same < shorter && a[same] == b[same]) same++;
    if (same == shorter && actual.len == expected.len) return;
    print_error("actual   ");
    for (size_t i = 0; i < actual.len; i++) print_error("%02x", a[i]);
    print_error("\nexpected ");
    for (size_t i = 0; i < expected.len; i++) print_error("%02x", b[i]);
    print_error("\n");
    fail_msg("%zu bytes, expected %zu; the first difference is at %zu", actual.len, expected.len, same);
}
static inline void assert_hex(struct cqlua_slice actual, const char *expected)
{
    assert_bytes(actual, hex(expected));
}
static inline void assert_text(struct cqlua_slice actual, const char *expected)
{
    assert_bytes(actual, slice_of(expected));
}
static inline struct cqlua_slice contents(const struct buffer *buffer)
{
    return slice(buffer->base, buffer->len);
}

#endif
