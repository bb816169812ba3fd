/* Reading text: what is left of it, and whether it was wrong so far. A failure sticks, so that a reader asks once, at the end. */
#ifndef CQLUA_PROTOCOL_SCAN_H
#define CQLUA_PROTOCOL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

struct scan {
    const char *at, *end;
    bool is_wrong;
};

static inline bool scan_next_is(const struct scan *scan, char wanted)
{
    return scan->at < scan->end && *scan->at == wanted;
}

static inline bool scan_skip(struct scan *scan, char wanted)
{
    bool is_there = scan_next_is(scan, wanted);
    scan->at += is_there;
    return is_there;
}

static inline void scan_expect(struct scan *scan, char wanted)
{
    if (!scan_skip(scan, wanted)) scan->is_wrong = true;
}

static inline bool scan_next_is_digit(const struct scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

/* A number of any count of digits, one at least, up to `max`. */
static inline uint64_t scan_number(struct scan *scan, uint64_t max)
{
    uint64_t value = 0;
    if (!scan_next_is_digit(scan)) scan->is_wrong = true;
    while (scan_next_is_digit(scan)) {
        uint64_t digit = (uint64_t)(*scan->at++ - '0');
        if (value > (max - digit) / 10) scan->is_wrong = true;
        value = value * 10 + digit;
    }
    return value;
}

/* The value of a hexadecimal digit, or -1. */
static inline int scan_hex(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

#endif
