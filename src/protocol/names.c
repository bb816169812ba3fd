/* The public names of numbers: error codes and consistency levels. */
#include <cqlua.h>
#include <stddef.h>
#include <strings.h>

/* A switch, because the compiler then refuses two errors of one value. */
const char *cqlua_strerror(int code)
{
    switch (code) {
    case CQLUA_OK: return "success";
#define CQLUA_ERROR_TEXT(constant, value, name, text) \
    case CQLUA_E##constant: return text;
        CQLUA_ERRORS(CQLUA_ERROR_TEXT)
#undef CQLUA_ERROR_TEXT
    default: return "an error code that this version does not know";
    }
}

const char *cqlua_error_name(int code)
{
    switch (code) {
    case CQLUA_OK: return "ok";
#define CQLUA_ERROR_NAME(constant, value, name, text) \
    case CQLUA_E##constant: return #name;
        CQLUA_ERRORS(CQLUA_ERROR_NAME)
#undef CQLUA_ERROR_NAME
    default: return "unknown";
    }
}

/* By number (v4 section 3, [consistency]). */
static const char *const consistencies[] = {
    [CQLUA_ANY] = "any",
    [CQLUA_ONE] = "one",
    [CQLUA_TWO] = "two",
    [CQLUA_THREE] = "three",
    [CQLUA_QUORUM] = "quorum",
    [CQLUA_ALL] = "all",
    [CQLUA_LOCAL_QUORUM] = "local_quorum",
    [CQLUA_EACH_QUORUM] = "each_quorum",
    [CQLUA_SERIAL] = "serial",
    [CQLUA_LOCAL_SERIAL] = "local_serial",
    [CQLUA_LOCAL_ONE] = "local_one",
};
enum { CONSISTENCIES = sizeof consistencies / sizeof consistencies[0] };

const char *cqlua_consistency_name(int consistency)
{
    return consistency >= 0 && consistency < CONSISTENCIES ? consistencies[consistency] : NULL;
}

int cqlua_consistency_parse(const char *name)
{
    for (int i = 0; name != NULL && i < CONSISTENCIES; i++)
        if (strcasecmp(name, consistencies[i]) == 0) return i;
    return -1;
}

const char *cqlua_version(void)
{
    return CQLUA_VERSION;
}
