/* The cluster in C, with nodes in the process: events as callbacks and as completions, replicas, nodes that a call names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cqlua/testing.h>

enum { NODES = 3, FLOOD = 2000, MOST_EVENTS = 256 };

struct bench {
    struct cqlua_loop *loop;
    struct cqlua_server *server;
    struct cqlua_session *session;
    struct cqlua_queue *queue; /* NULL: callbacks */
    char heard[512];           /* what on_event was told */
    char error[512];           /* of the last request; "" */
    char coordinator[64];
    int answers;
};
static struct bench bench;

static void note(const struct cqlua_event *event)
{
    static const char *const names[] = {"up", "down", "added", "removed", "schema"};
    size_t len = strlen(bench.heard);
    snprintf(bench.heard + len, sizeof bench.heard - len, "%s %s %s %s.%s(%s);", names[event->kind],
             event->change == NULL ? event->node.address : event->change, event->target == NULL ? "" : event->target,
             event->keyspace == NULL ? "" : event->keyspace, event->name == NULL ? "" : event->name,
             event->args == NULL ? "" : event->args);
}

static void on_event(void *arg, const struct cqlua_event *event)
{
    assert_ptr_equal(arg, &bench);
    note(event);
}

static void turns(int count)
{
    while (count-- > 0) cqlua_loop_step(bench.loop, 5, 0);
}

static int nodes_up(void)
{
    struct cqlua_node node;
    int up = 0;
    for (int i = 0; cqlua_session_node(bench.session, i, &node) == 0; i++) up += node.is_up;
    return up;
}

static void wait_for_nodes(int count)
{
    for (int i = 0; i < 1000 && nodes_up() != count; i++) turns(1);
    assert_int_equal(nodes_up(), count);
}

static int start(void **state, struct cqlua_queue *queue)
{
    struct cqlua_server_options server_options;
    struct cqlua_options options;
    memset(&bench, 0, sizeof bench);
    bench.queue = queue;
    bench.loop = cqlua_loop_new();
    cqlua_server_options_init(&server_options);
    server_options.nodes = NODES;
    assert_int_equal(cqlua_server_start(&bench.server, &server_options, bench.loop), 0);
    cqlua_options_init(&options);
    options.contact_points = cqlua_server_contact_points(bench.server);
    options.reconnect_min_ms = options.reconnect_max_ms = 10;
    options.on_event = on_event;
    options.on_event_arg = &bench;
    options.events = 1;
    int rc = queue != NULL ? cqlua_session_open_to(&bench.session, &options, bench.loop, queue, 7)
                           : cqlua_session_open(&bench.session, &options, bench.loop, NULL, NULL);
    assert_int_equal(rc, 0);
    wait_for_nodes(NODES);
    for (int i = 0; i < 1000 && cqlua_session_schema_revision(bench.session) == 0; i++)
        turns(1); /* events are heard from then on */
    turns(20);
    bench.heard[0] = '\0';
    *state = &bench;
    return 0;
}

static int start_callbacks(void **state)
{
    return start(state, NULL);
}

static int start_queue(void **state)
{
    return start(state, cqlua_queue_new(NULL));
}

static int stop(void **state)
{
    (void)state;
    cqlua_session_free(bench.session);
    cqlua_server_free(bench.server);
    cqlua_queue_free(bench.queue);
    cqlua_loop_free(bench.loop);
    return 0;
}

static void tell(const char *change, const char *target, const char *name)
{
    struct cqlua_server_event event = {"SCHEMA_CHANGE", change, NULL, target, "shop", name};
    assert_int_equal(cqlua_server_event(bench.server, &event), 1);
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static void M4_a_callback_hears_of_nodes_and_schema(void **state)
{
    char expected[256];
    const char *address = cqlua_server_address(bench.server, 2);
    (void)state;
    tell("CREATED", "KEYSPACE", NULL);
    tell("DROPPED", "FUNCTION", "f");
    turns(20);
    assert_string_equal(bench.heard, "schema created keyspace shop.();schema dropped function shop.f();");
    bench.heard[0] = '\0';
    assert_int_equal(cqlua_server_node_stop(bench.server, 2), 0);
    wait_for_nodes(NODES - 1);
    assert_int_equal(cqlua_server_node_start(bench.server, 2), 0);
    wait_for_nodes(NODES);
    turns(5);
    snprintf(expected, sizeof expected, "down %s", address);
    assert_non_null(strstr(bench.heard, expected));
    snprintf(expected, sizeof expected, "up %s", address);
    assert_non_null(strstr(bench.heard, expected));
}

/* Takes everything there is; gives the number of events. */
static int take_events(int *unknown)
{
    struct cqlua_completion completion;
    int events = 0;
    while (cqlua_take(bench.queue, &completion, 1) == 1) {
        assert_int_equal(completion.tag, 7);
        if (completion.kind == CQLUA_EVENT) {
            events++;
            assert_ptr_equal(completion.session, bench.session);
            *unknown += completion.event->change != NULL && strcmp(completion.event->change, "unknown") == 0;
        }
        cqlua_completions_release(&completion, 1);
    }
    return events;
}

static void fault_31_a_flood_that_nobody_takes_is_bounded_and_told(void **state)
{
    int unknown = 0;
    (void)state;
    take_events(&unknown);
    for (int i = 0; i < FLOOD; i++) tell("UPDATED", "TABLE", "users");
    turns(100);
    assert_in_range(cqlua_queue_length(bench.queue), 1, MOST_EVENTS);
    unknown = 0;
    assert_in_range(take_events(&unknown), 1, MOST_EVENTS);
    tell("UPDATED", "TABLE", "users"); /* with room again, what is missing is told */
    for (int i = 0; i < 100 && unknown == 0; i++) {
        turns(1);
        take_events(&unknown);
    }
    assert_int_equal(unknown, 1);
}

static void events_that_were_not_taken_outlive_their_session(void **state)
{
    int unknown = 0;
    (void)state;
    take_events(&unknown);
    tell("CREATED", "TYPE", "address");
    turns(20);
    struct cqlua_completion completion;
    assert_int_equal(cqlua_take(bench.queue, &completion, 1), 1);
    tell("DROPPED", "TYPE", "address");
    turns(20);
    cqlua_session_free(bench.session);
    bench.session = NULL;
    assert_string_equal(completion.event->name, "address");
    cqlua_completions_release(&completion, 1);
}

static void the_schemas_revision_changes_with_the_schema(void **state)
{
    uint64_t before = cqlua_session_schema_revision(bench.session);
    (void)state;
    assert_true(before > 0);
    turns(5);
    assert_true(cqlua_session_schema_revision(bench.session) == before);
    tell("UPDATED", "TABLE", "users");
    turns(20);
    assert_true(cqlua_session_schema_revision(bench.session) > before);
}

/* --- ways ------------------------------------------------------------------------------------------------------------------ */

static void on_result(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    (void)arg;
    bench.answers++;
    snprintf(bench.error, sizeof bench.error, "%s", error == NULL ? "" : error->message);
    snprintf(bench.coordinator, sizeof bench.coordinator, "%s", error == NULL ? cqlua_result_coordinator(result) : "");
}

static void run(const char *nodes)
{
    struct cqlua_statement st;
    int answers = bench.answers;
    cqlua_statement_init_text(&st, "SELECT key FROM system.local");
    st.options.nodes = nodes;
    assert_true(cqlua_execute(bench.session, &st, on_result, NULL) > 0);
    cqlua_statement_dispose(&st);
    for (int i = 0; i < 1000 && bench.answers == answers; i++) turns(1);
    assert_int_equal(bench.answers, answers + 1);
}

static void Q1_a_call_goes_to_the_nodes_that_it_names(void **state)
{
    char list[128];
    (void)state;
    for (int i = 0; i < NODES; i++) {
        const char *address = cqlua_server_address(bench.server, i);
        snprintf(list, sizeof list, "127.0.0.250, %s", address);
        run(list);
        assert_string_equal(bench.coordinator, address);
    }
    run("127.0.0.2");
    assert_string_equal(bench.coordinator, cqlua_server_address(bench.server, 1));
    run("127.0.0.250");
    assert_non_null(strstr(bench.error, "127.0.0.250"));
    run("nonsense");
    assert_non_null(strstr(bench.error, "nonsense"));
}

static void replicas_are_not_known_of_a_keyspace_that_is_not(void **state)
{
    struct cqlua_node nodes[NODES];
    (void)state;
    assert_int_equal(cqlua_session_replicas(bench.session, "nowhere", (struct cqlua_slice){"key", 3}, nodes, NODES), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(M4_a_callback_hears_of_nodes_and_schema, start_callbacks, stop),
        cmocka_unit_test_setup_teardown(fault_31_a_flood_that_nobody_takes_is_bounded_and_told, start_queue, stop),
        cmocka_unit_test_setup_teardown(events_that_were_not_taken_outlive_their_session, start_queue, stop),
        cmocka_unit_test_setup_teardown(the_schemas_revision_changes_with_the_schema, start_callbacks, stop),
        cmocka_unit_test_setup_teardown(Q1_a_call_goes_to_the_nodes_that_it_names, start_callbacks, stop),
        cmocka_unit_test_setup_teardown(replicas_are_not_known_of_a_keyspace_that_is_not, start_callbacks, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
