/*
 * Varint and decimal objects: immutable userdata that hold the number exactly as the protocol has it (two's complement, the
 * most significant byte first, in its shortest form; and a scale). They compare by number; a scale is never expanded further
 * than the other number is long.
 */
#include "bind.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct number {
    int32_t scale; /* 0 for a varint */
    size_t len;
    uint8_t bytes[];
};

static const double bits_of_ten = 3.321928094887362; /* log2(10) */

/* --- objects ---------------------------------------------------------------------------------------------------------------- */

static const char *type_name(enum cqlua_kind kind)
{
    return kind == CQLUA_KIND_VARINT ? "cqlua.varint" : "cqlua.decimal";
}

/* Without the leading bytes that only repeat the sign. */
static struct cqlua_slice shortest(struct cqlua_slice number)
{
    const uint8_t *at = number.base;
    size_t len = number.len;
    while (len > 1 && at[0] == (at[1] & 0x80 ? 0xff : 0x00)) at++, len--;
    return (struct cqlua_slice){at, len};
}

void bind_push_number(lua_State *L, const struct cqlua_value *value)
{
    struct cqlua_slice bytes = shortest(value->bytes);
    struct number *number = bind_new_userdata(L, sizeof *number + bytes.len);
    number->scale = value->kind == CQLUA_KIND_DECIMAL ? value->scale : 0;
    number->len = bytes.len;
    memcpy(number->bytes, bytes.base, bytes.len);
    luaL_getmetatable(L, type_name(value->kind));
    lua_setmetatable(L, -2);
}

static void set_value(struct cqlua_value *value, enum cqlua_kind kind, const struct number *number)
{
    memset(value, 0, sizeof *value);
    value->kind = kind;
    value->scale = number->scale;
    value->bytes = (struct cqlua_slice){number->bytes, number->len};
}

/* 1 if it is a varint or a decimal object: the value borrows from it. */
static int test_number(lua_State *L, int index, struct cqlua_value *value)
{
    struct bind_state *state = bind_state_of(L);
    const struct number *number = bind_test(L, index, state->decimal_type);
    enum cqlua_kind kind = CQLUA_KIND_DECIMAL;
    if (number == NULL) number = bind_test(L, index, state->varint_type), kind = CQLUA_KIND_VARINT;
    if (number == NULL) return 0;
    set_value(value, kind, number);
    return 1;
}

static void check_number(lua_State *L, int index, struct cqlua_value *value)
{
    if (!test_number(L, index, value))
        luaL_error(L, "argument %d: a varint or a decimal expected, got %s", index, luaL_typename(L, index));
}

int bind_push_number_text(lua_State *L, const struct cqlua_value *value)
{
    char small[128], *large;
    int64_t len = cqlua_number_text(value, small, sizeof small);
    if (len < 0) return (int)len;
    if ((size_t)len <= sizeof small) {
        lua_pushlstring(L, small, (size_t)len);
        return 0;
    }
    large = bind_new_userdata(L, (size_t)len);
    len = cqlua_number_text(value, large, (size_t)len);
    if (len >= 0) lua_pushlstring(L, large, (size_t)len);
    lua_remove(L, len < 0 ? -1 : -2);
    return len < 0 ? (int)len : 0;
}

/* --- from Lua values -------------------------------------------------------------------------------------------------------- */

static const char *from_text(lua_State *L, int value, enum cqlua_kind kind, struct bind_number *number)
{
    size_t len;
    const char *text = lua_tolstring(L, value, &len);
    uint8_t *storage = len <= sizeof number->storage ? number->storage : bind_new_userdata(L, len);
    int rc = cqlua_value_parse(kind, text, len, storage, &number->value);
    if (rc == CQLUA_ENO_MEMORY) return cqlua_strerror(rc);
    if (rc == 0) return NULL;
    return kind == CQLUA_KIND_VARINT ? "the text is no whole number" : "the text is no decimal number";
}

static const char *from_whole(lua_State *L, int value, struct bind_number *number)
{
    int64_t whole = 0;
    const char *why = bind_to_whole(L, value, &whole);
    int i;
    if (why != NULL) return why;
    for (i = 7; i >= 0; i--, whole >>= 8) number->storage[i] = (uint8_t)whole;
    number->value.bytes = shortest((struct cqlua_slice){number->storage, 8});
    return NULL;
}

static int is_fraction(lua_State *L, int value)
{
    lua_Number number = lua_tonumber(L, value);
    return lua_type(L, value) == LUA_TNUMBER && number != floor(number);
}

static const char *from_object(const struct cqlua_value *object, enum cqlua_kind kind, struct bind_number *number)
{
    if (kind == CQLUA_KIND_VARINT && object->scale != 0) return "a decimal with a scale is no whole number";
    number->value.scale = object->scale;
    number->value.bytes = object->bytes;
    return NULL;
}

const char *bind_to_number(lua_State *L, int value, enum cqlua_kind kind, struct bind_number *number)
{
    struct cqlua_value object;
    memset(&number->value, 0, sizeof number->value);
    number->value.kind = kind;
    switch (lua_type(L, value)) {
    case LUA_TSTRING: return from_text(L, value, kind, number);
    case LUA_TUSERDATA: return test_number(L, value, &object) ? from_object(&object, kind, number) : "it is no number";
    case LUA_TNUMBER:
        if (kind == CQLUA_KIND_DECIMAL && is_fraction(L, value))
            return "a fraction is not exact as a number: use cqlua.decimal or text";
        return from_whole(L, value, number);
    case BIND_TCDATA: return from_whole(L, value, number);
    default: return "a number, or one as text, is expected";
    }
}

/* varint(value), decimal(value): the object; nil and why the value is none; nothing for a value of the wrong type. */
static int make(lua_State *L, enum cqlua_kind kind)
{
    struct cqlua_value object;
    struct bind_number number;
    const char *why;
    int type = lua_type(L, 1);
    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != BIND_TCDATA && !test_number(L, 1, &object)) return 0;
    why = bind_to_number(L, 1, kind, &number);
    if (why == NULL) {
        bind_push_number(L, &number.value);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int number_varint(lua_State *L)
{
    return make(L, CQLUA_KIND_VARINT);
}

static int number_decimal(lua_State *L)
{
    return make(L, CQLUA_KIND_DECIMAL);
}

/* --- comparing -------------------------------------------------------------------------------------------------------------- */

/* A magnitude: 32-bit digits, the least significant first, none of them 0 at the end. */
struct magnitude {
    uint32_t *digits;
    size_t count;
};

static int is_negative(struct cqlua_slice number)
{
    return number.len > 0 && ((const uint8_t *)number.base)[0] & 0x80;
}

static int sign_of(struct cqlua_slice number)
{
    if (is_negative(number)) return -1;
    return number.len > 1 || (number.len == 1 && ((const uint8_t *)number.base)[0] != 0);
}

static int in_order(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

/* Both in their shortest form. */
static int compare_whole(struct cqlua_slice a, struct cqlua_slice b)
{
    int negative = is_negative(a);
    if (negative != is_negative(b)) return negative ? -1 : 1;
    if (a.len != b.len) return negative ? in_order(b.len, a.len) : in_order(a.len, b.len);
    return memcmp(a.base, b.base, a.len);
}

static struct magnitude magnitude_of(lua_State *L, struct cqlua_slice number, size_t room)
{
    const uint8_t *bytes = number.base;
    uint32_t flip = is_negative(number) ? 0xff : 0, carry = flip & 1;
    struct magnitude m = {NULL, (number.len + 3) / 4};
    size_t i;
    m.digits = bind_new_userdata(L, (room > m.count ? room : m.count) * sizeof m.digits[0]);
    memset(m.digits, 0, m.count * sizeof m.digits[0]);
    for (i = 0; i < number.len; i++) {
        uint32_t byte = (bytes[number.len - 1 - i] ^ flip) + carry;
        carry = byte >> 8;
        m.digits[i / 4] |= (byte & 0xff) << (8 * (i % 4));
    }
    while (m.count > 0 && m.digits[m.count - 1] == 0) m.count--;
    return m;
}

static double bits_in(struct magnitude m)
{
    return m.count == 0 ? 0 : 32.0 * (double)(m.count - 1) + log2(m.digits[m.count - 1]);
}

static void multiply(struct magnitude *m, uint32_t factor)
{
    uint64_t carry = 0;
    size_t i;
    for (i = 0; i < m->count; i++) {
        carry += (uint64_t)m->digits[i] * factor;
        m->digits[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0) m->digits[m->count++] = (uint32_t)carry;
}

static int compare_magnitudes(struct magnitude a, struct magnitude b)
{
    size_t i;
    if (a.count != b.count) return in_order(a.count, b.count);
    for (i = a.count; i-- > 0;)
        if (a.digits[i] != b.digits[i]) return a.digits[i] < b.digits[i] ? -1 : 1;
    return 0;
}

/* |a| * 10^power beside |b|; neither is 0. The size of the result decides unless it is near that of b, so the product stays as
 * short as b. */
static int compare_scaled(lua_State *L, struct cqlua_slice a, uint32_t power, struct cqlua_slice b)
{
    static const uint32_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    struct magnitude large = magnitude_of(L, b, 0), m = magnitude_of(L, a, large.count + 2);
    double bits = bits_in(m) + power * bits_of_ten - bits_in(large);
    if (bits > 2 || bits < -2) return bits > 0 ? 1 : -1;
    while (power > 0 && m.count <= large.count) {
        uint32_t step = power < 9 ? power : 9;
        multiply(&m, tens[step]);
        power -= step;
    }
    return compare_magnitudes(m, large);
}

/* Below 0, 0, above 0. */
static int compare(lua_State *L, const struct cqlua_value *a, const struct cqlua_value *b)
{
    int sign = sign_of(a->bytes);
    if (a->scale == b->scale) return compare_whole(a->bytes, b->bytes);
    if (sign != sign_of(b->bytes)) return sign - sign_of(b->bytes);
    if (sign == 0) return 0;
    if (a->scale < b->scale) return sign * compare_scaled(L, a->bytes, (uint32_t)b->scale - (uint32_t)a->scale, b->bytes);
    return -sign * compare_scaled(L, b->bytes, (uint32_t)a->scale - (uint32_t)b->scale, a->bytes);
}

static int number_eq(lua_State *L)
{
    struct cqlua_value a, b;
    int both = test_number(L, 1, &a) && test_number(L, 2, &b) && a.kind == b.kind;
    lua_pushboolean(L, both && compare(L, &a, &b) == 0);
    return 1;
}

static int ordered(lua_State *L)
{
    struct cqlua_value a, b;
    if (!test_number(L, 1, &a) || !test_number(L, 2, &b) || a.kind != b.kind)
        luaL_error(L, "only two varints, or two decimals, can be compared: use cqlua.varint or cqlua.decimal");
    return compare(L, &a, &b);
}

static int number_lt(lua_State *L)
{
    lua_pushboolean(L, ordered(L) < 0);
    return 1;
}

static int number_le(lua_State *L)
{
    lua_pushboolean(L, ordered(L) <= 0);
    return 1;
}

/* --- as Lua values ---------------------------------------------------------------------------------------------------------- */

static int push_text_or_raise(lua_State *L, const struct cqlua_value *value)
{
    int rc = bind_push_number_text(L, value);
    if (rc < 0) luaL_error(L, "%s", cqlua_strerror(rc));
    return 1;
}

static int number_tostring(lua_State *L)
{
    struct cqlua_value value;
    check_number(L, 1, &value);
    return push_text_or_raise(L, &value);
}

static int varint_index(lua_State *L)
{
    return luaL_error(L, "a varint has no fields: cqlua.number gives a number, tostring its digits");
}

static int decimal_index(lua_State *L)
{
    struct cqlua_value value;
    const char *field = luaL_checkstring(L, 2);
    check_number(L, 1, &value);
    if (strcmp(field, "scale") == 0) {
        lua_pushinteger(L, value.scale);
        return 1;
    }
    if (strcmp(field, "unscaled") != 0) luaL_error(L, "a decimal has no field '%s': it has scale and unscaled", field);
    value.kind = CQLUA_KIND_VARINT;
    return push_text_or_raise(L, &value);
}

/* The decimal that a double is: all its digits, which no locale changes. */
static int decimal_of(lua_State *L, lua_Number number, struct cqlua_value *value)
{
    char text[800];
    int len = snprintf(text, sizeof text, "%.766e", number), point = text[0] == '-' ? 2 : 1;
    text[point] = '.';
    return cqlua_value_parse(CQLUA_KIND_DECIMAL, text, (size_t)len, bind_new_userdata(L, sizeof text), value);
}

/* exact(number): as a Lua number; nil if that is beyond 2^53, or not the same number; nothing if it is no object of ours. */
static int number_exact(lua_State *L)
{
    struct cqlua_value value, back;
    lua_Number number;
    if (!test_number(L, 1, &value)) return 0;
    push_text_or_raise(L, &value);
    number = lua_tonumber(L, -1);
    if (!(number >= -bind_exact_max && number <= bind_exact_max)) {
        lua_pushnil(L);
        return 1;
    }
    if (decimal_of(L, number, &back) != 0) luaL_error(L, "%s", cqlua_strerror(CQLUA_ENO_MEMORY));
    back.bytes = shortest(back.bytes);
    if (compare(L, &value, &back) != 0) lua_pushnil(L);
    else if (number == floor(number)) lua_pushinteger(L, (lua_Integer)number);
    else lua_pushnumber(L, number);
    return 1;
}

static const luaL_Reg varint_metamethods[] = {
    {"__eq", number_eq},       {"__lt", number_lt},       {"__le", number_le}, {"__tostring", number_tostring},
    {"__concat", bind_concat}, {"__index", varint_index}, {NULL, NULL}};
static const luaL_Reg decimal_metamethods[] = {
    {"__eq", number_eq},       {"__lt", number_lt},        {"__le", number_le}, {"__tostring", number_tostring},
    {"__concat", bind_concat}, {"__index", decimal_index}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"varint", number_varint}, {"decimal", number_decimal}, {"exact", number_exact}, {NULL, NULL}};

void bind_open_number(lua_State *L)
{
    struct bind_state *state = bind_state_of(L);
    state->varint_type = bind_type(L, "cqlua.varint", varint_metamethods);
    state->decimal_type = bind_type(L, "cqlua.decimal", decimal_metamethods);
    bind_functions(L, functions);
}
