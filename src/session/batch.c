/* Batches: statements gathered as the protocol has them, sent as one request (v4 section 4.1.7). */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "session/session.h"

enum { ENTRIES_MAX = INT32_MAX };

/* --- life ------------------------------------------------------------------------------------------------------------------ */

void cqlua_batch_init(struct cqlua_batch *batch, struct cqlua_session *session, enum cqlua_batch_kind kind)
{
    memset(batch, 0, sizeof *batch);
    batch->options.consistency = batch->options.serial_consistency = -1;
    batch->session = session;
    batch->kind = (int)kind;
}

void cqlua_batch_dispose(struct cqlua_batch *batch)
{
    if (batch->session == NULL) return;
    struct memory *memory = batch->session->memory;
    for (uint32_t i = 0; i < batch->prepared_count; i++) cqlua_prepared_unref(batch->prepared[i]);
    memory_free(memory, batch->prepared, batch->prepared_capacity * sizeof *batch->prepared);
    memory_free(memory, batch->entries, batch->entries_capacity);
    error_free(batch->error);
    memset(batch, 0, sizeof *batch);
}

const struct cqlua_error *cqlua_batch_error(const struct cqlua_batch *batch)
{
    return batch->error;
}

/* --- adding ---------------------------------------------------------------------------------------------------------------- */

/* The batch's error: it tells which statement, and of a value that does not fit which column. */
static int refuse(struct cqlua_batch *batch, int code, const char *column, const char *text)
{
    char whole[640];
    struct cqlua_slice name = slice_of(column);
    snprintf(whole, sizeof whole, "statement %u of the batch: %.600s", (unsigned)batch->count + 1, text);
    struct cqlua_error *error = error_new(batch->session->memory, code, slice_of(whole), name.len + 1);
    batch->error = error;
    if (error_is_constant(error)) return code;
    if (column != NULL) error->column = error_keep(error, name);
    error->index = (int32_t)batch->count;
    return code;
}

/* Entries that name a prepared statement once or often refer to it once. */
static int keep_prepared(struct cqlua_batch *batch, struct cqlua_prepared *prepared)
{
    for (uint32_t i = 0; i < batch->prepared_count; i++)
        if (batch->prepared[i] == prepared) return 0;
    if (batch->prepared_count == batch->prepared_capacity) {
        uint32_t capacity = batch->prepared_capacity == 0 ? 4 : batch->prepared_capacity * 2;
        struct cqlua_prepared **grown = memory_resize(batch->session->memory, batch->prepared,
                                                      batch->prepared_capacity * sizeof *grown, capacity * sizeof *grown);
        if (grown == NULL) return CQLUA_ENO_MEMORY;
        batch->prepared = grown;
        batch->prepared_capacity = capacity;
    }
    batch->prepared[batch->prepared_count++] = cqlua_prepared_ref(prepared);
    return 0;
}

static int append_entry(struct cqlua_batch *batch, const struct cqlua_statement *st, size_t values_len)
{
    struct buffer entries = {batch->session->memory, batch->entries, batch->entries_len, batch->entries_capacity, ENTRIES_MAX, 0};
    struct cqlua_slice none = slice(NULL, 0);
    if (st->prepared != NULL) encode_batch_prepared(&entries, text_slice(st->prepared->id), none);
    else encode_batch_text(&entries, slice(st->text, st->text_len), none);
    if (values_len > 0) {
        if (entries.error == 0) entries.len -= 2; /* the count of no values */
        uint8_t *at = buffer_add(&entries, values_len);
        if (at != NULL) statement_gather(st, at);
    }
    batch->entries = entries.base;
    batch->entries_capacity = entries.capacity;
    if (entries.error == 0) batch->entries_len = entries.len;
    return entries.error;
}

/* What no batch may hold; the server would say it later. */
static const char *misplaced(const struct cqlua_batch *batch, const struct cqlua_statement *st)
{
    enum cql_kind kind = st->prepared != NULL ? st->prepared->kind : cql_kind(slice(st->text, st->text_len));
    if (batch->count == LIMIT_BATCH) return "a batch holds at most 65,535: send several";
    if (kind == CQL_SELECT) return "a SELECT cannot be in a batch";
    return kind == CQL_SCHEMA ? "a schema statement cannot be in a batch" : NULL;
}

int cqlua_batch_add(struct cqlua_batch *batch, struct cqlua_statement *st)
{
    size_t values_len;
    if (batch->error != NULL) return batch->error->code;
    const char *wrong = misplaced(batch, st);
    if (wrong != NULL) return refuse(batch, CQLUA_EMISUSE, NULL, wrong);
    int rc = statement_check(st, &values_len);
    if (rc != 0) return refuse(batch, rc, st->error->column, st->error->message);
    rc = append_entry(batch, st, values_len);
    if (rc == 0 && st->prepared != NULL) rc = keep_prepared(batch, st->prepared);
    if (rc != 0) return refuse(batch, rc, NULL, cqlua_strerror(rc));
    batch->has_texts |= st->prepared == NULL;
    batch->is_conditional |= statement_is_conditional(st);
    batch->count++;
    return 0;
}

/* --- sending --------------------------------------------------------------------------------------------------------------- */

/* Copies the entries, the payload and the references to prepared statements into the call. */
static int copy_inputs(struct call *call, const struct cqlua_batch *batch)
{
    size_t prepared_size = batch->prepared_count * sizeof *batch->prepared, payload_len = call_payload_size(&batch->options);
    uint8_t *at = call_inputs(call, prepared_size + batch->entries_len + payload_len); /* the pointers first: aligned */
    if (at == NULL) return CQLUA_ENO_MEMORY;
    struct request *request = &call->request;
    request->batch = (struct cqlua_prepared **)(void *)at;
    for (uint32_t i = 0; i < batch->prepared_count; i++) request->batch[i] = cqlua_prepared_ref(batch->prepared[i]);
    request->batch_prepared_count = (uint16_t)batch->prepared_count;
    request->batch_count = (uint16_t)batch->count;
    request->batch_kind = (uint8_t)batch->kind;
    at += prepared_size;
    if (batch->entries_len > 0) memcpy(at, batch->entries, batch->entries_len);
    request->text = slice(at, batch->entries_len);
    call_put_payload(call, &batch->options, at + batch->entries_len, payload_len);
    return 0;
}

/* 0 if it can be sent. */
static int check(struct cqlua_batch *batch)
{
    static const char text[] = "a batch with an IF is not idempotent: leave `idempotent` out";
    if (batch->error != NULL) return batch->error->code;
    if (!call_options_are_sane(&batch->options)) return CQLUA_EMISUSE;
    if (batch->options.idempotent != CQLUA_YES || !batch->is_conditional) return 0;
    batch->error = error_new(batch->session->memory, CQLUA_EMISUSE, slice_of(text), 0);
    return CQLUA_EMISUSE;
}

static struct call *call_of(struct cqlua_batch *batch, struct cqlua_queue *queue, uint64_t tag, int *rc)
{
    struct cqlua_session *session = batch->session;
    *rc = session_accepts(session);
    if (*rc == 0) *rc = check(batch);
    if (*rc != 0) return NULL;
    struct call *call = call_new(session, REQUEST_BATCH, queue, tag);
    *rc = CQLUA_ENO_MEMORY;
    if (call == NULL) return NULL;
    call_set_options(call, &batch->options, CQL_OTHER);
    call->request.is_conditional = batch->is_conditional != 0;
    if (copy_inputs(call, batch) == 0 && call_set_keyspace(call, &batch->options, batch->has_texts) == 0) return call;
    call_abandon(call);
    return NULL;
}

int64_t cqlua_batch_submit(struct cqlua_batch *batch, struct cqlua_queue *queue, uint64_t tag)
{
    int rc;
    struct call *call = call_of(batch, queue, tag, &rc);
    return call == NULL ? rc : call_submit(call);
}

int64_t cqlua_batch_execute(struct cqlua_batch *batch, cqlua_result_fn *fn, void *arg)
{
    int rc;
    if (batch->options.ask_retry != 0) return CQLUA_EMISUSE; /* nobody could answer */
    struct call *call = call_of(batch, &batch->session->callbacks, 0, &rc);
    if (call == NULL) return rc;
    call->completion.fn.result = fn;
    call->completion.arg = arg;
    return call_submit(call);
}
