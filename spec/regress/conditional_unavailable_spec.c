/* A statement with IF that a node answered UNAVAILABLE, which may be after its proposal was accepted, was sent to another node,
 * where it met its own effect: "not applied", although it was. */
#include "sim/support/sim.h"

static int executions;
static int32_t code;

static bool refuse_the_first(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY || executions++ > 0) return false;
    sim_reply_code(message, code, "Cannot achieve consistency level QUORUM");
    return true;
}

static void assert_sent_once(struct sim *sim, int32_t server_code, int expected)
{
    executions = 0;
    code = server_code;
    size_t call = sim_query(sim, "UPDATE t SET v = 1 WHERE k = 1 IF v = 0");
    sim_wait(sim, call);
    sim_assert_error(sim, call, expected);
    assert_int_equal(executions, 1);
    assert_int_equal(sim_call(sim, call)->error->may_have_executed, 1);
}

static void Y3_fault_12_a_conditional_statement_may_have_run_although_a_node_was_unavailable(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 3);
    sim_run_for(sim, 1000000);
    sim->hook = refuse_the_first;
    assert_sent_once(sim, SERVER_UNAVAILABLE, CQLUA_EUNAVAILABLE);
    assert_sent_once(sim, SERVER_OVERLOADED, CQLUA_EOVERLOADED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(Y3_fault_12_a_conditional_statement_may_have_run_although_a_node_was_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
