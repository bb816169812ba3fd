#include "cluster/prepared.h"

struct cqlua_prepared *cqlua_prepared_ref(struct cqlua_prepared *prepared)
{
    prepared->refs++;
    return prepared;
}

void cqlua_prepared_unref(struct cqlua_prepared *prepared)
{
    if (prepared == NULL || --prepared->refs > 0) return;
    text_unref(prepared->text);
    text_unref(prepared->keyspace);
    text_unref(prepared->id);
    text_unref(prepared->metadata_id);
    metadata_unref(prepared->params);
    metadata_unref(prepared->columns);
    memory_free(prepared->memory, prepared, sizeof *prepared);
}

struct cqlua_prepared *prepared_new(struct memory *memory, struct cqlua_slice text, struct text *keyspace,
                                    struct prepared_message *message)
{
    struct cqlua_prepared *prepared = memory_zero(memory, sizeof *prepared);
    if (prepared == NULL) {
        metadata_unref(message->params);
        metadata_unref(message->columns);
        return NULL;
    }
    prepared->memory = memory;
    prepared->refs = 1;
    list_init(&prepared->used);
    prepared->params = message->params;
    prepared->columns = message->columns;
    prepared->keyspace = text_ref(keyspace);
    prepared->kind = cql_kind(text);
    prepared->is_conditional = cql_is_conditional(text);
    prepared->text = text_new(memory, text);
    prepared->id = text_new(memory, message->id);
    bool has_metadata_id = message->metadata_id.base != NULL;
    if (has_metadata_id) prepared->metadata_id = text_new(memory, message->metadata_id);
    if (prepared->text != NULL && prepared->id != NULL && (prepared->metadata_id != NULL || !has_metadata_id)) return prepared;
    cqlua_prepared_unref(prepared);
    return NULL;
}

void prepared_set_columns(struct cqlua_prepared *prepared, struct metadata *columns, struct cqlua_slice id)
{
    if (id.base != NULL) {
        struct text *metadata_id = text_new(prepared->memory, id);
        if (metadata_id == NULL) return;
        text_unref(prepared->metadata_id);
        prepared->metadata_id = metadata_id;
    }
    metadata_unref(prepared->columns);
    prepared->columns = metadata_ref(columns);
}
