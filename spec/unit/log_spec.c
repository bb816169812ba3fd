/* Records of the log: what they show, how many there are, and what is said of those that are missing. */
#include "base/log.h"

#include <stdio.h>

#include "support/bytes.h"
#include "support/heap.h"

enum { SECOND = 1000 * 1000 };

static struct heap heap;
static struct log records;
static const char some_node[] = "127.0.0.1:9042", other_node[] = "127.0.0.2:9042";

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    log_init(&records, heap.memory, CQLUA_LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (struct cqlua_log *record; (record = log_take(&records)) != NULL;) log_record_free(record);
    heap_dispose(&heap);
    return 0;
}

__attribute__((format(printf, 4, 5))) static void add(enum cqlua_log_level level, int64_t now_us, const char *node,
                                                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_add(&records, level, now_us, node, format, arguments);
    va_end(arguments);
}

static void assert_next(const char *message)
{
    struct cqlua_log *record = log_take(&records);
    assert_non_null(record);
    assert_string_equal(record->message, message);
    log_record_free(record);
}

static void assert_shown(const char *text, const char *shown)
{
    static int64_t now_us;
    add(CQLUA_LOG_INFO, now_us += INT64_C(60) * SECOND, NULL, "%s", text);
    assert_next(shown);
}

static void M3_a_record_has_level_time_node_and_message(void **state)
{
    (void)state;
    records.ahead_us = 1000;
    add(CQLUA_LOG_WARN, 42, some_node, "lost %d of %s", 2, "three");
    struct cqlua_log *record = log_take(&records);
    assert_int_equal(record->level, CQLUA_LOG_WARN);
    assert_int_equal(record->time_us, 1042);
    assert_string_equal(record->node, some_node);
    assert_true(record->node != some_node);
    assert_string_equal(record->message, "lost 2 of three");
    assert_int_equal(record->suppressed, 0);
    log_record_free(record);
    assert_null(log_take(&records));
    log_record_free(NULL);
}

static void M3_levels_beyond_the_chosen_one_make_no_record(void **state)
{
    (void)state;
    add(CQLUA_LOG_DEBUG, 0, NULL, "debug");
    records.level = CQLUA_LOG_NONE;
    add(CQLUA_LOG_ERROR, 0, NULL, "error");
    assert_null(log_take(&records));
}

static void M3_levels_have_names(void **state)
{
    (void)state;
    for (int level = CQLUA_LOG_NONE; level <= CQLUA_LOG_DEBUG; level++)
        assert_int_equal(cqlua_log_level_parse(cqlua_log_level_name(level)), level);
    assert_int_equal(cqlua_log_level_parse("loud"), -1);
    assert_null(cqlua_log_level_name(-1));
    assert_null(cqlua_log_level_name(5));
}

static void SEC8_control_bytes_are_escaped(void **state)
{
    (void)state;
    assert_shown("a\nb\x1b[31mred\x7f\r", "a\\x0Ab\\x1B[31mred\\x7F\\x0D");
    assert_shown("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82");
    assert_shown("\xc2\x9b"
                 "31m",
                 "\\xC2\\x9B31m"); /* CSI as one character */
    assert_shown("\xe2\x80\xae"
                 "x\xe2\x81\xa6",
                 "\\xE2\\x80\\xAEx\\xE2\\x81\\xA6");            /* writing turned round */
    assert_shown("\xe2\x80\xa8", "\\xE2\\x80\\xA8");            /* a line separator */
    assert_shown("\xff\xc3(\xe2\x82", "\\xFF\\xC3(\\xE2\\x82"); /* not UTF-8 */
    assert_shown("\xe0\x82\x9b\xf0\x82\x82\x9b\xc0\x9b", "\\xE0\\x82\\x9B\\xF0\\x82\\x82\\x9B\\xC0\\x9B");
}

static void SEC8_nothing_is_shown_behind_a_password(void **state)
{
    (void)state;
    assert_shown("CREATE ROLE a WITH PASSWORD = 'x'' y' AND LOGIN = true", "CREATE ROLE a WITH PASSWORD ***");
    assert_shown("alter role a with hashed password='$2a$'", "alter role a with hashed password ***");
    assert_shown("WITH OPTIONS = {'password' : 'x'}", "WITH OPTIONS = {'password ***");
    assert_shown("WITH PassWord $$it's$$", "WITH PassWord ***");
    assert_shown("PASSWORD = 'cut off", "PASSWORD ***");
    assert_shown("PASSWORD''", "PASSWORD");
    assert_shown("Provided username and/or password are incorrect", "Provided username and/or password are incorrect");
}

static void SEC8_long_messages_are_cut_and_say_so(void **state)
{
    (void)state;
    char text[LIMIT_LOG_TEXT * 2];
    for (size_t len = LIMIT_LOG_TEXT - 20; len < sizeof text; len += 7) {
        memset(text, 'x', len);
        text[len] = '\0';
        for (int is_escaped = 0; is_escaped <= 1; is_escaped++) {
            if (is_escaped) memset(text, '\n', len);
            add(CQLUA_LOG_INFO, (int64_t)len * 60 * SECOND, NULL, "%s", text);
            struct cqlua_log *record = log_take(&records);
            size_t shown = strlen(record->message);
            assert_true(shown < LIMIT_LOG_TEXT);
            if (is_escaped) assert_string_equal(record->message + shown - 3, "...");
            log_record_free(record);
        }
    }
}

static void SEC8_repeats_are_counted_instead(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) add(CQLUA_LOG_WARN, i, some_node, "again: %d", i);
    add(CQLUA_LOG_WARN, 20, other_node, "again: %d", 20); /* another node is another matter */
    add(CQLUA_LOG_WARN, 21, some_node, "something else");
    assert_int_equal(records.count, LOG_BURST + 2);
}

/* One line of code, as the cluster's are. */
static void repeat(int64_t now_us)
{
    add(CQLUA_LOG_WARN, now_us, some_node, "again");
}

static void SEC8_the_next_record_says_how_many_were_left_out(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) repeat(i);
    for (int i = 0; i < LOG_BURST; i++) {
        struct cqlua_log *record = log_take(&records);
        assert_int_equal(record->suppressed, 0);
        log_record_free(record);
    }
    assert_null(log_take(&records));
    repeat((int64_t)LOG_WINDOW * 1000);
    repeat((int64_t)LOG_WINDOW * 1000);
    struct cqlua_log *record = log_take(&records);
    assert_int_equal(record->suppressed, 20 - LOG_BURST);
    log_record_free(record);
    record = log_take(&records);
    assert_int_equal(record->suppressed, 0);
    log_record_free(record);
}

static void SEC8_the_queue_is_bounded_and_tells_what_was_lost(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    for (int64_t i = 0; i < MANY; i++) add(CQLUA_LOG_INFO, i * 60 * SECOND, NULL, "number %d", (int)i);
    assert_int_equal(records.count, LIMIT_LOG_RECORDS);
    for (int i = 0; i < LIMIT_LOG_RECORDS; i++) log_record_free(log_take(&records));
    add(CQLUA_LOG_INFO, (int64_t)MANY * 60 * SECOND, NULL, "the last");
    char lost[100];
    snprintf(lost, sizeof lost, "%d log records before this one were lost: too many came at once", MANY - LIMIT_LOG_RECORDS);
    assert_next(lost);
    assert_next("the last");
    assert_null(log_take(&records));
}

static void SEC8_what_a_forgotten_place_left_out_is_among_the_lost(void **state)
{
    (void)state;
    static const char names[LIMIT_LOG_PLACES * 2][2];
    for (int i = 0; i < LOG_BURST + 3; i++) repeat(i);
    for (int i = 0; i < LIMIT_LOG_PLACES; i++) add(CQLUA_LOG_INFO, 100 + i, names[i], "place");
    assert_int_equal(records.dropped, 0); /* told already */
    int told = 0;
    for (struct cqlua_log *record; (record = log_take(&records)) != NULL; log_record_free(record))
        told += strncmp(record->message, "3 log records", 13) == 0;
    assert_int_equal(told, 1);
}

static void SEC8_without_memory_a_record_is_lost(void **state)
{
    (void)state;
    heap.fail_after = 0;
    add(CQLUA_LOG_INFO, 0, NULL, "no room");
    assert_null(log_take(&records));
    assert_int_equal(records.dropped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(M3_a_record_has_level_time_node_and_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(M3_levels_beyond_the_chosen_one_make_no_record, set_up, tear_down),
        cmocka_unit_test(M3_levels_have_names),
        cmocka_unit_test_setup_teardown(SEC8_control_bytes_are_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC8_nothing_is_shown_behind_a_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC8_long_messages_are_cut_and_say_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC8_repeats_are_counted_instead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC8_the_next_record_says_how_many_were_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC8_the_queue_is_bounded_and_tells_what_was_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC8_what_a_forgotten_place_left_out_is_among_the_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC8_without_memory_a_record_is_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
