/* Varints and decimals as text. In decimal digits by OpenSSL's BN, below a size at which its quadratic time still does not
 * matter; beyond it in hexadecimal, digit by digit. A scale is only ever written as a number (fault 58). */
#include "protocol/number.h"

#include <inttypes.h>
#include <openssl/bn.h>
#include <stdio.h>

#include "protocol/scan.h"

struct cqlua_slice number_shortest(struct cqlua_slice bytes)
{
    const uint8_t *at = bytes.base, *last = at + bytes.len - 1;
    while (at < last && ((at[0] == 0x00 && at[1] < 0x80) || (at[0] == 0xFF && at[1] >= 0x80))) at++;
    return slice(at, (size_t)(last - at) + 1);
}

static bool is_negative(struct cqlua_slice bytes)
{
    return ((const uint8_t *)bytes.base)[0] >= 0x80;
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

/* Counts what is put, and keeps it while there is room. */
struct text {
    char *out;
    size_t size, len;
};

static void put(struct text *text, const char *chars, size_t len)
{
    if (len <= text->size && text->len <= text->size - len) memcpy(text->out + text->len, chars, len);
    text->len += len;
}

static void put_zeros(struct text *text, int64_t count)
{
    for (; count > 0; count--) put(text, "0", 1);
}

static void put_exponent(struct text *text, int64_t exponent)
{
    char chars[32];
    int len = snprintf(chars, sizeof chars, "E%+" PRId64, exponent);
    put(text, chars, (size_t)len);
}

/* The magnitude's digits, to be freed with OPENSSL_free; NULL if out of memory. */
static char *digits_of(struct cqlua_slice bytes)
{
    BIGNUM *number = BN_bin2bn(bytes.base, (int)bytes.len, NULL), *power = BN_new();
    bool is_well = number != NULL && power != NULL;
    if (is_well && is_negative(bytes)) /* its magnitude is what is missing to 2^bits */
        is_well = BN_set_bit(power, (int)bytes.len * 8) == 1 && BN_sub(number, power, number) == 1;
    char *digits = is_well ? BN_bn2dec(number) : NULL;
    BN_free(number);
    BN_free(power);
    return digits;
}

/* As Java's BigDecimal writes it. */
static void put_scaled(struct text *text, const char *digits, int64_t count, int32_t scale)
{
    int64_t exponent = count - 1 - (int64_t)scale; /* of the first digit */
    int64_t whole = count - scale;                 /* digits before the point */
    if (scale < 0 || exponent < -6) {
        put(text, digits, 1);
        if (count > 1) put(text, ".", 1);
        put(text, digits + 1, (size_t)count - 1);
        put_exponent(text, exponent);
        return;
    }
    if (whole <= 0) put(text, "0", 1);
    else put(text, digits, (size_t)whole);
    if (scale == 0) return;
    put(text, ".", 1);
    put_zeros(text, -whole);
    if (whole < 0) whole = 0;
    put(text, digits + whole, (size_t)(count - whole));
}

static int put_decimal(struct text *text, const struct cqlua_value *value, struct cqlua_slice bytes)
{
    char *digits = digits_of(bytes);
    if (digits == NULL) return CQLUA_ENO_MEMORY;
    put_scaled(text, digits, (int64_t)strlen(digits), value->kind == CQLUA_KIND_DECIMAL ? value->scale : 0);
    OPENSSL_free(digits);
    return 0;
}

/* Negating inverts the bytes, but for the last that is not 0, and those behind it. */
static void put_hexadecimal(struct text *text, const struct cqlua_value *value, struct cqlua_slice bytes)
{
    static const char characters[] = "0123456789abcdef";
    const uint8_t *at = bytes.base;
    size_t last = bytes.len - 1;
    bool has_digits = false;
    while (last > 0 && at[last] == 0) last--;
    put(text, "0x", 2);
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = !is_negative(bytes) ? at[i] : i < last ? (uint8_t)~at[i] : (uint8_t)-at[i];
        if (has_digits || byte >> 4 != 0) put(text, &characters[byte >> 4], 1);
        has_digits = has_digits || byte != 0;
        if (has_digits) put(text, &characters[byte & 15], 1);
    }
    if (value->kind == CQLUA_KIND_DECIMAL && value->scale != 0) put_exponent(text, -(int64_t)value->scale);
}

int64_t cqlua_number_text(const struct cqlua_value *value, char *out, size_t size)
{
    struct text text = {out, size, 0};
    bool is_number = value->kind == CQLUA_KIND_VARINT || value->kind == CQLUA_KIND_DECIMAL;
    if (!is_number || value->bytes.len == 0) return CQLUA_EMISUSE;
    struct cqlua_slice bytes = number_shortest(value->bytes);
    int error = 0;
    if (is_negative(bytes)) put(&text, "-", 1);
    if (bytes.len > NUMBER_DECIMAL_BYTES) put_hexadecimal(&text, value, bytes);
    else error = put_decimal(&text, value, bytes);
    return error == 0 ? (int64_t)text.len : error;
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* A number that is being read: its unscaled value is digits of `base`, perhaps with a point among them. */
struct literal {
    bool is_negative, is_hexadecimal;
    const char *digits, *end;
    int64_t count; /* of digits */
    int64_t scale;
};

static bool next_is_digit(const struct scan *scan, const struct literal *literal)
{
    return literal->is_hexadecimal ? scan->at < scan->end && scan_hex(*scan->at) >= 0 : scan_next_is_digit(scan);
}

static void read_digits(struct scan *scan, struct literal *literal)
{
    for (; next_is_digit(scan, literal); scan->at++) literal->count++;
}

/* "e" is a hexadecimal digit: there it begins an exponent only if a sign follows. */
static void give_back_exponent(struct scan *scan, struct literal *literal)
{
    bool has_sign = scan_next_is(scan, '+') || scan_next_is(scan, '-');
    if (!has_sign || literal->count < 2 || (scan->at[-1] | 0x20) != 'e') return;
    scan->at--;
    literal->count--;
}

static void read_exponent(struct scan *scan, struct literal *literal)
{
    const uint64_t max = UINT64_C(1) << 40; /* of scales, and digits that shift them */
    if (!scan_skip(scan, 'E') && !scan_skip(scan, 'e')) return;
    bool is_below_zero = scan_skip(scan, '-');
    if (!is_below_zero) scan_skip(scan, '+');
    int64_t exponent = (int64_t)scan_number(scan, max);
    if (!scan->is_wrong) literal->scale -= is_below_zero ? -exponent : exponent;
}

static void read_literal(struct scan *scan, struct literal *literal, bool has_scale)
{
    literal->is_negative = scan_skip(scan, '-');
    if (!literal->is_negative) scan_skip(scan, '+');
    literal->is_hexadecimal = scan->end - scan->at > 2 && scan->at[0] == '0' && (scan->at[1] | 0x20) == 'x';
    if (literal->is_hexadecimal) scan->at += 2;
    literal->digits = scan->at;
    read_digits(scan, literal);
    if (literal->is_hexadecimal && has_scale) give_back_exponent(scan, literal);
    if (!literal->is_hexadecimal && has_scale && scan_skip(scan, '.')) {
        literal->scale = -literal->count;
        read_digits(scan, literal);
        literal->scale += literal->count;
        if (literal->scale == 0) scan->is_wrong = true; /* a point with nothing behind it */
    }
    literal->end = scan->at;
    if (literal->count == 0) scan->is_wrong = true;
    if (has_scale) read_exponent(scan, literal);
    if (literal->scale < INT32_MIN || literal->scale > INT32_MAX) scan->is_wrong = true;
}

/* Horner's rule, nine digits at a time: they fit in a BN's word everywhere. */
static bool add_digits(BIGNUM *number, const struct literal *literal)
{
    BN_ULONG power = 1, word = 0;
    for (const char *at = literal->digits; at < literal->end; at++) {
        if (*at == '.') continue;
        word = word * 10 + (BN_ULONG)(*at - '0');
        power *= 10;
        if (power < 1000000000) continue;
        if (BN_mul_word(number, power) != 1 || BN_add_word(number, word) != 1) return false;
        power = 1;
        word = 0;
    }
    return BN_mul_word(number, power) == 1 && BN_add_word(number, word) == 1;
}

/* Gives the length of the shortest form: room for a sign bit. A negative number is the inverse of its magnitude less one. */
static size_t store_number(BIGNUM *number, bool is_below_zero, uint8_t *storage)
{
    if (is_below_zero && !BN_is_zero(number)) BN_sub_word(number, 1);
    else is_below_zero = false;
    int len = BN_num_bits(number) / 8 + 1;
    BN_bn2binpad(number, storage, len);
    for (int i = 0; is_below_zero && i < len; i++) storage[i] = (uint8_t)~storage[i];
    return (size_t)len;
}

static int decimal_bytes(const struct literal *literal, uint8_t *storage, struct cqlua_slice *bytes)
{
    if (literal->count > NUMBER_DECIMAL_DIGITS) return CQLUA_EINVALID_VALUE;
    BIGNUM *number = BN_new();
    bool is_well = number != NULL && BN_set_word(number, 0) == 1 && add_digits(number, literal);
    if (is_well) *bytes = slice(storage, store_number(number, literal->is_negative, storage));
    BN_free(number);
    return is_well ? 0 : CQLUA_ENO_MEMORY;
}

/* A byte of zeros before the digits, so that there is a sign bit; then perhaps negated from the last byte on. */
static struct cqlua_slice hexadecimal_bytes(const struct literal *literal, uint8_t *storage)
{
    size_t count = (size_t)(literal->end - literal->digits), len = count / 2 + 1;
    memset(storage, 0, len);
    for (size_t i = 0; i < count; i++)
        storage[len - 1 - i / 2] |= (uint8_t)(scan_hex(literal->end[-1 - (ptrdiff_t)i]) << (i % 2 * 4));
    unsigned carry = 1;
    for (size_t i = len; literal->is_negative && i > 0; i--) {
        carry += (uint8_t)~storage[i - 1];
        storage[i - 1] = (uint8_t)carry;
        carry >>= 8;
    }
    return number_shortest(slice(storage, len));
}

int number_parse(const char *text, size_t len, uint8_t *storage, struct cqlua_value *value)
{
    struct scan scan = {text, text + len, false};
    struct literal literal = {0};
    read_literal(&scan, &literal, value->kind == CQLUA_KIND_DECIMAL);
    if (scan.is_wrong || scan.at != scan.end) return CQLUA_EINVALID_VALUE;
    value->scale = (int32_t)literal.scale;
    if (!literal.is_hexadecimal) return decimal_bytes(&literal, storage, &value->bytes);
    value->bytes = hexadecimal_bytes(&literal, storage);
    return 0;
}
