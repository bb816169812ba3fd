/* Durations as text: CQL's own form, units from the largest to the smallest, each once; and the two of ISO 8601. A sign is
 * before all of it. */
#include "protocol/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum part { MONTHS, DAYS, NANOSECONDS, PARTS };

struct unit {
    const char *name;
    enum part part;
    uint64_t size; /* in units of its part */
};

#define SECOND UINT64_C(1000000000)

/* From the largest to the smallest. Weeks are only read. */
static const struct unit units[] = {
    {"y", MONTHS, 12},
    {"mo", MONTHS, 1},
    {"w", DAYS, 7},
    {"d", DAYS, 1},
    {"h", NANOSECONDS, 3600 * SECOND},
    {"m", NANOSECONDS, 60 * SECOND},
    {"s", NANOSECONDS, SECOND},
    {"ms", NANOSECONDS, 1000000},
    {"us", NANOSECONDS, 1000},
    {"ns", NANOSECONDS, 1},
};
enum { UNITS = sizeof units / sizeof units[0], YEAR = 0, MONTH = 1, WEEK = 2, DAY = 3, HOUR = 4, MINUTE = 5, SECONDS = 6 };

/* --- writing --------------------------------------------------------------------------------------------------------------- */

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

int duration_text(const struct cqlua_value *value, char *out)
{
    uint64_t left[PARTS] = {magnitude(value->months), magnitude(value->days), magnitude(value->i64)};
    bool is_negative = value->months < 0 || value->days < 0 || value->i64 < 0;
    int len = snprintf(out, CQLUA_TEXT_MAX, "%s", is_negative ? "-" : "");
    for (size_t i = 0; i < UNITS; i++) {
        uint64_t count = left[units[i].part] / units[i].size;
        if (count == 0 || i == WEEK) continue;
        left[units[i].part] %= units[i].size;
        len += snprintf(out + len, (size_t)(CQLUA_TEXT_MAX - len), "%" PRIu64 "%s", count, units[i].name);
    }
    return len > 0 ? len : snprintf(out, CQLUA_TEXT_MAX, "0s");
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* A duration that is being read, without its sign. */
struct sum {
    bool is_negative;
    uint64_t of[PARTS];
};

/* The largest magnitude of a part: a negative number's is one more. */
static uint64_t most(const struct sum *sum, enum part part)
{
    return (part == NANOSECONDS ? (uint64_t)INT64_MAX : (uint64_t)INT32_MAX) + sum->is_negative;
}

static void add(struct scan *scan, struct sum *sum, uint64_t count, const struct unit *unit)
{
    uint64_t *part = &sum->of[unit->part];
    if (count > (most(sum, unit->part) - *part) / unit->size) scan->is_wrong = true;
    else *part += count * unit->size;
}

/* How many bytes at the scan are the unit's name, in any case; "us" has a second spelling. */
static size_t unit_length(const struct scan *scan, const struct unit *unit)
{
    static const char micro[] = "\xC2\xB5s";
    size_t left = (size_t)(scan->end - scan->at), len = strlen(unit->name);
    if (left >= 3 && unit->size == 1000 && strncasecmp(scan->at, micro, 3) == 0) return 3;
    return left >= len && strncasecmp(scan->at, unit->name, len) == 0 ? len : 0;
}

/* The unit at the scan, not before `from`: UNITS if there is none. "m" is none where "mo" or "ms" is meant. */
static size_t read_unit(struct scan *scan, size_t from)
{
    size_t found = UNITS, longest = 0;
    for (size_t i = 0; i < UNITS; i++)
        if (unit_length(scan, &units[i]) > longest) {
            longest = unit_length(scan, &units[i]);
            found = i;
        }
    scan->at += longest;
    return found < from ? UNITS : found;
}

static void read_units(struct scan *scan, struct sum *sum)
{
    size_t from = 0;
    do {
        uint64_t count = scan_number(scan, UINT64_MAX);
        size_t at = read_unit(scan, from);
        if (at == UNITS) scan->is_wrong = true;
        else add(scan, sum, count, &units[at]);
        from = at + 1;
    } while (!scan->is_wrong && scan->at < scan->end);
}

/* "1Y2M": some of the designators, in their order, each a unit's. */
static void read_designators(struct scan *scan, struct sum *sum, const char *designators, const size_t *unit)
{
    for (size_t i = 0; designators[i] != '\0' && scan_next_is_digit(scan); i++) {
        uint64_t count = scan_number(scan, UINT64_MAX);
        while (designators[i] != '\0' && !scan_next_is(scan, designators[i])) i++;
        if (designators[i] == '\0') scan->is_wrong = true;
        if (scan->is_wrong) return;
        scan->at++;
        add(scan, sum, count, &units[unit[i]]);
    }
}

/* ISO 8601, 4.4.3.2: "P1Y2M3DT4H5M6S" or "P3W" */
static void read_iso(struct scan *scan, struct sum *sum)
{
    static const size_t dates[] = {YEAR, MONTH, DAY}, times[] = {HOUR, MINUTE, SECONDS}, weeks[] = {WEEK};
    const char *from = scan->at;
    bool is_weeks = scan->end > from && scan->end[-1] == 'W';
    if (is_weeks) read_designators(scan, sum, "W", weeks);
    else read_designators(scan, sum, "YMD", dates);
    if (scan->at == from && !scan_next_is(scan, 'T')) scan->is_wrong = true;
    if (is_weeks || !scan_skip(scan, 'T')) return;
    from = scan->at;
    read_designators(scan, sum, "HMS", times);
    if (scan->at == from) scan->is_wrong = true;
}

/* ISO 8601, 4.4.3.3: "P0001-02-03T04:05:06" */
static void read_alternative(struct scan *scan, struct sum *sum)
{
    static const size_t order[] = {YEAR, MONTH, DAY, HOUR, MINUTE, SECONDS};
    for (size_t i = 0; i < 6; i++) {
        const char *from = scan->at;
        if (i > 0) scan_expect(scan, "--T::"[i - 1]);
        from += i > 0;
        add(scan, sum, scan_number(scan, UINT64_MAX), &units[order[i]]);
        if (scan->at - from != (i == 0 ? 4 : 2)) scan->is_wrong = true;
        if (scan->is_wrong) return;
    }
}

static bool is_alternative(const struct scan *scan)
{
    return scan->end - scan->at > 4 && scan->at[4] == '-';
}

static int64_t with_sign(const struct sum *sum, enum part part)
{
    return (int64_t)(sum->is_negative ? -sum->of[part] : sum->of[part]);
}

void duration_read(struct scan *scan, struct cqlua_value *value)
{
    struct sum sum = {.is_negative = scan_skip(scan, '-')};
    if (!scan_skip(scan, 'P')) read_units(scan, &sum);
    else if (is_alternative(scan)) read_alternative(scan, &sum);
    else read_iso(scan, &sum);
    value->months = (int32_t)with_sign(&sum, MONTHS);
    value->days = (int32_t)with_sign(&sum, DAYS);
    value->i64 = with_sign(&sum, NANOSECONDS);
}
