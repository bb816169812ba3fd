/* Primes: copied into rules, found again for requests, and the rows that are added to them. */
#include <limits.h>
#include <stdio.h>

#include "session/statement.h"
#include "testing/server.h"

/* --- life ------------------------------------------------------------------------------------------------------------------ */

void rule_unref(struct rule *rule)
{
    if (rule == NULL || --rule->refs > 0) return;
    struct text *texts[] = {rule->query, rule->pattern, rule->prepared_id, rule->keyspace,
                            rule->body,  rule->raw,     rule->warnings,    rule->payload};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) text_unref(texts[i]);
    metadata_unref(rule->params);
    metadata_unref(rule->columns);
    metadata_unref(rule->markers);
    cqlua_error_free(rule->error);
    buffer_dispose(&rule->cells);
    buffer_dispose(&rule->rows);
    buffer_dispose(&rule->pages);
    memory_free(rule->memory, rule, sizeof *rule);
}

void cqlua_prime_init_sized(struct cqlua_prime *prime, size_t size)
{
    if (size < sizeof *prime) return;
    *prime = (struct cqlua_prime){.size = size,
                                  .opcode = -1,
                                  .node = -1,
                                  .applied = -1,
                                  .frame_version = -1,
                                  .frame_flags = -1,
                                  .frame_stream = INT_MIN,
                                  .frame_opcode = -1,
                                  .frame_length = -1,
                                  .answers = 1,
                                  .truncate = -1,
                                  .corrupt = -1};
}

/* --- copying a prime ------------------------------------------------------------------------------------------------------- */

/* A list that may have failed to grow: as a text. */
static struct text *text_of_buffer(struct buffer *buffer, int *error)
{
    struct text *text = buffer->error == 0 ? text_new(buffer->memory, slice(buffer->base, buffer->len)) : NULL;
    if (text == NULL && *error == 0) *error = buffer->error == 0 ? CQLUA_ENO_MEMORY : buffer->error;
    buffer_dispose(buffer);
    return text;
}

static struct text *copy(struct memory *memory, struct cqlua_slice bytes, int *error)
{
    if (bytes.base == NULL) return NULL;
    struct text *text = text_new(memory, bytes);
    if (text == NULL) *error = CQLUA_ENO_MEMORY;
    return text;
}

static struct text *copy_warnings(struct memory *memory, const struct cqlua_prime *prime, int *error)
{
    struct buffer list;
    if (prime->warnings_count == 0) return NULL;
    buffer_init(&list, memory, INT32_MAX);
    put_u16(&list, (uint16_t)prime->warnings_count);
    for (int i = 0; i < prime->warnings_count; i++) put_string(&list, prime->warnings[i]);
    return text_of_buffer(&list, error);
}

static struct text *copy_payload(struct memory *memory, const struct cqlua_prime *prime, int *error)
{
    struct buffer map;
    if (prime->payload_count == 0) return NULL;
    buffer_init(&map, memory, INT32_MAX);
    encode_payload(&map, prime->payload, (uint16_t)prime->payload_count);
    return text_of_buffer(&map, error);
}

static void copy_texts(struct rule *rule, const struct cqlua_prime *prime, int *error)
{
    rule->query = copy(rule->memory, slice_of(prime->query), error);
    rule->pattern = copy(rule->memory, slice_of(prime->pattern), error);
    rule->keyspace = copy(rule->memory, slice_of(prime->keyspace), error);
    rule->prepared_id = prime->prepared_id.len == 0 ? NULL : copy(rule->memory, prime->prepared_id, error);
    rule->body = copy(rule->memory, prime->body, error);
    rule->raw = copy(rule->memory, prime->raw, error);
    rule->warnings = copy_warnings(rule->memory, prime, error);
    rule->payload = copy_payload(rule->memory, prime, error);
}

static void copy_numbers(struct rule *rule, const struct cqlua_prime *prime)
{
    rule->opcode = prime->opcode;
    rule->node = prime->node;
    rule->page = prime->page;
    rule->times = prime->times == 0 ? -1 : prime->times;
    rule->applied = prime->applied;
    rule->frame_version = prime->frame_version;
    rule->frame_flags = prime->frame_flags;
    rule->frame_stream = prime->frame_stream;
    rule->frame_opcode = prime->frame_opcode;
    rule->frame_length = prime->frame_length;
    rule->truncate = prime->truncate;
    rule->corrupt = prime->corrupt;
    rule->no_metadata = prime->no_metadata != 0;
    rule->closes = prime->close != 0;
    rule->delay_us = (int64_t)prime->delay_ms * 1000;
    rule->drip = (uint32_t)prime->drip;
    rule->hold = prime->hold;
    rule->answers = prime->answers;
}

static struct cqlua_error *copy_error(struct memory *memory, const struct cqlua_error *from, int *error)
{
    struct cqlua_slice texts[] = {slice_of(from->write_type), slice_of(from->keyspace),  slice_of(from->table),
                                  slice_of(from->function),   slice_of(from->arg_types), from->statement_id,
                                  from->failure_map};
    size_t extra = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) extra += texts[i].len + 1;
    const char *message = from->message == NULL ? cqlua_strerror(from->code) : from->message;
    struct cqlua_error *to = error_new(memory, from->code, slice_of(message), extra);
    if (error_is_constant(to)) {
        *error = CQLUA_ENO_MEMORY;
        return NULL;
    }
    to->server_code = from->server_code;
    to->data_present = from->data_present;
    to->consistency = from->consistency;
    to->required = from->required;
    to->received = from->received;
    to->alive = from->alive;
    to->failures = from->failures;
    to->block_for = from->block_for;
    to->contentions = from->contentions;
    to->write_type = error_keep(to, texts[0]);
    to->keyspace = error_keep(to, texts[1]);
    to->table = error_keep(to, texts[2]);
    to->function = error_keep(to, texts[3]);
    to->arg_types = error_keep(to, texts[4]);
    to->statement_id = error_keep_bytes(to, texts[5]);
    to->failure_map = error_keep_bytes(to, texts[6]);
    return to;
}

/* The columns of rows: of those that are added (markers), and of those that are sent (columns). */
static int copy_columns(struct cqlua_server *server, struct rule *rule, const struct cqlua_prime *prime)
{
    static const struct cqlua_server_column applied = {"[applied]", "boolean"};
    int error = 0, count = prime->columns_count, sent = prime->applied == 1 ? 1 : count + 1;
    if (count == 0 && prime->applied < 0) return 0;
    rule->markers = columns_new(server, "columns", prime->columns, count, NULL, 0, &error);
    if (rule->markers == NULL) return error;
    if (prime->applied < 0) {
        rule->columns = metadata_ref(rule->markers);
        return 0;
    }
    size_t size = (size_t)(count + 1) * sizeof applied;
    struct cqlua_server_column *all = memory_get(server->memory, size);
    if (all == NULL) return CQLUA_ENO_MEMORY;
    all[0] = applied;
    if (count > 0) memcpy(all + 1, prime->columns, (size_t)count * sizeof applied);
    rule->columns = columns_new(server, "columns", all, sent, NULL, 0, &error);
    memory_free(server->memory, all, size);
    return error;
}

static int copy_prime(struct cqlua_server *server, struct rule *rule, const struct cqlua_prime *prime)
{
    int error = 0;
    copy_numbers(rule, prime);
    copy_texts(rule, prime, &error);
    const struct markers params = {.text = slice_of(prime->query),
                                   .given = prime->params,
                                   .key = prime->key,
                                   .given_count = prime->params_count,
                                   .key_count = prime->key_count};
    if (error == 0 && prime->params != NULL) rule->params = columns_of_markers(server, &params, &error);
    if (error == 0) error = copy_columns(server, rule, prime);
    if (error != 0 || prime->error == NULL) return error;
    rule->error = copy_error(rule->memory, prime->error, &error);
    return error;
}

/* --- checking a prime ------------------------------------------------------------------------------------------------------ */

static bool is_range(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static int check(struct cqlua_server *server, const struct cqlua_prime *prime)
{
    if (prime->size < sizeof *prime) return server_misuse(server, "the prime was not made by cqlua_prime_init");
    if (prime->node >= server->nodes_count) return server_misuse(server, "node: there are %d nodes", server->nodes_count);
    bool is_right = is_range(prime->opcode, -1, 255) && is_range(prime->page, 0, INT_MAX) && is_range(prime->times, 0, INT_MAX) &&
                    is_range(prime->params_count, 0, LIMIT_VALUES) && is_range(prime->columns_count, 0, LIMIT_VALUES - 1) &&
                    is_range(prime->key_count, 0, prime->params_count) && is_range(prime->warnings_count, 0, UINT16_MAX) &&
                    is_range(prime->payload_count, 0, UINT16_MAX) && is_range(prime->applied, -1, 1);
    if (!is_right) return server_misuse(server, "a number of the prime is out of range: what it matches, or a count");
    is_right = is_range(prime->frame_version, -1, 255) && is_range(prime->frame_flags, -1, 255) &&
               is_range(prime->frame_opcode, -1, 255) && is_range(prime->frame_length, -1, UINT32_MAX) &&
               (prime->frame_stream == INT_MIN || is_range(prime->frame_stream, INT16_MIN, INT16_MAX));
    if (!is_right) return server_misuse(server, "a number of the prime's frame is out of range");
    is_right = prime->delay_ms >= 0 && prime->drip >= 0 && prime->hold >= 0 && is_range(prime->answers, 0, 16) &&
               prime->truncate >= -1 && prime->corrupt >= -1;
    return is_right ? 0 : server_misuse(server, "a number of the prime's way is out of range");
}

int64_t cqlua_server_prime(struct cqlua_server *server, const struct cqlua_prime *prime)
{
    int error = check(server, prime);
    if (error != 0) return error;
    struct rule *rule = memory_zero(server->memory, sizeof *rule);
    if (rule == NULL) return CQLUA_ENO_MEMORY;
    rule->memory = server->memory;
    rule->refs = 1;
    list_init(&rule->link);
    buffer_init(&rule->cells, server->memory, INT32_MAX);
    buffer_init(&rule->rows, server->memory, INT32_MAX);
    buffer_init(&rule->pages, server->memory, INT32_MAX);
    error = copy_prime(server, rule, prime);
    if (error != 0) {
        rule_unref(rule);
        return error;
    }
    rule->id = ++server->last_rule;
    list_prepend(&server->rules, &rule->link);
    return rule->id;
}

static struct rule *rule_of_id(const struct cqlua_server *server, int64_t id)
{
    for (struct list *link = server->rules.next; link != &server->rules; link = link->next) {
        struct rule *rule = container_of(link, struct rule, link);
        if (rule->id == id) return rule;
    }
    return NULL;
}

void cqlua_server_unprime(struct cqlua_server *server, int64_t prime)
{
    for (struct list *link = server->rules.next, *next; link != &server->rules; link = next) {
        struct rule *rule = container_of(link, struct rule, link);
        next = link->next;
        if (prime != 0 && rule->id != prime) continue;
        list_remove(link);
        rule_unref(rule);
    }
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

uint32_t rule_rows(const struct rule *rule)
{
    return (uint32_t)(rule->rows.len / sizeof(size_t));
}

static size_t row_end(const struct rule *rule, uint32_t rows)
{
    size_t end;
    if (rows == 0) return 0;
    memcpy(&end, rule->rows.base + (rows - 1) * sizeof end, sizeof end);
    return end;
}

struct cqlua_slice rule_cells(const struct rule *rule, uint32_t from, uint32_t to)
{
    size_t start = row_end(rule, from);
    return slice(rule->cells.base == NULL ? NULL : rule->cells.base + start, row_end(rule, to) - start);
}

struct page rule_page(const struct rule *rule, const struct place *place, int32_t page_size)
{
    uint32_t rows = rule_rows(rule), pages = (uint32_t)(rule->pages.len / sizeof(uint32_t)), end;
    if (pages == 0) {
        end = page_size > 0 && rows - place->row > (uint32_t)page_size ? place->row + (uint32_t)page_size : rows;
        return (struct page){place->row, end, end < rows};
    }
    if (place->page >= pages) return (struct page){place->row, rows, false};
    memcpy(&end, rule->pages.base + place->page * sizeof end, sizeof end);
    return (struct page){place->row, end, true};
}

struct cqlua_prepared *cqlua_server_row_markers(struct cqlua_server *server, int64_t prime)
{
    const struct rule *rule = rule_of_id(server, prime);
    int error;
    if (rule == NULL || rule->markers == NULL) return NULL;
    struct metadata *none = columns_new(server, "columns", NULL, 0, NULL, 0, &error);
    if (none == NULL) return NULL;
    struct prepared_message message = {.id = slice("row", 3), .params = metadata_ref(rule->markers), .columns = none};
    return prepared_new(server->memory, slice_of("a row of the scriptable server"), NULL, &message);
}

/* The values of a statement, or what takes their place, one after the other. */
static int put_cells(struct rule *rule, struct cqlua_statement *row, const struct cqlua_slice *raw)
{
    size_t len;
    int rc = statement_check(row, &len);
    if (rc != 0) return rc;
    uint32_t count = rule->markers->columns_count;
    uint8_t *values = len == 0 ? NULL : memory_get(rule->memory, len);
    if (len > 0 && values == NULL) return CQLUA_ENO_MEMORY;
    if (len > 0) statement_gather(row, values);
    struct reader reader = reader_of(slice(values, len));
    if (len > 0) read_u16(&reader);
    for (uint32_t i = 0; i < count; i++) {
        struct cqlua_slice value = read_bytes(&reader);
        if (raw != NULL && raw[i].base != NULL) value = raw[i];
        if (value.base == NULL) put_null_bytes(&rule->cells);
        else put_bytes(&rule->cells, value);
    }
    memory_free(rule->memory, values, len);
    return rule->cells.error;
}

int cqlua_server_row(struct cqlua_server *server, int64_t prime, struct cqlua_statement *row, const struct cqlua_slice *raw)
{
    static const uint8_t no = 0;
    struct rule *rule = rule_of_id(server, prime);
    if (rule == NULL || rule->markers == NULL) return server_misuse(server, "rows: the prime has no columns");
    if (row->prepared == NULL || row->prepared->params != rule->markers)
        return server_misuse(server, "rows: the statement is not of this prime's cqlua_server_row_markers");
    if (rule->applied == 1) return server_misuse(server, "rows: a statement that was applied has none");
    size_t before = rule->cells.len;
    if (rule->applied == 0) put_bytes(&rule->cells, slice(&no, 1));
    int rc = put_cells(rule, row, raw);
    if (rc == 0) put_raw(&rule->rows, &rule->cells.len, sizeof rule->cells.len);
    if (rc == 0) rc = rule->rows.error;
    if (rc != 0) rule->cells.len = before;
    return rc;
}

int cqlua_server_page_end(struct cqlua_server *server, int64_t prime)
{
    struct rule *rule = rule_of_id(server, prime);
    if (rule == NULL || rule->columns == NULL) return server_misuse(server, "pages: the prime has no columns");
    uint32_t rows = rule_rows(rule);
    put_raw(&rule->pages, &rows, sizeof rows);
    return rule->pages.error;
}

/* --- finding --------------------------------------------------------------------------------------------------------------- */

static bool is_of_text(const struct rule *rule, struct cqlua_slice text)
{
    if (rule->query == NULL && rule->pattern == NULL) return true;
    if (text.base == NULL) return false;
    return (rule->query == NULL || slice_equal(text_slice(rule->query), text)) &&
           (rule->pattern == NULL || query_matches(text_slice(rule->pattern), text));
}

static bool is_of_any_text(const struct rule *rule, const struct record *record)
{
    if (is_of_text(rule, slice(NULL, 0))) return true;
    for (uint32_t i = 0; i < record->entries_count; i++)
        if (is_of_text(rule, text_slice(record->entries[i].query))) return true;
    return false;
}

static bool is_for(const struct rule *rule, const struct record *record, const struct place *place)
{
    bool is_any = record_is_statement(record) || (rule->query != NULL && record_is_executed(record)); /* system tables by name */
    bool is_opcode = rule->opcode < 0 ? is_any : rule->opcode == (int)record->header.opcode;
    bool is_page = rule->page == 0 || (uint32_t)rule->page == place->page + 1;
    return is_opcode && is_page && (rule->node < 0 || rule->node == record->node) && is_of_any_text(rule, record);
}

/* A result that has begun is gone on with, used up or not; of newer rules only those come before it that have no rows. */
struct rule *rule_find(struct cqlua_server *server, const struct record *record, const struct place *place)
{
    for (struct list *link = server->rules.next; link != &server->rules; link = link->next) {
        struct rule *rule = container_of(link, struct rule, link);
        if (rule->id == place->rule) return rule;
        if (rule->times == 0 || (place->rule != 0 && rule->columns != NULL) || !is_for(rule, record, place)) continue;
        if (rule->times > 0) rule->times--;
        return rule;
    }
    return NULL;
}

struct prepared_rules rule_of_text(const struct cqlua_server *server, struct cqlua_slice text)
{
    struct prepared_rules found = {NULL, NULL, NULL};
    for (struct list *link = server->rules.next; link != &server->rules; link = link->next) {
        const struct rule *rule = container_of(link, struct rule, link);
        if (rule->times == 0 || (rule->opcode >= 0 && rule->opcode != OP_PREPARE) || !is_of_text(rule, text)) continue;
        if (found.any == NULL) found.any = rule;
        if (found.params == NULL && rule->params != NULL) found.params = rule;
        if (found.columns == NULL && rule->columns != NULL) found.columns = rule;
    }
    return found;
}
