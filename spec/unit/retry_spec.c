/* The table of retries (Y2, Y3, Y6), row by row. */
#include "cluster/retry.h"

#include "support/check.h"

static const struct {
    int code;
    enum retry idempotent, other; /* of an attempt that was sent */
    bool has_no_effect, is_transient;
} table[] = {
    {CQLUA_EUNAVAILABLE, RETRY_NEXT, RETRY_NEXT, true, true},
    {CQLUA_EOVERLOADED, RETRY_NEXT, RETRY_NEXT, true, true},
    {CQLUA_EIS_BOOTSTRAPPING, RETRY_NEXT, RETRY_NEXT, true, true},
    {CQLUA_ECONNECT_FAILED, RETRY_NEXT, RETRY_NEXT, true, true},
    {CQLUA_ECONNECTION_LOST, RETRY_NEXT, RETRY_FAIL, false, true},
    {CQLUA_EREAD_TIMEOUT, RETRY_NEXT, RETRY_FAIL, false, true},
    {CQLUA_ETIMEOUT, RETRY_NEXT, RETRY_FAIL, false, true},
    {CQLUA_ESERVER_ERROR, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_ETRUNCATE_ERROR, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_EREAD_FAILURE, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_EWRITE_FAILURE, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_EFUNCTION_FAILURE, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_ECAS_WRITE_UNKNOWN, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_ECDC_WRITE_FAILURE, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_ESYNTAX_ERROR, RETRY_FAIL, RETRY_FAIL, true, false},
    {CQLUA_EUNAUTHORIZED, RETRY_FAIL, RETRY_FAIL, true, false},
    {CQLUA_EINVALID, RETRY_FAIL, RETRY_FAIL, true, false},
    {CQLUA_EALREADY_EXISTS, RETRY_FAIL, RETRY_FAIL, true, false},
    {CQLUA_EUNPREPARED, RETRY_FAIL, RETRY_FAIL, true, false},
    {CQLUA_EPROTOCOL, RETRY_FAIL, RETRY_FAIL, false, false},
    {CQLUA_ENO_NODES, RETRY_FAIL, RETRY_FAIL, true, true},
    {CQLUA_EQUEUE_FULL, RETRY_FAIL, RETRY_FAIL, true, true},
};

static void Y3_only_what_certainly_did_not_run_is_retried_unless_it_is_idempotent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int code = table[i].code;
        enum effect effect = failed_attempt_effect(code, true);
        assert_int_equal(effect, table[i].has_no_effect ? EFFECT_NONE : EFFECT_POSSIBLE);
        assert_int_equal(failed_attempt_effect(code, false), EFFECT_NONE);
        assert_int_equal(retry_decide(code, slice(NULL, 0), true, effect), table[i].idempotent);
        assert_int_equal(retry_decide(code, slice(NULL, 0), false, effect), table[i].other);
        assert_int_equal(is_transient(code), table[i].is_transient);
    }
}

static void Y2_a_write_timeout_is_retried_by_its_write_type(void **state)
{
    (void)state;
    static const char *const retried[] = {"SIMPLE", "BATCH", "UNLOGGED_BATCH", "BATCH_LOG"};
    static const char *const not_retried[] = {"COUNTER", "CAS", "VIEW", "CDC", "", "simple", "SIMPLEX"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(retry_decide(CQLUA_EWRITE_TIMEOUT, slice_of(retried[i]), true, EFFECT_POSSIBLE), RETRY_NEXT);
        assert_int_equal(retry_decide(CQLUA_EWRITE_TIMEOUT, slice_of(retried[i]), false, EFFECT_POSSIBLE), RETRY_FAIL);
    }
    for (int i = 0; i < 7; i++)
        assert_int_equal(retry_decide(CQLUA_EWRITE_TIMEOUT, slice_of(not_retried[i]), true, EFFECT_POSSIBLE), RETRY_FAIL);
}

static void Y3_what_was_not_sent_may_go_anywhere(void **state)
{
    (void)state;
    assert_int_equal(
        retry_decide(CQLUA_ECONNECTION_LOST, slice(NULL, 0), false, failed_attempt_effect(CQLUA_ECONNECTION_LOST, false)),
        RETRY_NEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(Y3_only_what_certainly_did_not_run_is_retried_unless_it_is_idempotent),
        cmocka_unit_test(Y2_a_write_timeout_is_retried_by_its_write_type),
        cmocka_unit_test(Y3_what_was_not_sent_may_go_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
