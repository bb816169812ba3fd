#include "cluster/speculation.h"

#include "cluster/cluster.h"

/* --- a shadow -------------------------------------------------------------------------------------------------------------- */

static struct request *shadow_new(struct cluster *cluster, struct request *original)
{
    struct request *shadow = memory_get(cluster->memory, sizeof *shadow);
    if (shadow == NULL) return NULL;
    request_init(shadow, cluster->memory, (enum request_kind)original->kind);
    shadow->is_idempotent = true;
    shadow->is_tracing = original->is_tracing;
    shadow->needs = original->needs;
    shadow->text = original->text;
    shadow->payload = original->payload;
    shadow->prepared = original->prepared == NULL ? NULL : cqlua_prepared_ref(original->prepared);
    shadow->batch = original->batch;
    shadow->batch_kind = original->batch_kind;
    shadow->batch_count = original->batch_count;
    shadow->batch_prepared_count = original->batch_prepared_count;
    shadow->keyspace = text_ref(original->keyspace);
    shadow->parameters = original->parameters;
    shadow->token = original->token;
    shadow->token_state = original->token_state;
    shadow->timeout_ms = original->timeout_ms;
    shadow->attempt_timeout_ms = original->attempt_timeout_ms;
    shadow->retries_left = 0;
    shadow->original = original;
    shadow->is_shadow = true;
    list_append(&original->shadows, &shadow->shadow_link);
    return shadow;
}

static void shadow_free(struct cluster *cluster, struct request *shadow)
{
    list_remove(&shadow->shadow_link);
    request_dispose(shadow);
    memory_free(cluster->memory, shadow, sizeof *shadow);
}

/* Nodes that the original and its other shadows are at, or have been. */
static void note_tried(struct request *shadow, const struct request *original)
{
    request_note_tried(shadow, original->node);
    for (uint8_t i = 0; i < original->tried_count && shadow->tried_count < LIMIT_MAX_RETRIES; i++)
        shadow->tried[shadow->tried_count++] = original->tried[i];
    for (const struct list *at = original->shadows.next; at != &original->shadows; at = at->next) {
        const struct request *other = container_of(at, struct request, shadow_link);
        if (other != shadow) request_note_tried(shadow, other->node);
    }
}

void speculation_due(struct cluster *cluster, struct request *original)
{
    struct cqlua_link *link = NULL;
    struct request *shadow = shadow_new(cluster, original);
    original->speculations_left--;
    if (shadow == NULL) return;
    note_tried(shadow, original);
    uint8_t tried = shadow->tried_count;
    bool is_elsewhere = pool_pick(cluster, shadow, &link) == PICK_LINK && shadow->tried_count == tried;
    if (!is_elsewhere || link->node->plan.is_resting) { /* one that has it already, or too much to do, would not be faster */
        shadow_free(cluster, shadow);
        return;
    }
    cluster->speculations++;
    request_send_now(cluster, shadow, link);
}

/* --- its end --------------------------------------------------------------------------------------------------------------- */

/* The shadow's answer is the original's, whose own attempt is of no interest any more. */
static void win(struct cluster *cluster, struct request *shadow)
{
    struct request *original = shadow->original;
    request_drop_attempt(cluster, original, CQLUA_ECANCELLED);
    history_append(&original->history, &shadow->history);
    original->result = shadow->result;
    shadow->result.kind = RESULT_VOID;
    original->prefix = shadow->prefix;
    block_unref(original->block); /* of its own failure, which was held */
    original->block = shadow->block;
    shadow->block = NULL;
    original->bytes_in += shadow->bytes_in;
    original->bytes_out += shadow->bytes_out;
    original->sent_us = shadow->sent_us;
    original->node = shadow->node;
    error_free(original->held);
    original->held = NULL;
    shadow_free(cluster, shadow);
    request_complete(cluster, original, NULL);
}

void speculation_ended(struct cluster *cluster, struct request *shadow)
{
    struct request *original = shadow->original;
    list_remove(&shadow->link);
    if (original == NULL) return; /* stopped */
    if (shadow->error == NULL) {
        win(cluster, shadow);
        return;
    }
    if (shadow->may_have_executed) original->may_have_executed = true;
    history_append(&original->history, &shadow->history);
    shadow_free(cluster, shadow);
    if (original->held == NULL || !list_is_empty(&original->shadows)) return;
    struct cqlua_error *error = original->held; /* it had failed, and waited for the shadow */
    original->held = NULL;
    request_complete(cluster, original, error);
}

void speculation_stop(struct cluster *cluster, struct request *original)
{
    while (!list_is_empty(&original->shadows)) {
        struct request *shadow = container_of(original->shadows.next, struct request, shadow_link);
        shadow->original = NULL;
        if (shadow->state != REQUEST_COMPLETED) request_complete(cluster, shadow, NULL);
        if (shadow->may_have_executed) original->may_have_executed = true; /* also what has just been given up */
        shadow_free(cluster, shadow);
    }
    error_free(original->held);
    original->held = NULL;
}
