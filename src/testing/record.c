/* Requests as they were received, with the statements that they name; and the public view of them. */
#include "protocol/cql.h"
#include "protocol/rows.h"
#include "testing/server.h"

/* --- statements that were prepared ----------------------------------------------------------------------------------------- */

static void statement_free(struct memory *memory, struct statement *statement)
{
    text_unref(statement->text);
    text_unref(statement->keyspace);
    text_unref(statement->id);
    metadata_unref(statement->params);
    memory_free(memory, statement, sizeof *statement);
}

static struct statement *statement_of_id(const struct cqlua_server *server, struct cqlua_slice id)
{
    for (struct list *link = server->statements.next; link != &server->statements; link = link->next) {
        struct statement *statement = container_of(link, struct statement, link);
        if (slice_equal(text_slice(statement->id), id)) return statement;
    }
    return NULL;
}

static struct statement *statement_new(struct cqlua_server *server, struct cqlua_slice text, struct text *keyspace,
                                       struct cqlua_slice id)
{
    struct statement *statement = memory_zero(server->memory, sizeof *statement);
    if (statement == NULL) return NULL;
    statement->text = text_new(server->memory, text);
    statement->id = text_new(server->memory, id);
    statement->keyspace = text_ref(keyspace);
    if (statement->text != NULL && statement->id != NULL) {
        list_append(&server->statements, &statement->link);
        return statement;
    }
    statement_free(server->memory, statement);
    return NULL;
}

struct statement *statement_learn(struct cqlua_server *server, int node, struct cqlua_slice text, struct text *keyspace,
                                  struct cqlua_slice id, struct metadata *params)
{
    struct statement *statement = statement_of_id(server, id);
    if (statement == NULL) statement = statement_new(server, text, keyspace, id);
    if (statement == NULL) return NULL;
    statement->known_by |= UINT32_C(1) << node;
    metadata_unref(statement->params);
    statement->params = metadata_ref(params);
    return statement;
}

void cqlua_server_forget(struct cqlua_server *server, const char *query)
{
    for (struct list *link = server->statements.next; link != &server->statements; link = link->next) {
        struct statement *statement = container_of(link, struct statement, link);
        if (query == NULL || slice_equal(text_slice(statement->text), slice_of(query))) statement->known_by = 0;
    }
}

/* --- making a record ------------------------------------------------------------------------------------------------------- */

static void record_free(struct memory *memory, struct record *record)
{
    for (uint32_t i = 0; i < record->entries_count; i++) {
        text_unref(record->entries[i].query);
        metadata_unref(record->entries[i].params);
    }
    text_unref(record->bytes);
    text_unref(record->keyspace);
    memory_free(memory, record, sizeof *record + record->entries_count * sizeof record->entries[0]);
}

/* The types of so many values: the statement's, or blobs. */
static int set_values(struct cqlua_server *server, struct record_entry *entry, struct cqlua_slice encoded, struct metadata *known)
{
    struct reader reader = reader_of(encoded);
    uint32_t count = encoded.len == 0 ? 0 : read_u16(&reader);
    entry->values = slice(reader.at, reader_left(&reader));
    if (count == 0) return 0;
    bool fits = known != NULL && known->columns_count == count;
    entry->params = fits ? metadata_ref(known) : columns_of_blobs(server, count);
    return entry->params == NULL ? CQLUA_ENO_MEMORY : 0;
}

static int set_text(struct cqlua_server *server, struct record *record, struct record_entry *entry, struct cqlua_slice text,
                    struct cqlua_slice values)
{
    entry->query = text_new(server->memory, text);
    record->is_system |= system_is_about(text, text_slice(record->keyspace));
    if (entry->query == NULL) return CQLUA_ENO_MEMORY;
    return set_values(server, entry, values, NULL);
}

static int set_prepared(struct cqlua_server *server, struct record *record, struct record_entry *entry, struct cqlua_slice id,
                        struct cqlua_slice values)
{
    const struct statement *statement = statement_of_id(server, id);
    if (statement == NULL || !(statement->known_by >> record->node & 1)) record->unprepared = id;
    if (statement == NULL) return set_values(server, entry, values, NULL);
    entry->query = text_ref(statement->text);
    text_unref(record->keyspace);
    record->keyspace = text_ref(statement->keyspace);
    record->is_system |= system_is_about(text_slice(statement->text), text_slice(statement->keyspace));
    return set_values(server, entry, values, statement->params);
}

static int set_batch(struct cqlua_server *server, struct record *record)
{
    struct reader reader = reader_of(record->message.batch);
    int rc = 0;
    for (uint32_t i = 0; i < record->entries_count && rc == 0; i++) {
        struct batch_entry entry = read_batch_entry(&reader);
        rc = entry.is_prepared ? set_prepared(server, record, &record->entries[i], entry.text, entry.values)
                               : set_text(server, record, &record->entries[i], entry.text, entry.values);
    }
    return rc;
}

static int set_entries(struct cqlua_server *server, struct record *record)
{
    const struct request_message *message = &record->message;
    switch (message->opcode) {
    case OP_QUERY:
    case OP_PREPARE: return set_text(server, record, &record->entries[0], message->text, message->parameters.values);
    case OP_EXECUTE: return set_prepared(server, record, &record->entries[0], message->id, message->parameters.values);
    case OP_BATCH: return set_batch(server, record);
    default: return 0;
    }
}

static uint32_t count_entries(const struct request_message *message)
{
    switch (message->opcode) {
    case OP_QUERY:
    case OP_PREPARE:
    case OP_EXECUTE: return 1;
    case OP_BATCH: return message->batch_count;
    default: return 0;
    }
}

/* v5 says the keyspace in the message; else it is the connection's. */
static struct text *keyspace_of(const struct peer *peer, const struct request_message *message)
{
    struct cqlua_slice said = message->opcode == OP_PREPARE ? message->keyspace : message->parameters.keyspace;
    return said.base == NULL ? text_ref(peer->keyspace) : text_new(peer->node->server->memory, said);
}

static struct record *make(struct peer *peer, const struct frame_header *header, struct text *bytes)
{
    struct cqlua_server *server = peer->node->server;
    struct request_message message;
    if (decode_request(header->version, header->flags, header->opcode, text_slice(bytes), &message) != 0) return NULL;
    uint32_t entries = count_entries(&message);
    struct record *record = memory_zero(server->memory, sizeof *record + entries * sizeof record->entries[0]);
    if (record == NULL) return NULL;
    record->header = *header;
    record->message = message;
    record->node = peer->node->index;
    record->at_us = loop_now_us(server->loop);
    record->entries_count = entries;
    record->keyspace = keyspace_of(peer, &message);
    if (set_entries(server, record) == 0) {
        put_raw(&server->records, &record, sizeof record);
        if (server->records.error == 0) {
            record->bytes = text_ref(bytes);
            return record;
        }
    }
    record_free(server->memory, record);
    return NULL;
}

struct record *record_new(struct peer *peer, const struct frame_header *header, struct cqlua_slice body)
{
    struct text *bytes = text_new(peer->node->server->memory, body);
    struct record *record = bytes == NULL ? NULL : make(peer, header, bytes);
    text_unref(bytes);
    return record;
}

static bool has_parameters(const struct record *record)
{
    uint8_t opcode = record->header.opcode;
    return opcode == OP_QUERY || opcode == OP_EXECUTE || opcode == OP_BATCH;
}

bool record_is_statement(const struct record *record)
{
    return has_parameters(record) && !record->is_system && record->unprepared.base == NULL;
}

struct cqlua_slice record_query(const struct record *record)
{
    return record->entries_count == 1 ? text_slice(record->entries[0].query) : slice(NULL, 0);
}

/* --- what is public -------------------------------------------------------------------------------------------------------- */

size_t cqlua_server_received_count(const struct cqlua_server *server)
{
    return server->records.len / sizeof(struct record *);
}

static struct record *record_at(const struct cqlua_server *server, size_t index)
{
    struct record *record;
    memcpy(&record, server->records.base + index * sizeof record, sizeof record);
    return record;
}

static void show_entry(const struct record_entry *entry, struct cqlua_received *received)
{
    received->query = text_slice(entry->query);
    received->values = entry->values;
    received->params = entry->params;
    received->values_count = entry->params == NULL ? 0 : (int)entry->params->columns_count;
}

static void show_parameters(const struct query_parameters *parameters, struct cqlua_received *received)
{
    received->consistency = parameters->consistency;
    received->serial_consistency = parameters->serial_consistency;
    received->page_size = parameters->page_size;
    received->paging_state = parameters->paging_state;
    received->has_timestamp = parameters->has_timestamp;
    received->timestamp_us = parameters->timestamp;
    received->has_now_in_seconds = parameters->has_now_in_seconds;
    received->now_in_seconds = parameters->now_in_seconds;
}

int cqlua_server_received(const struct cqlua_server *server, size_t index, struct cqlua_received *received)
{
    if (index >= cqlua_server_received_count(server)) return CQLUA_EMISUSE;
    const struct record *record = record_at(server, index);
    *received = (struct cqlua_received){.opcode = record->header.opcode,
                                        .opcode_name = opcode_name(record->header.opcode),
                                        .is_statement = record_is_statement(record),
                                        .keyspace = text_slice(record->keyspace),
                                        .body = text_slice(record->bytes),
                                        .consistency = -1,
                                        .serial_consistency = -1,
                                        .payload = record->message.payload,
                                        .tracing = (record->header.flags & FRAME_TRACING) != 0,
                                        .stream = record->header.stream,
                                        .version = record->header.version,
                                        .node = record->node,
                                        .at_us = record->at_us,
                                        .record = record};
    if (has_parameters(record)) show_parameters(&record->message.parameters, received);
    if (record->header.opcode == OP_BATCH) received->entries_count = (int)record->entries_count;
    else if (record->entries_count == 1) show_entry(&record->entries[0], received);
    return 0;
}

int cqlua_received_entry(const struct cqlua_received *batch, int index, struct cqlua_received *entry)
{
    const struct record *record = batch->record;
    if (index < 0 || index >= batch->entries_count) return CQLUA_EMISUSE;
    *entry = *batch;
    entry->entries_count = 0;
    show_entry(&record->entries[index], entry);
    return 0;
}

struct cqlua_rows cqlua_received_values(const struct cqlua_received *received)
{
    const struct metadata *params = received->params;
    if (params == NULL) return rows_over(NULL, 0, 0, slice(NULL, 0), false);
    return rows_over(params->types, params->columns_count, 1, received->values, false);
}

size_t cqlua_server_executions(const struct cqlua_server *server, const char *query)
{
    size_t count = 0;
    for (size_t i = 0; i < cqlua_server_received_count(server); i++) {
        const struct record *record = record_at(server, i);
        bool is_executed = record_is_statement(record);
        for (uint32_t k = 0; is_executed && k < record->entries_count; k++)
            count += record->entries[k].query != NULL && slice_equal(text_slice(record->entries[k].query), slice_of(query));
    }
    return count;
}

void cqlua_server_clear(struct cqlua_server *server)
{
    for (size_t i = 0; i < cqlua_server_received_count(server); i++) record_free(server->memory, record_at(server, i));
    server->records.len = 0;
}

void record_dispose(struct cqlua_server *server)
{
    cqlua_server_clear(server);
    buffer_dispose(&server->records);
    for (struct list *link; (link = list_take(&server->statements)) != NULL;)
        statement_free(server->memory, container_of(link, struct statement, link));
}
