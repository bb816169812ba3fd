/* Requests that waited for room in a full output went on waiting when the bytes had gone out, until an answer came: while the
 * server was busy with the first of them, nothing was sent to it. */
#include <stdlib.h>

#include "sim/support/sim.h"

enum { CALLS = 20, BYTES = 400000 };

/* Counts what has arrived, and answers nothing. */
static bool never_answers(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY) return false;
    ++*(int *)message->sim->hook_arg;
    return true;
}

static void submit_all(struct sim *sim)
{
    char *text = malloc(BYTES + 1);
    memset(text, ' ', BYTES);
    memcpy(text, "INSERT", 6);
    text[BYTES] = '\0';
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 5000;
    for (int i = 0; i < CALLS; i++) sim_text(sim, text, &options);
    free(text);
}

static void fault_26_requests_go_out_as_soon_as_there_is_room(void **state)
{
    struct sim *sim = *state;
    int arrived = 0;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    sim->hook = never_answers;
    sim->hook_arg = &arrived;
    submit_all(sim);
    sim_run_for(sim, 100000);
    assert_int_equal(arrived, CALLS);
    sim_run_calls(sim, 10000000);
    for (size_t i = 0; i < CALLS; i++) sim_assert_error(sim, i, CQLUA_ETIMEOUT);
}

static void fault_26_requests_go_out_as_soon_as_the_server_reads_again(void **state)
{
    struct sim *sim = *state;
    int arrived = 0;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    sim->hook = never_answers;
    sim->hook_arg = &arrived;
    sim->nodes[0].stops_reading = true;
    submit_all(sim);
    sim_run_for(sim, 100000);
    assert_int_equal(arrived, 0);
    sim_read_again(sim, &sim->nodes[0]);
    sim_run_for(sim, 100000);
    assert_int_equal(arrived, CALLS);
    sim_run_calls(sim, 10000000);
    for (size_t i = 0; i < CALLS; i++) sim_assert_error(sim, i, CQLUA_ETIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_26_requests_go_out_as_soon_as_there_is_room),
        cmocka_unit_test_sim(fault_26_requests_go_out_as_soon_as_the_server_reads_again),
    };
    return cmocka_run_group_tests_name("output_room", tests, NULL, NULL);
}
