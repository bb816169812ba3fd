/* Fault 47: the n-th allocation fails, for every n, over one whole life of a session: connect, prepare, execute, batch, a large
 * reply, pages, a change of keyspace, a repair, cancelled requests, a lost connection, close. Nothing crashes, leaks or hangs;
 * each request completes with a result or a typed error; and the next query works. ctest: timeout=300 */
#include <stdlib.h>

#include "sim/support/sim.h"

static const char text[] = "SELECT token FROM t WHERE token = ?";
static const char wide[] = "INSERT INTO t (a, b, c, d) VALUES (?, ?, ?, ?)";

static bool reply_large(struct sim_message *message)
{
    char token[32];
    if (!sim_message_is(message, "SELECT 'large")) return false;
    sim_message_token(message, token);
    sim_reply_rows(message, token, 10000, NULL);
    return true;
}

/* What a request may end with when memory runs out on its way. */
static bool is_expected(int code)
{
    switch (code) {
    case 0:
    case CQLUA_ENO_MEMORY:
    case CQLUA_ENO_NODES:        /* the connection could not be made */
    case CQLUA_ECONNECTION_LOST: /* or was given up */
    case CQLUA_ECLOSED:
    case CQLUA_ECANCELLED:
    case CQLUA_ETIMEOUT: return true;
    default: return false;
    }
}

static void assert_expected(const struct sim *sim)
{
    for (size_t i = 0; i < sim->calls_count; i++) {
        const struct sim_call *call = &sim->calls[i];
        if (call->id > 0 && !is_expected(call->code))
            fail_msg("%s: %s: %s", call->token, call->error->name, call->error->message);
        if (call->id <= 0) assert_int_equal(call->id, CQLUA_ENO_MEMORY);
    }
}

static struct cqlua_prepared *wait_prepared(struct sim *sim, const char *cql)
{
    size_t call = sim_prepare(sim, cql);
    return sim_call(sim, call)->id < 0 ? NULL : sim_wait(sim, call)->prepared;
}

static void use_session(struct sim *sim)
{
    struct cqlua_prepared *prepared = wait_prepared(sim, text), *insert = wait_prepared(sim, wide);
    if (prepared != NULL) sim_execute(sim, prepared, NULL);
    if (insert != NULL) sim_execute(sim, insert, NULL);
    struct cqlua_call more = sim_call_options();
    more.paging_state = slice_of("1");
    sim_text(sim, "PAGES 2", NULL);
    sim_text(sim, "PAGES 2", &more);
    sim_batch(sim, &insert, insert != NULL, NULL);
    sim_text(sim, "SELECT 'large'", NULL);
    sim_text(sim, "CREATE TABLE t (a int PRIMARY KEY)", NULL);
    sim_run_calls(sim, 60000000);
    sim_use(sim, "other");
    sim_query(sim, "INSERT");
    sim_node_forget(&sim->nodes[0]);
    if (prepared != NULL) sim_execute(sim, prepared, NULL);
    for (int i = 0; i < 100; i++) sim_query(sim, "SELECT");
    sim_run_calls(sim, 60000000);
    size_t first = sim->calls_count;
    for (int i = 0; i < 10; i++) sim_query(sim, i % 2 == 0 ? "SELECT" : "INSERT");
    sim_run_for(sim, 300);
    for (int i = 0; i < 4; i++)
        if (sim_call(sim, first + (size_t)i)->id > 0) cqlua_cancel(sim->session, sim_call(sim, first + (size_t)i)->id);
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    sim_run_calls(sim, 60000000);
}

/* Memory is back: so is the session, once its connection is. */
static void assert_usable(struct sim *sim, uint64_t n)
{
    sim->heap.fail_at = 0;
    sim_run_for(sim, 5000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    sim->heap.fail_at = n;
}

/* One life in which allocation `n` fails: false if there were fewer. */
static bool live(struct sim *sim, int version, const char *compression, uint64_t n, uint64_t more)
{
    sim_init(sim, 3);
    sim->options.protocol_version = version;
    sim->options.compression = sim->nodes[0].compression = compression;
    sim->options.keyspace = "ks";
    sim->options.username = sim->nodes[0].username = "ada";
    sim->options.password = sim->nodes[0].password = "secret-word";
    sim->nodes[0].authenticator = "org.apache.cassandra.auth.PasswordAuthenticator";
    sim->hook = reply_large;
    sim->heap.secret = "secret-word";
    sim->heap.fail_at = n;
    sim->heap.fail_more = more;
    sim_open(sim, 1);
    bool is_open = sim->open_code == 0;
    if (!is_open) assert_int_equal(sim->open_code, CQLUA_ENO_MEMORY);
    if (is_open) {
        sim_run_to_open(sim);
        if (sim->open_code == 0) use_session(sim);
        assert_expected(sim);
        if (sim->open_code == 0) assert_usable(sim, n);
        size_t last = sim_query(sim, "SELECT");
        cqlua_session_close(sim->session, 0);
        if (sim_call(sim, last)->id > 0) sim_wait(sim, last);
    }
    sim_end(sim);
    assert_int_equal(sim->heap.secrets_freed, 0);
    return sim->heap.allocations >= n;
}

static void every_allocation(int version, const char *compression, uint64_t more)
{
    struct sim *sim = malloc(sizeof *sim);
    assert_non_null(sim);
    uint64_t n = 1;
    while (live(sim, version, compression, n, more)) n++;
    print_message("%llu allocations\n", (unsigned long long)(n - 1));
    assert_true(n > 40);
    free(sim);
}

static void fault_47_every_allocation_may_fail_on_v5(void **state)
{
    (void)state;
    every_allocation(5, NULL, 0);
}

static void fault_47_every_allocation_may_fail_on_v5_with_lz4(void **state)
{
    (void)state;
    every_allocation(5, "lz4", 0);
}

static void fault_47_every_allocation_may_fail_on_v4(void **state)
{
    (void)state;
    every_allocation(4, NULL, 0);
}

static void fault_47_every_allocation_may_fail_on_v4_with_lz4(void **state)
{
    (void)state;
    every_allocation(4, "lz4", 0);
}

static void fault_47_every_allocation_may_fail_on_v3(void **state)
{
    (void)state;
    every_allocation(3, NULL, 0);
}

static void fault_47_any_seven_in_a_row_may_fail(void **state)
{
    (void)state;
    every_allocation(5, NULL, 6);
}

/* Options that cannot be copied, in turn. */
static void fault_47_a_session_that_cannot_be_made_leaves_nothing(void **state)
{
    struct sim *sim = *state;
    for (uint64_t n = 1; n < 12; n++) {
        sim_end(sim);
        sim_init(sim, 1);
        sim->options.contact_points = "a.example, b.example, 127.0.0.1, ::1";
        sim->options.username = "ada";
        sim->options.password = "secret-word";
        sim->options.authenticators = "com.example.Own";
        sim->heap.secret = "secret-word";
        sim->heap.fail_at = n;
        sim_open(sim, 0);
        if (sim->open_code != 0) assert_int_equal(sim->heap.live_blocks, 0);
        assert_int_equal(sim->heap.secrets_freed, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_47_every_allocation_may_fail_on_v5),
        cmocka_unit_test(fault_47_every_allocation_may_fail_on_v5_with_lz4),
        cmocka_unit_test(fault_47_every_allocation_may_fail_on_v4),
        cmocka_unit_test(fault_47_every_allocation_may_fail_on_v4_with_lz4),
        cmocka_unit_test(fault_47_every_allocation_may_fail_on_v3),
        cmocka_unit_test(fault_47_any_seven_in_a_row_may_fail),
        cmocka_unit_test_sim(fault_47_a_session_that_cannot_be_made_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
