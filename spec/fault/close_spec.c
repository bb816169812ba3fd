/* Fault 41 at every stage: a session is closed after any number of steps of its life, which goes through resolving a name,
 * connecting, a TLS handshake, a SASL mechanism with a question pending, prepare, a change of keyspace, a lost connection and a
 * new one. All that waits completes with its answer or a typed error, at once or within the drain, and nothing is left. */
#include <stdlib.h>

#include "fault/support/tls_life.h"

enum { SECOND = 1000000 };

static void cut(struct sim *sim, void *arg)
{
    (void)arg;
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
}

static void submit(struct sim *sim)
{
    sim_prepare(sim, "SELECT token FROM t WHERE token = ?");
    sim_query(sim, "SELECT");
    sim_text(sim, "SELECT 'large'", NULL);
    sim_use(sim, "ks");
    sim_query(sim, "INSERT");
}

static void begin(struct sim *sim, int version, bool has_name)
{
    static const struct cqlua_address address = {.bytes = {127, 0, 0, 1}, .len = 4, .port = 9042};
    tls_life_begin(sim, &tls_certificates.node);
    sim->options.protocol_version = version;
    sim->options.reconnect_min_ms = sim->options.reconnect_max_ms = 20;
    if (has_name) {
        sim->options.contact_points = "node.example";
        sim->options.tls_identity = CQLUA_TLS_CHAIN;
        sim->names = &address;
        sim->names_count = 1;
    }
    tls_life_open(sim);
    assert_int_equal(sim->open_code, 0);
    submit(sim);
    sim_at(sim, sim->now_us + 30000, cut, NULL);
}

/* Gives false when the life has ended before. */
static bool close_after(struct sim *sim, int steps, int32_t drain_ms)
{
    bool is_late = false;
    for (int i = 0; i < steps; i++) {
        assert_true(sim_step(sim));
        if (i == 60) submit(sim);
        is_late = sim->nodes[0].connects > 1 && sim->calls_count > 5 && sim_call(sim, sim->calls_count - 1)->completions > 0;
        if (is_late) break;
    }
    int64_t start_us = sim->now_us;
    cqlua_session_close(sim->session, drain_ms);
    cqlua_session_close(sim->session, drain_ms);
    assert_int_equal(sim_call(sim, sim_query(sim, "SELECT"))->id, CQLUA_ECLOSED);
    while (!sim->is_closed) assert_true(sim_step(sim));
    assert_true(sim->now_us - start_us <= drain_ms * 1000 + SIM_TICK_US);
    assert_int_equal(sim_pipes_open(sim), 0);
    return !is_late;
}

static void close_everywhere(int version, bool has_name)
{
    struct sim *sim = malloc(sizeof *sim);
    assert_non_null(sim);
    bool goes_on = true;
    int steps = 0;
    for (; goes_on; steps++) {
        begin(sim, version, has_name);
        goes_on = close_after(sim, steps, steps % 3 == 0 ? 100 : 0);
        tls_life_end(sim);
    }
    print_message("%d steps\n", steps);
    assert_in_range(steps, 50, 1000);
    free(sim);
}

static void fault_41_closing_at_any_step_of_a_life_on_v5(void **state)
{
    (void)state;
    close_everywhere(5, false);
}

static void fault_41_closing_at_any_step_of_a_life_on_v4_with_a_name_to_resolve(void **state)
{
    (void)state;
    close_everywhere(4, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_41_closing_at_any_step_of_a_life_on_v5),
        cmocka_unit_test(fault_41_closing_at_any_step_of_a_life_on_v4_with_a_name_to_resolve),
    };
    return cmocka_run_group_tests(tests, tls_life_set_up, tls_life_tear_down);
}
