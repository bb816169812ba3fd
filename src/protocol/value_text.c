/* The text forms of uuid, inet, date, time and timestamp, both ways, and the way to those of durations and numbers. Dates are of
 * the proleptic Gregorian calendar with a year 0, as ISO 8601 and Cassandra have them. Nothing is guessed: text that is not
 * wholly understood is refused. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#include "protocol/duration.h"
#include "protocol/number.h"
#include "protocol/value.h"

#define NANOSECONDS INT64_C(1000000000)
#define DAY_SECONDS INT64_C(86400)

/* --- the calendar ---------------------------------------------------------------------------------------------------------- */

struct date {
    int64_t year;
    int64_t month, day; /* from 1 */
};

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days from 1970-01-01 to March 1st of a year: years begin in March here, so that the leap day is a year's last. */
static int64_t days_to_march(int64_t year)
{
    const int64_t march_1970 = 719468; /* days from 0000-03-01 to 1970-01-01 */
    return 365 * year + floor_divide(year, 4) - floor_divide(year, 100) + floor_divide(year, 400) - march_1970;
}

/* From March on, months of 31, 30, 31, 30, 31 days repeat: 153 days in five. */
static int64_t days_to_month(int64_t months_since_march)
{
    return (153 * months_since_march + 2) / 5;
}

static int64_t days_of(struct date date)
{
    bool is_early = date.month < 3;
    return days_to_march(date.year - is_early) + days_to_month(date.month + (is_early ? 9 : -3)) + date.day - 1;
}

static struct date date_of(int64_t days)
{
    int64_t year = 1970 + floor_divide(days * 400, 146097); /* right but for one year */
    while (days_to_march(year) > days) year--;
    while (days_to_march(year + 1) <= days) year++;
    int64_t left = days - days_to_march(year), month = 0;
    while (month < 11 && days_to_month(month + 1) <= left) month++;
    return (struct date){year + (month > 9), month < 10 ? month + 3 : month - 9, left - days_to_month(month) + 1};
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

static int write_uuid(struct cqlua_slice bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes.base;
    char *at = out;
    if (bytes.len != 16) return CQLUA_EMISUSE;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
        *at++ = digits[from[i] >> 4];
        *at++ = digits[from[i] & 15];
    }
    return (int)(at - out);
}

static int write_inet(struct cqlua_slice bytes, char *out)
{
    if (bytes.len != 4 && bytes.len != 16) return CQLUA_EMISUSE;
    const char *text = inet_ntop(bytes.len == 4 ? AF_INET : AF_INET6, bytes.base, out, CQLUA_TEXT_MAX);
    return text == NULL ? CQLUA_EMISUSE : (int)strlen(text);
}

/* A year beyond 0 to 9999 has its sign (ISO 8601, 4.1.2.4). */
static int write_date(int64_t days, char *out)
{
    if (days < INT32_MIN || days > INT32_MAX) return CQLUA_EMISUSE;
    struct date date = date_of(days);
    const char *sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
    int64_t year = date.year < 0 ? -date.year : date.year;
    return snprintf(out, CQLUA_TEXT_MAX, "%s%04" PRId64 "-%02" PRId64 "-%02" PRId64, sign, year, date.month, date.day);
}

static int write_time(int64_t nanoseconds, char *out)
{
    if (nanoseconds < 0 || nanoseconds > VALUE_TIME_MAX) return CQLUA_EMISUSE;
    int64_t fraction = nanoseconds % NANOSECONDS, seconds = nanoseconds / NANOSECONDS;
    int len = snprintf(out, CQLUA_TEXT_MAX, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600, seconds / 60 % 60,
                       seconds % 60);
    if (fraction > 0) len += snprintf(out + len, (size_t)(CQLUA_TEXT_MAX - len), ".%09" PRId64, fraction);
    return len;
}

int cqlua_value_text(const struct cqlua_value *value, char *out)
{
    switch ((int)value->kind) {
    case CQLUA_KIND_UUID: return write_uuid(value->bytes, out);
    case CQLUA_KIND_INET: return write_inet(value->bytes, out);
    case CQLUA_KIND_DATE: return write_date(value->i64, out);
    case CQLUA_KIND_TIME: return write_time(value->i64, out);
    case CQLUA_KIND_DURATION: return duration_text(value, out);
    default: return CQLUA_EMISUSE;
    }
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* A number of `min` to `max` digits; *count (may be NULL) is how many there were. */
static int64_t number(struct scan *scan, int min, int max, int *count)
{
    int64_t value = 0;
    int digits = 0;
    for (; digits < max && scan_next_is_digit(scan); digits++) value = value * 10 + (*scan->at++ - '0');
    if (digits < min) scan->is_wrong = true;
    if (count != NULL) *count = digits;
    return value;
}

static int64_t number_below(struct scan *scan, int64_t end)
{
    int64_t value = number(scan, 2, 2, NULL);
    if (value >= end) scan->is_wrong = true;
    return value;
}

/* "[-+]YYYY-MM-DD", as days since 1970. */
static int64_t read_date(struct scan *scan)
{
    bool is_negative = scan_skip(scan, '-');
    if (!is_negative) scan_skip(scan, '+');
    struct date date = {.year = number(scan, 4, 9, NULL)};
    if (is_negative) date.year = -date.year;
    scan_expect(scan, '-');
    date.month = number(scan, 2, 2, NULL);
    scan_expect(scan, '-');
    date.day = number(scan, 2, 2, NULL);
    int64_t days = days_of(date);
    struct date same = date_of(days); /* February 30th comes back in March, a month 13 in January */
    if (same.month != date.month || same.day != date.day) scan->is_wrong = true;
    return days;
}

/* A fraction of a second after its point, in units of 10^-digits; what is finer must be zero. */
static int64_t read_fraction(struct scan *scan, int digits)
{
    int count;
    int64_t value = number(scan, 1, digits, &count);
    for (; count < digits; count++) value *= 10;
    while (scan_skip(scan, '0')) {}
    return value;
}

/* "HH:MM:SS[.f]" in units of 10^-digits seconds; seconds may be left out if `is_short`. */
static int64_t read_time(struct scan *scan, int digits, bool is_short)
{
    int64_t hours = number_below(scan, 24), unit = 1, seconds = 0, fraction = 0;
    scan_expect(scan, ':');
    int64_t minutes = number_below(scan, 60);
    if (!is_short || scan_next_is(scan, ':')) {
        scan_expect(scan, ':');
        seconds = number_below(scan, 60);
        if (scan_skip(scan, '.')) fraction = read_fraction(scan, digits);
    }
    for (int i = 0; i < digits; i++) unit *= 10;
    return (hours * 3600 + minutes * 60 + seconds) * unit + fraction;
}

/* "Z", "+hh:mm", "-hhmm" or nothing (UTC): seconds east of UTC. */
static int64_t read_zone(struct scan *scan)
{
    if (scan->at == scan->end || scan_skip(scan, 'Z')) return 0;
    bool is_west = scan_skip(scan, '-');
    if (!is_west) scan_expect(scan, '+');
    int64_t hours = number_below(scan, 24);
    scan_skip(scan, ':');
    int64_t seconds = hours * 3600 + number_below(scan, 60) * 60;
    return is_west ? -seconds : seconds;
}

static int64_t read_timestamp(struct scan *scan)
{
    const int64_t days_max = INT64_MAX / (DAY_SECONDS * 1000) - 2; /* whose milliseconds fit, whatever the time and the zone */
    int64_t days = read_date(scan), milliseconds = 0;
    if (days < -days_max || days > days_max) scan->is_wrong = true;
    else milliseconds = days * DAY_SECONDS * 1000;
    if (scan_skip(scan, 'T') || scan_skip(scan, ' ')) milliseconds += read_time(scan, 3, true);
    return milliseconds - read_zone(scan) * 1000;
}

static void read_uuid(struct scan *scan, uint8_t *out)
{
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) scan_expect(scan, '-');
        int high = scan->end - scan->at < 2 ? -1 : scan_hex(scan->at[0]);
        int low = high < 0 ? -1 : scan_hex(scan->at[1]);
        if (low < 0) {
            scan->is_wrong = true;
            return;
        }
        out[i] = (uint8_t)(high << 4 | low);
        scan->at += 2;
    }
}

/* Gives the number of bytes: 4, 16, or 0. */
static size_t read_inet(struct scan *scan, uint8_t *out)
{
    char text[CQLUA_TEXT_MAX];
    size_t len = (size_t)(scan->end - scan->at);
    scan->is_wrong = len >= sizeof text || memchr(scan->at, 0, len) != NULL;
    if (scan->is_wrong) return 0;
    memcpy(text, scan->at, len);
    text[len] = 0;
    scan->at = scan->end;
    if (inet_pton(AF_INET, text, out) == 1) return 4;
    if (inet_pton(AF_INET6, text, out) == 1) return 16;
    scan->is_wrong = true;
    return 0;
}

int cqlua_value_parse(enum cqlua_kind kind, const char *text, size_t len, uint8_t *storage, struct cqlua_value *value)
{
    if (text == NULL) return CQLUA_EINVALID_VALUE;
    struct scan scan = {text, text + len, false};
    struct cqlua_value read = {.kind = kind};
    switch ((int)kind) {
    case CQLUA_KIND_UUID:
        read_uuid(&scan, storage);
        read.bytes = slice(storage, 16);
        break;
    case CQLUA_KIND_INET: read.bytes = slice(storage, read_inet(&scan, storage)); break;
    case CQLUA_KIND_DATE:
        read.i64 = read_date(&scan);
        if (read.i64 < INT32_MIN || read.i64 > INT32_MAX) scan.is_wrong = true;
        break;
    case CQLUA_KIND_TIME: read.i64 = read_time(&scan, 9, false); break;
    case CQLUA_KIND_TIMESTAMP: read.i64 = read_timestamp(&scan); break;
    case CQLUA_KIND_DURATION: duration_read(&scan, &read); break;
    case CQLUA_KIND_VARINT:
    case CQLUA_KIND_DECIMAL: {
        int error = number_parse(text, len, storage, &read);
        if (error == 0) *value = read;
        return error;
    }
    default: return CQLUA_EINVALID_VALUE;
    }
    if (scan.is_wrong || scan.at != scan.end) return CQLUA_EINVALID_VALUE;
    *value = read;
    return 0;
}
