/* Both ends of every number among a session's options: they are taken, and what is one beyond is refused by name. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "session/session.h"
#include "support/check.h"

#define FIELD(member) #member, offsetof(struct cqlua_options, member), sizeof(((struct cqlua_options *)0)->member) == 8

static const struct range {
    const char *name;
    size_t offset;
    bool is_64;
    int64_t least, most;
} ranges[] = {
    {FIELD(connect_timeout_ms), 1, 300000},
    {FIELD(request_timeout_ms), 1, 300000},
    {FIELD(attempt_timeout_ms), 0, 300000},
    {FIELD(heartbeat_interval_ms), 1, INT32_MAX},
    {FIELD(heartbeat_timeout_ms), 1, INT32_MAX},
    {FIELD(reconnect_min_ms), 1, INT32_MAX},
    {FIELD(reconnect_max_ms), 1000, INT32_MAX}, /* from reconnect_min_ms */
    {FIELD(connections_min), 1, 64},
    {FIELD(connections_max), 1, 64}, /* from connections_min */
    {FIELD(max_retries), -1, 7},
    {FIELD(max_in_flight), 1, 32767},
    {FIELD(max_queued), 1, LIMIT_REQUESTS / 2},
    {FIELD(max_prepared), 1, INT32_MAX},
    {FIELD(max_frame_bytes), 1024, INT32_MAX},
    {FIELD(max_result_bytes), 1024, INT32_MAX},
    {FIELD(max_memory_bytes), 1 << 20, INT64_C(1) << 50},
    {FIELD(page_size), 1, INT32_MAX},
    {FIELD(consistency), 1, CQLUA_LOCAL_ONE},
};

/* The options' check of one value; 0 is always the default. */
static int check(const struct range *range, int64_t value, char *text, size_t size)
{
    struct cqlua_options options;
    cqlua_options_init(&options);
    int32_t narrow = (int32_t)value;
    if (range->is_64) memcpy((char *)&options + range->offset, &value, sizeof value);
    else memcpy((char *)&options + range->offset, &narrow, sizeof narrow);
    return cqlua_options_check(&options, text, size);
}

static void taken(const struct range *range, int64_t value)
{
    char text[256];
    if (check(range, value, text, sizeof text) != 0) fail_msg("%s", text);
}

static void refused(const struct range *range, int64_t value)
{
    char text[256], said[128];
    snprintf(said, sizeof said, "%s is %lld: it goes from ", range->name, (long long)value);
    if (check(range, value, text, sizeof text) != CQLUA_EMISUSE) fail_msg("%s = %lld is taken", range->name, (long long)value);
    assert_memory_equal(text, said, strlen(said));
}

static void C2_every_number_has_two_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const struct range *range = &ranges[i];
        taken(range, range->least);
        taken(range, range->most);
        refused(range, range->least == 1 ? -1 : range->least - 1);
        refused(range, INT32_MIN);
        if (range->is_64 || range->most < INT32_MAX) refused(range, range->most + 1);
        if (range->is_64) refused(range, INT64_MAX);
        if (range->most < INT32_MAX) refused(range, INT32_MAX);
    }
}

static void C2_contact_points_are_counted(void **state)
{
    (void)state;
    struct cqlua_options options;
    char text[256], list[2 * LIMIT_CONTACT_POINTS + 4] = "";
    cqlua_options_init(&options);
    for (int i = 0; i < LIMIT_CONTACT_POINTS; i++) strcat(list, "a,");
    options.contact_points = list;
    assert_int_equal(cqlua_options_check(&options, text, sizeof text), 0);
    strcat(list, "a");
    assert_int_equal(cqlua_options_check(&options, text, sizeof text), CQLUA_EMISUSE);
    assert_string_equal(text, "contact_points has more than 256 entries");
}

/* A newer field that an older program does not know keeps its default. */
static void C2_options_may_end_after_any_field(void **state)
{
    (void)state;
    for (size_t size = offsetof(struct cqlua_options, contact_points); size <= sizeof(struct cqlua_options); size += 8) {
        struct cqlua_options options, resolved;
        struct failure failure;
        memset(&options, 0xFF, sizeof options);
        cqlua_options_init_sized(&options, size);
        assert_int_equal(options_resolve(&resolved, &options, &failure), 0);
        assert_int_equal(resolved.page_size, 5000);
        assert_null(resolved.transport);
        assert_null(resolved.allocator.resize);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C2_every_number_has_two_ends),
        cmocka_unit_test(C2_contact_points_are_counted),
        cmocka_unit_test(C2_options_may_end_after_any_field),
    };
    return cmocka_run_group_tests_name("options_ranges", tests, NULL, NULL);
}
