/* The spec's side: requests, and what becomes of them. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/support/inside.h"

struct sim_call *sim_call(struct sim *sim, size_t index)
{
    assert_true(index < sim->calls_count);
    return &sim->calls[index];
}

struct sim_call *sim_call_of_token(struct sim *sim, const char *token)
{
    char *end;
    if (token[0] != 't' || token[1] == '\0') return NULL;
    size_t index = strtoul(token + 1, &end, 10);
    return *end == '\0' && index < sim->calls_count ? &sim->calls[index] : NULL;
}

void sim_call_release(struct sim_call *call)
{
    cqlua_error_free(call->error);
    cqlua_result_unref(call->result);
    cqlua_prepared_unref(call->prepared);
    call->error = NULL;
    call->result = NULL;
    call->prepared = NULL;
}

/* --- what has completed ---------------------------------------------------------------------------------------------------- */

static void copy_text(const struct cqlua_rows *rows, int index, char *out, size_t size)
{
    struct cqlua_slice text;
    if (cqlua_row_text(rows, index, &text) == 0) snprintf(out, size, "%.*s", (int)text.len, (const char *)text.base);
}

static void look_at_row(struct sim_call *call)
{
    struct cqlua_rows rows = cqlua_result_rows(call->result);
    if (cqlua_rows_next(&rows) != 1) return;
    copy_text(&rows, 0, call->row_token, sizeof call->row_token);
    copy_text(&rows, 1, call->row_keyspace, sizeof call->row_keyspace);
    if (!call->is_checked) return;
    if (strcmp(call->row_token, call->token) != 0) fail_msg("%s got the answer of %s", call->token, call->row_token);
}

/* As a host that answers at once. */
static void answer_address(struct sim *sim, const struct cqlua_completion *asked)
{
    struct cqlua_reply reply = {0};
    if (sim->translate == NULL || !sim->translate(sim, asked, &reply)) return;
    sim->turns_in_place = 0;
    (void)cqlua_answer(sim->session, asked->id, &reply); /* it may have been given up */
}

static void note_question(struct sim *sim, const struct cqlua_completion *asked)
{
    sim->asks++;
    sim->question = asked->id;
    sim->asked = asked->question;
    if (asked->question == CQLUA_ASK_ADDRESS) {
        answer_address(sim, asked);
        return;
    }
    sim->step = asked->step;
    sim->exchange = asked->exchange;
    snprintf(sim->asked_by, sizeof sim->asked_by, "%s", asked->asked_by);
    snprintf(sim->authenticator, sizeof sim->authenticator, "%s", asked->authenticator);
    sim->has_challenge = asked->challenge.base != NULL;
    sim->challenge_len = asked->challenge.len;
    snprintf(sim->challenge, sizeof sim->challenge, "%.*s", (int)(asked->challenge.len < 60 ? asked->challenge.len : 60),
             sim->has_challenge ? (const char *)asked->challenge.base : "");
}

void sim_note_log(void *arg, const struct cqlua_log *record)
{
    struct sim *sim = arg;
    char suppressed[16] = "";
    if (record->suppressed > 0) snprintf(suppressed, sizeof suppressed, " +%u", record->suppressed);
    sim->log_time_us = record->time_us;
    if (sim->logs_count++ >= SIM_LOGS) return;
    snprintf(sim->logs[sim->logs_count - 1], sizeof sim->logs[0], "%s %s %s%s", cqlua_log_level_name((int)record->level),
             record->node == NULL ? "-" : record->node, record->message, suppressed);
}

int sim_logged(const struct sim *sim, const char *part)
{
    int found = 0;
    for (size_t i = 0; i < sim->logs_count && i < SIM_LOGS; i++) found += strstr(sim->logs[i], part) != NULL;
    return found;
}

static void note_session(struct sim *sim, struct cqlua_completion *completion)
{
    switch (completion->kind) {
    case CQLUA_OPENED:
        assert_false(sim->is_opened);
        sim->is_opened = true;
        sim->open_error = completion->error;
        sim->open_code = completion->error == NULL ? 0 : completion->error->code;
        completion->error = NULL;
        break;
    case CQLUA_CLOSED:
        assert_false(sim->is_closed);
        sim->is_closed = true;
        break;
    case CQLUA_ASK: note_question(sim, completion); break;
    case CQLUA_LOG: sim_note_log(sim, completion->log); break;
    case CQLUA_EVENT: break;
    case CQLUA_RESULT:
    case CQLUA_PREPARED: fail_msg("the completion of a request has the session's tag");
    }
}

/* No request outlives its deadline by more than a tick, whatever happens (rule c). */
static void check_time(struct sim *sim, const struct sim_call *call)
{
    int64_t took_us = call->completed_us - call->submitted_us;
    int64_t due_us = call->submitted_us + call->timeout_us;
    if (due_us < sim->stalled_until_us) due_us = sim->stalled_until_us;
    if (call->completed_us > due_us + SIM_TICK_US) fail_msg("%s took %lld us", call->token, (long long)took_us);
    if (call->code == CQLUA_ETIMEOUT && took_us < call->timeout_us)
        fail_msg("%s timed out early, after %lld us at %lld", call->token, (long long)took_us, (long long)sim->now_us);
}

static void note_call(struct sim *sim, struct cqlua_completion *completion)
{
    struct sim_call *call = sim_call(sim, completion->tag);
    if (completion->kind == CQLUA_ASK) { /* its error is released with the completion */
        assert_int_equal(call->completions, 0);
        call->question = completion->id;
        return;
    }
    if (call->completions++ > 0) fail_msg("%s completed twice", call->token);
    assert_int_equal(completion->id, call->id);
    call->completed_us = sim->now_us;
    call->error = completion->error;
    call->result = completion->result;
    call->prepared = completion->prepared;
    call->code = call->error == NULL ? 0 : call->error->code;
    assert_int_equal((call->error != NULL) + (call->result != NULL) + (call->prepared != NULL), 1);
    completion->error = NULL;
    completion->result = NULL;
    completion->prepared = NULL;
    if (call->result != NULL) look_at_row(call);
    check_time(sim, call);
}

void sim_collect(struct sim *sim)
{
    struct cqlua_completion completions[16];
    for (int count; (count = cqlua_take(sim->queue, completions, 16)) > 0;) {
        for (int i = 0; i < count; i++) {
            if (completions[i].tag == SIM_SESSION_TAG) note_session(sim, &completions[i]);
            else note_call(sim, &completions[i]);
        }
        cqlua_completions_release(completions, count);
    }
}

/* --- submitting ------------------------------------------------------------------------------------------------------------ */

struct cqlua_call sim_call_options(void)
{
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, "");
    return st.options;
}

static size_t new_call(struct sim *sim)
{
    if (sim->calls_count == sim->calls_capacity) {
        sim->calls_capacity = sim->calls_capacity == 0 ? 64 : sim->calls_capacity * 2;
        sim->calls = realloc(sim->calls, sim->calls_capacity * sizeof *sim->calls);
        assert_non_null(sim->calls);
    }
    size_t index = sim->calls_count++;
    struct sim_call *call = &sim->calls[index];
    *call = (struct sim_call){.submitted_us = sim->now_us};
    snprintf(call->token, sizeof call->token, "t%zu", index);
    return index;
}

static void set_timeout(struct sim *sim, struct sim_call *call, int32_t timeout_ms, bool is_schema)
{
    int32_t session_ms = sim->options.request_timeout_ms;
    int32_t otherwise_ms = session_ms != 0 ? session_ms : is_schema ? DEFAULT_SCHEMA_TIMEOUT : DEFAULT_REQUEST_TIMEOUT;
    call->timeout_us = (int64_t)(timeout_ms != 0 ? timeout_ms : otherwise_ms) * 1000;
}

static size_t submit(struct sim *sim, size_t index, struct cqlua_statement *st, const struct cqlua_call *options)
{
    struct sim_call *call = sim_call(sim, index);
    if (options != NULL) st->options = *options;
    sim->turns_in_place = 0;
    set_timeout(sim, call, st->options.timeout_ms, st->text_len > 6 && memcmp(st->text, "CREATE", 6) == 0);
    call->id = cqlua_submit(sim->session, st, sim->queue, index);
    cqlua_statement_dispose(st);
    return index;
}

size_t sim_text(struct sim *sim, const char *text, const struct cqlua_call *options)
{
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, text);
    return submit(sim, new_call(sim), &st, options);
}

size_t sim_query_with(struct sim *sim, const char *keyword, const struct cqlua_call *options)
{
    char text[128];
    struct cqlua_statement st;
    size_t index = new_call(sim);
    snprintf(text, sizeof text, "%s '%s'", keyword, sim->calls[index].token);
    sim->calls[index].is_checked = true;
    cqlua_statement_init_text(&st, text);
    return submit(sim, index, &st, options);
}

size_t sim_query(struct sim *sim, const char *keyword)
{
    return sim_query_with(sim, keyword, NULL);
}

size_t sim_prepare(struct sim *sim, const char *text)
{
    size_t index = new_call(sim);
    struct sim_call *call = sim_call(sim, index);
    set_timeout(sim, call, 0, false);
    call->id = cqlua_prepare_to(sim->session, text, strlen(text), 0, sim->queue, index);
    return index;
}

size_t sim_execute(struct sim *sim, struct cqlua_prepared *prepared, const struct cqlua_call *options)
{
    struct cqlua_statement st;
    size_t index = new_call(sim);
    const char *token = sim->calls[index].token;
    sim->calls[index].is_checked = true;
    cqlua_statement_init(&st, prepared);
    for (int i = 0; i < cqlua_prepared_params_count(prepared); i++) cqlua_bind_text(&st, i, token, strlen(token));
    return submit(sim, index, &st, options);
}

/* Its errors stick: submit gives the first. */
static void add_to_batch(struct cqlua_batch *batch, struct cqlua_statement *st)
{
    int rc = cqlua_batch_add(batch, st);
    assert_true(rc == 0 || rc == CQLUA_ENO_MEMORY);
    cqlua_statement_dispose(st);
}

size_t sim_batch(struct sim *sim, struct cqlua_prepared *const *prepared, int count, const struct cqlua_call *options)
{
    size_t index = new_call(sim);
    struct sim_call *call = sim_call(sim, index);
    struct cqlua_batch batch;
    struct cqlua_statement st;
    char text[64];
    snprintf(text, sizeof text, "INSERT '%s'", call->token);
    cqlua_batch_init(&batch, sim->session, CQLUA_BATCH_UNLOGGED);
    if (options != NULL) batch.options = *options;
    cqlua_statement_init_text(&st, text);
    add_to_batch(&batch, &st);
    for (int i = 0; i < count; i++) {
        cqlua_statement_init(&st, prepared[i]);
        for (int j = 0; j < cqlua_prepared_params_count(prepared[i]); j++)
            cqlua_bind_text(&st, j, call->token, strlen(call->token));
        add_to_batch(&batch, &st);
    }
    set_timeout(sim, call, batch.options.timeout_ms, false);
    call->id = cqlua_batch_submit(&batch, sim->queue, index);
    cqlua_batch_dispose(&batch);
    return index;
}

size_t sim_use(struct sim *sim, const char *keyspace)
{
    size_t index = new_call(sim);
    struct sim_call *call = sim_call(sim, index);
    set_timeout(sim, call, 0, false);
    call->id = cqlua_session_use_to(sim->session, keyspace, sim->queue, index);
    return index;
}

struct cqlua_session_counters sim_counters(struct sim *sim)
{
    struct cqlua_session_counters counters;
    cqlua_session_count(sim->session, &counters);
    return counters;
}

/* --- waiting, and what is asserted ----------------------------------------------------------------------------------------- */

struct sim_call *sim_wait(struct sim *sim, size_t index)
{
    struct sim_call *call = sim_call(sim, index);
    if (call->id <= 0) fail_msg("%s was not accepted: %s", call->token, cqlua_error_name((int)call->id));
    while (sim_call(sim, index)->completions == 0)
        if (!sim_step(sim)) fail_msg("nothing happens any more, and %s has not completed", call->token);
    return sim_call(sim, index);
}

void sim_run_calls(struct sim *sim, int64_t limit_us)
{
    int64_t until_us = sim->now_us + limit_us;
    for (size_t i = 0; i < sim->calls_count; i++) {
        if (sim->calls[i].id <= 0) continue;
        sim_wait(sim, i);
        if (sim->now_us > until_us) fail_msg("%s took longer than the limit", sim->calls[i].token);
    }
}

void sim_assert_answer(struct sim *sim, size_t index)
{
    const struct sim_call *call = sim_wait(sim, index);
    if (call->code != 0) fail_msg("%s: %s: %s", call->token, call->error->name, call->error->message);
    if (call->is_checked && call->result != NULL && cqlua_result_columns_count(call->result) > 0)
        assert_string_equal(call->row_token, call->token);
}

void sim_assert_error(struct sim *sim, size_t index, int code)
{
    const struct sim_call *call = sim_wait(sim, index);
    if (call->code != code)
        fail_msg("%s: %s where %s was expected: %s", call->token, cqlua_error_name(call->code), cqlua_error_name(code),
                 call->error == NULL ? "" : call->error->message);
    assert_string_equal(call->error->name, cqlua_error_name(code));
    assert_true(strlen(call->error->message) > 0);
}

void sim_assert_duration(struct sim *sim, size_t index, int64_t us)
{
    const struct sim_call *call = sim_wait(sim, index);
    int64_t took_us = call->completed_us - call->submitted_us;
    if (took_us < us || took_us > us + SIM_TICK_US)
        fail_msg("%s took %lld us, expected %lld to %lld", call->token, (long long)took_us, (long long)us,
                 (long long)(us + SIM_TICK_US));
}
