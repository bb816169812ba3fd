/* Faults 1, 2 and 5 in the long run: requests that time out, are cancelled, lose their answer or get it twice, among good ones,
 * against nodes that delay, reorder, lose and duplicate what they answer while ids rest. No row belongs to another request, each
 * completes exactly once and in time (the simulation checks that of every one), and memory comes back to where it was.
 *
 * CQLUA_REQUESTS=1000000 runs so many. ctest: timeout=120 */
#include <stdlib.h>

#include "sim/support/inside.h"

enum { DEFAULT_REQUESTS = 200000, BURST = 60, SLACK = 1 << 18 };

static size_t requests_wanted(void)
{
    const char *text = getenv("CQLUA_REQUESTS");
    return text == NULL ? DEFAULT_REQUESTS : strtoull(text, NULL, 10);
}

static void trouble(struct sim_node *node, bool is_first)
{
    node->latency_us = 500;
    node->jitter_us = 60000;             /* every answer overtakes another */
    node->duplicates = is_first ? 0 : 3; /* in 10,000: each closes its connection; the first node's use their ids again */
    node->loses = 5;
    node->fails = 50;
    node->chunk = 3000;
    node->is_random_chunk = true;
}

static void heal(struct sim_node *node)
{
    node->jitter_us = 0;
    node->duplicates = node->loses = node->fails = 0;
}

static void some_request(struct sim *sim)
{
    struct cqlua_call options = sim_call_options();
    if (sim_random(sim, 4) == 0) options.timeout_ms = 1 + (int32_t)sim_random(sim, 60); /* often less than the answer takes */
    if (sim_random(sim, 4) == 0) options.attempt_timeout_ms = 1 + (int32_t)sim_random(sim, 40);
    sim_query_with(sim, sim_random(sim, 3) == 0 ? "INSERT" : "SELECT", &options);
}

/* Some of the last requests, wherever they are. */
static void cancel_some(struct sim *sim)
{
    size_t recent = sim->calls_count < 4 * BURST ? sim->calls_count : 4 * BURST;
    for (int i = 0; i < BURST / 8; i++) {
        const struct sim_call *call = sim_call(sim, sim->calls_count - 1 - (size_t)sim_random(sim, (int64_t)recent));
        if (call->id > 0 && call->completions == 0) cqlua_cancel(sim->session, call->id);
    }
}

/* Gives back what has completed, from *first on. */
static void release_done(struct sim *sim, size_t *first)
{
    for (size_t i = *first; i < sim->calls_count; i++)
        if (sim->calls[i].completions > 0) sim_call_release(&sim->calls[i]);
    while (*first < sim->calls_count && sim->calls[*first].completions > 0) ++*first;
}

struct outcome {
    size_t good, timed_out, cancelled, other;
};

static struct outcome count_outcomes(struct sim *sim)
{
    struct outcome outcome = {0};
    for (size_t i = 0; i < sim->calls_count; i++) {
        int code = sim->calls[i].code;
        if (code == 0) outcome.good++;
        else if (code == CQLUA_ETIMEOUT) outcome.timed_out++;
        else if (code == CQLUA_ECANCELLED) outcome.cancelled++;
        else outcome.other++;
    }
    return outcome;
}

static void long_run(struct sim *sim, int version)
{
    size_t wanted = requests_wanted(), first = 0;
    sim->options.protocol_version = version;
    sim->options.reconnect_min_ms = 10;
    sim->options.reconnect_max_ms = 100;
    sim->options.connections_max = 1;
    sim_connect(sim, 2);
    sim_run_for(sim, 1000000);
    size_t before = cqlua_session_memory(sim->session); /* what is kept for reuse does not count */
    for (int i = 0; i < 2; i++) trouble(&sim->nodes[i], i == 0);
    for (int round = 1; sim->calls_count < wanted; round++) {
        for (int64_t burst = sim_random(sim, BURST); burst >= 0; burst--) some_request(sim);
        cancel_some(sim);
        sim_run_for(sim, 1 + sim_random(sim, 4000));
        if (round % 100 == 0) release_done(sim, &first);
    }
    for (int i = 0; i < 2; i++) heal(&sim->nodes[i]);
    sim_run_calls(sim, 20000000);
    release_done(sim, &first);
    sim_run_for(sim, 5000000); /* the late answers */
    struct outcome outcome = count_outcomes(sim);
    struct cqlua_session_counters counters = sim_counters(sim);
    print_message("v%d: %zu good, %zu timed out, %zu cancelled, %zu other; %llu late answers, %d connections\n", version,
                  outcome.good, outcome.timed_out, outcome.cancelled, outcome.other, (unsigned long long)counters.late_replies,
                  sim->connects);
    assert_true(outcome.good > wanted / 2 && outcome.timed_out > wanted / 50 && outcome.cancelled > wanted / 50);
    assert_true(counters.late_replies > wanted / 20);
    assert_true(counters.in_flight == 0 && counters.queued == 0);
    for (int i = 0; i < 100; i++) {
        size_t call = sim_query(sim, "SELECT");
        sim_assert_answer(sim, call);
        sim_call_release(sim_call(sim, call));
    }
    size_t after = cqlua_session_memory(sim->session);
    print_message("%zu bytes are held, %zu were\n", after, before);
    assert_true(after <= before + SLACK && sim->heap.live_bytes <= after + LIMIT_KEPT_BYTES + SLACK);
}

static void fault_1_fault_2_fault_5_a_long_run_on_v5(void **state)
{
    long_run(*state, 5);
}

static void fault_1_fault_2_fault_5_a_long_run_on_v4(void **state)
{
    long_run(*state, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_1_fault_2_fault_5_a_long_run_on_v5),
        cmocka_unit_test_sim(fault_1_fault_2_fault_5_a_long_run_on_v4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
