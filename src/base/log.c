#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct record {
    struct list link;
    struct memory *memory;
    size_t size;
    struct cqlua_log public;
    char chars[]; /* the message, then the node's name */
};

static const char *const names[] = {"none", "error", "warn", "info", "debug"};

const char *cqlua_log_level_name(int level)
{
    return level < CQLUA_LOG_NONE || level > CQLUA_LOG_DEBUG ? NULL : names[level];
}

int cqlua_log_level_parse(const char *name)
{
    for (int level = CQLUA_LOG_NONE; level <= CQLUA_LOG_DEBUG; level++)
        if (strcmp(names[level], name) == 0) return level;
    return -1;
}

void log_init(struct log *log, struct memory *memory, enum cqlua_log_level level)
{
    *log = (struct log){.memory = memory, .level = level};
    list_init(&log->records);
}

/* --- what a message may show ----------------------------------------------------------------------------------------------- */

/* Behind the word PASSWORD nothing is shown if a literal follows: where it ends is not worth a mistake. */
static void mask_password(char *text)
{
    static const char word[] = "password";
    for (size_t len = strlen(word); *text != '\0'; text++) {
        if (strncasecmp(text, word, len) != 0) continue;
        char *rest = text + len;
        if (strchr(rest, '\'') != NULL || strchr(rest, '$') != NULL) strcpy(rest, strlen(rest) > 3 ? " ***" : "");
        return;
    }
}

/* The length of the UTF-8 character at `at` if it may be shown: none that controls a terminal or turns the writing round. */
static size_t shown_length(const unsigned char *at)
{
    if (at[0] >= 0x20 && at[0] < 0x7F) return 1;
    size_t len = at[0] >= 0xC2 && at[0] < 0xE0 ? 2 : at[0] >= 0xE0 && at[0] < 0xF0 ? 3 : at[0] >= 0xF0 && at[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if (len == 2 && at[0] == 0xC2 && at[1] < 0xA0) return 0; /* C1 controls */
    if (len == 3 && at[0] == 0xE0 && at[1] < 0xA0) return 0; /* longer than need be */
    if (len == 4 && at[0] == 0xF0 && at[1] < 0x90) return 0;
    if (len == 3 && at[0] == 0xE2 && at[1] == 0x80 && (at[2] == 0x8E || at[2] == 0x8F || (at[2] >= 0xA8 && at[2] <= 0xAE)))
        return 0; /* directions, line separators */
    if (len == 3 && at[0] == 0xE2 && at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9) return 0;
    return len;
}

/* Copies what may be shown, the rest as \xNN; cut to `size`, which the last three bytes then say. */
static void escape(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        size_t len = shown_length(at), needed = len > 0 ? len : 4;
        if (used + needed + 4 > size) {
            strcpy(out + used, "...");
            return;
        }
        if (len > 0) memcpy(out + used, at, len);
        else snprintf(out + used, 5, "\\x%02X", at[0]);
        used += needed;
        at += len > 0 ? len : 1;
    }
    out[used] = '\0';
}

/* --- how often ------------------------------------------------------------------------------------------------------------- */

/* The place's entry; a new one takes the place of the one that is quiet for longest. */
static struct log_place *find(struct log *log, const char *format, const void *node, int64_t now_us)
{
    struct log_place *oldest = &log->places[0];
    for (size_t i = 0; i < LIMIT_LOG_PLACES; i++) {
        struct log_place *place = &log->places[i];
        if (place->format == format && place->node == node) return place;
        if (place->format == NULL || (oldest->format != NULL && place->since_us < oldest->since_us)) oldest = place;
    }
    log->dropped += oldest->suppressed;
    *oldest = (struct log_place){.format = format, .node = node, .since_us = now_us};
    return oldest;
}

/* Whether it may be said again; else that is counted. */
static bool admit(struct log_place *place, int64_t now_us)
{
    if (now_us - place->since_us >= (int64_t)LOG_WINDOW * 1000) {
        place->since_us = now_us;
        place->count = 0;
    }
    if (place->count == LOG_BURST) {
        place->suppressed++;
        return false;
    }
    place->count++;
    return true;
}

/* --- records --------------------------------------------------------------------------------------------------------------- */

static void append(struct log *log, const struct cqlua_log *made)
{
    size_t message = strlen(made->message) + 1, node = made->node == NULL ? 0 : strlen(made->node) + 1;
    struct record *record = log->count == LIMIT_LOG_RECORDS ? NULL : memory_get(log->memory, sizeof *record + message + node);
    if (record == NULL) {
        log->dropped++;
        return;
    }
    record->memory = log->memory;
    record->size = sizeof *record + message + node;
    record->public = *made;
    record->public.message = memcpy(record->chars, made->message, message);
    if (node > 0) record->public.node = memcpy(record->chars + message, made->node, node);
    list_append(&log->records, &record->link);
    log->count++;
}

/* Before what comes next: that something is missing. */
static void tell_dropped(struct log *log, int64_t time_us)
{
    char text[96];
    if (log->dropped == 0 || log->count + 2 > LIMIT_LOG_RECORDS) return;
    snprintf(text, sizeof text, "%llu log records before this one were lost: too many came at once",
             (unsigned long long)log->dropped);
    log->dropped = 0;
    append(log, &(struct cqlua_log){.level = CQLUA_LOG_WARN, .time_us = time_us, .message = text});
}

void log_add(struct log *log, enum cqlua_log_level level, int64_t now_us, const char *node, const char *format, va_list arguments)
{
    char text[LIMIT_LOG_TEXT], shown[LIMIT_LOG_TEXT];
    if (level > log->level) return;
    struct log_place *place = find(log, format, node, now_us);
    if (!admit(place, now_us)) return;
    vsnprintf(text, sizeof text, format, arguments);
    mask_password(text);
    escape(shown, sizeof shown, text);
    memory_wipe(text, sizeof text);
    int64_t time_us = now_us + log->ahead_us;
    tell_dropped(log, time_us);
    append(log, &(struct cqlua_log){level, time_us, node, shown, place->suppressed});
    place->suppressed = 0;
}

struct cqlua_log *log_take(struct log *log)
{
    if (log->count == 0) return NULL;
    struct list *at = list_take(&log->records);
    log->count--;
    return &container_of(at, struct record, link)->public;
}

void log_record_free(struct cqlua_log *public)
{
    if (public == NULL) return;
    struct record *record = container_of(public, struct record, public);
    memory_free(record->memory, record, record->size);
}
