/* The text forms of values: what parses is written, and what is written parses to the same value. */
#include "protocol/value.h"

#include "fuzz.h"

static const enum cqlua_kind kinds[] = {CQLUA_KIND_UUID, CQLUA_KIND_INET, CQLUA_KIND_DATE, CQLUA_KIND_TIME, CQLUA_KIND_TIMESTAMP};

static void parse_again(enum cqlua_kind kind, const struct cqlua_value *value)
{
    char text[CQLUA_TEXT_MAX];
    uint8_t storage[16];
    struct cqlua_value same;
    int written = cqlua_value_text(value, text);
    require(written > 0 && written < CQLUA_TEXT_MAX);
    require(cqlua_value_parse(kind, text, (size_t)written, storage, &same) == 0);
    require(same.kind == value->kind);
    if (kind == CQLUA_KIND_UUID || kind == CQLUA_KIND_INET) require(slice_equal(same.bytes, value->bytes));
    else require(same.i64 == value->i64);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint8_t storage[16];
    struct cqlua_value value;
    if (len == 0) return 0;
    enum cqlua_kind kind = kinds[bytes[0] % (sizeof kinds / sizeof kinds[0])];
    if (cqlua_value_parse(kind, (const char *)bytes + 1, len - 1, storage, &value) != 0) return 0;
    require(value.kind == kind);
    if (kind == CQLUA_KIND_TIME) require(value.i64 >= 0 && value.i64 <= VALUE_TIME_MAX);
    if (kind != CQLUA_KIND_TIMESTAMP) parse_again(kind, &value);
    return 0;
}
