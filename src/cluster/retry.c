#include "cluster/retry.h"

/* By code: what an idempotent request does; whether the attempt certainly had no effect, so that any request may go on. */
static const struct rule {
    int code;
    enum retry idempotent;
    bool has_no_effect;
    bool is_transient;
} rules[] = {
    {CQLUA_EUNAVAILABLE, RETRY_NEXT, true, true},
    {CQLUA_EOVERLOADED, RETRY_NEXT, true, true},
    {CQLUA_EIS_BOOTSTRAPPING, RETRY_NEXT, true, true},
    {CQLUA_ECONNECTION_LOST, RETRY_NEXT, false, true},
    {CQLUA_EREAD_TIMEOUT, RETRY_NEXT, false, true},
    {CQLUA_EWRITE_TIMEOUT, RETRY_NEXT, false, true}, /* of the write types below only */
    {CQLUA_ETIMEOUT, RETRY_NEXT, false, true},
    {CQLUA_ENO_NODES, RETRY_FAIL, true, true},
    {CQLUA_ECONNECT_FAILED, RETRY_NEXT, true, true},
    {CQLUA_EQUEUE_FULL, RETRY_FAIL, true, true},
    {CQLUA_EWRITE_QUEUE_FULL, RETRY_FAIL, true, true},
    {CQLUA_EUNPREPARED, RETRY_FAIL, true, false},
    {CQLUA_ESYNTAX_ERROR, RETRY_FAIL, true, false},
    {CQLUA_EUNAUTHORIZED, RETRY_FAIL, true, false},
    {CQLUA_EINVALID, RETRY_FAIL, true, false},
    {CQLUA_ECONFIG_ERROR, RETRY_FAIL, true, false},
    {CQLUA_EALREADY_EXISTS, RETRY_FAIL, true, false},
    {CQLUA_EBAD_CREDENTIALS, RETRY_FAIL, true, false},
    {CQLUA_EPROTOCOL_ERROR, RETRY_FAIL, true, false},
    {CQLUA_EINVALID_VALUE, RETRY_FAIL, true, false},
    {CQLUA_EMISUSE, RETRY_FAIL, true, false},
    {CQLUA_EUNSUPPORTED, RETRY_FAIL, true, false},
};

static const struct rule *rule_of(int code)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].code == code) return &rules[i];
    return NULL;
}

bool is_transient(int code)
{
    const struct rule *rule = rule_of(code);
    return rule != NULL && rule->is_transient;
}

enum effect failed_attempt_effect(int code, bool was_sent)
{
    const struct rule *rule = rule_of(code);
    return !was_sent || (rule != NULL && rule->has_no_effect) ? EFFECT_NONE : EFFECT_POSSIBLE;
}

/* A statement with IF is written in rounds, and these may come from a round after its proposal was accepted: then the write
 * follows, whatever the answer says. */
enum effect answered_effect(int code, bool is_conditional)
{
    bool is_late = is_conditional && (code == CQLUA_EUNAVAILABLE || code == CQLUA_EOVERLOADED);
    return is_late ? EFFECT_POSSIBLE : failed_attempt_effect(code, true);
}

/* A write that timed out may be repeated unless it is a counter's, a conditional one's, or of a kind that is not known. */
static bool is_repeatable(struct cqlua_slice write_type)
{
    static const char *const types[] = {"SIMPLE", "BATCH", "UNLOGGED_BATCH", "BATCH_LOG"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (slice_equal(write_type, slice_of(types[i]))) return true;
    return false;
}

enum retry retry_decide(int code, struct cqlua_slice write_type, bool is_idempotent, enum effect effect)
{
    const struct rule *rule = rule_of(code);
    if (rule == NULL) return RETRY_FAIL;
    if (!is_idempotent && effect != EFFECT_NONE) return RETRY_FAIL;
    if (code == CQLUA_EWRITE_TIMEOUT && !is_repeatable(write_type)) return RETRY_FAIL;
    return rule->idempotent;
}
