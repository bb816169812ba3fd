/* Columns and markers from names and CQL types: text to the wire, the decoder to metadata, and that back to the encoder. */
#include <stdio.h>

#include "protocol/type_parse.h"
#include "testing/server.h"

/* --- from text to the wire ------------------------------------------------------------------------------------------------- */

static size_t word_length(const char *text)
{
    size_t len = 0;
    while (text[len] != '\0' && strchr(" <>(),.'\"", text[len]) == NULL) len++;
    return len;
}

static int refuse_type(struct cqlua_server *server, const char *what, int index, const char *type, size_t at)
{
    size_t len = word_length(type + at);
    const char *nearest = type_parse_nearest(slice(type + at, len));
    if (len == 0)
        return server_misuse(server, "%s[%d]: the type '%.80s' does not read at %d", what, index + 1, type, (int)at + 1);
    return server_misuse(server, "%s[%d]: '%.*s' is no CQL type%s%s%s", what, index + 1, len > 80 ? 80 : (int)len, type + at,
                         nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

/* The type as an [option]. 0, NO_MEMORY, or INVALID_VALUE with the place in the text. */
static int put_type(struct buffer *buffer, const char *text, size_t *at)
{
    size_t size = type_parse_measure(slice_of(text)) + 1;
    uint8_t *room = memory_get(buffer->memory, size);
    struct type_arena arena = {room, room == NULL ? NULL : room + size};
    struct type type;
    int rc = room == NULL ? CQLUA_ENO_MEMORY : type_parse(slice_of(text), &arena, &type, at);
    if (rc == 0) type_encode(buffer, &type);
    memory_free(buffer->memory, room, size);
    return rc;
}

static void put_name(struct buffer *buffer, const char *name, int index)
{
    char own[16];
    if (name == NULL) snprintf(own, sizeof own, "arg%d", index + 1);
    put_string(buffer, slice_of(name == NULL ? own : name));
}

static int put_columns(struct cqlua_server *server, const char *what, const struct cqlua_server_column *columns, int count,
                       struct buffer *buffer)
{
    put_string(buffer, slice_of("testing"));
    put_string(buffer, slice_of("testing"));
    for (int i = 0; i < count; i++) {
        size_t at = 0;
        put_name(buffer, columns[i].name, i);
        if (columns[i].type == NULL) return server_misuse(server, "%s[%d]: there is no type", what, i + 1);
        int rc = put_type(buffer, columns[i].type, &at);
        if (rc == CQLUA_EINVALID_VALUE) rc = refuse_type(server, what, i, columns[i].type, at);
        if (rc != 0) return rc;
    }
    return buffer->error;
}

/* The library's own decoder makes the metadata: what it refuses no client could read. */
static struct metadata *decode(struct cqlua_server *server, const char *what, const struct buffer *specs, uint32_t count,
                               const struct buffer *key, int *error)
{
    struct reader reader = reader_of(slice(specs->base, specs->len));
    struct metadata *metadata = metadata_decode(server->memory, &reader, count, true, key->base, (uint32_t)key->len / 2, error);
    if (metadata == NULL && *error == CQLUA_EPROTOCOL)
        *error = server_misuse(server, "%s: there are too many, they nest too deep, or `key` names one that is not there", what);
    return metadata;
}

struct metadata *columns_new(struct cqlua_server *server, const char *what, const struct cqlua_server_column *columns, int count,
                             const uint16_t *key, int key_count, int *error)
{
    struct buffer specs, keys;
    buffer_init(&specs, server->memory, LIMIT_METADATA_BYTES);
    buffer_init(&keys, server->memory, LIMIT_METADATA_BYTES);
    struct metadata *metadata = NULL;
    for (int i = 0; i < key_count; i++) put_u16(&keys, key[i]);
    *error = put_columns(server, what, columns, count, &specs);
    if (*error == 0) *error = keys.error;
    if (*error == 0) metadata = decode(server, what, &specs, (uint32_t)count, &keys, error);
    buffer_dispose(&specs);
    buffer_dispose(&keys);
    return metadata;
}

static int count_markers(struct cqlua_slice text)
{
    struct cqlua_slice name;
    int count = 0;
    while (query_marker(&text, &name)) count++;
    return count;
}

/* The markers' own names, in memory for as many bytes as the text and a NUL for each. */
static void name_markers(struct cqlua_server_column *columns, int count, struct cqlua_slice text, char *names)
{
    struct cqlua_slice name;
    for (int i = 0; i < count && query_marker(&text, &name); i++) {
        if (columns[i].name != NULL || name.len == 0) continue;
        columns[i].name = memcpy(names, name.base, name.len);
        names[name.len] = '\0';
        names += name.len + 1;
    }
}

struct metadata *columns_of_markers(struct cqlua_server *server, const struct markers *markers, int *error)
{
    int count = markers->given == NULL ? count_markers(markers->text) : markers->given_count;
    size_t names_at = (size_t)count * sizeof(struct cqlua_server_column), size = names_at + markers->text.len + (size_t)count + 1;
    struct cqlua_server_column *columns = memory_get(server->memory, size);
    *error = CQLUA_ENO_MEMORY;
    if (columns == NULL) return NULL;
    for (int i = 0; i < count; i++)
        columns[i] = markers->given == NULL ? (struct cqlua_server_column){NULL, markers->type} : markers->given[i];
    name_markers(columns, count, markers->text, (char *)columns + names_at);
    struct metadata *metadata = columns_new(server, "params", columns, count, markers->key, markers->key_count, error);
    memory_free(server->memory, columns, size);
    return metadata;
}

struct metadata *columns_of_blobs(struct cqlua_server *server, uint32_t count)
{
    size_t size = (count + 1) * sizeof(struct cqlua_server_column);
    struct cqlua_server_column *blobs = memory_get(server->memory, size);
    int error;
    if (blobs == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) blobs[i] = (struct cqlua_server_column){NULL, "blob"};
    struct metadata *metadata = columns_new(server, "params", blobs, (int)count, NULL, 0, &error);
    memory_free(server->memory, blobs, size);
    return metadata;
}

/* --- to the encoder -------------------------------------------------------------------------------------------------------- */

static size_t specs_size(const struct metadata *columns)
{
    return (columns->columns_count + 1) * sizeof(struct column_spec);
}

struct column_spec *columns_specs(const struct metadata *columns, struct cqlua_slice keyspace, struct cqlua_slice table)
{
    struct column_spec *specs = memory_get(columns->memory, specs_size(columns));
    if (specs == NULL) return NULL;
    for (uint32_t i = 0; i < columns->columns_count; i++)
        specs[i] = (struct column_spec){keyspace, table, columns->columns[i].name, columns->types[i]};
    return specs;
}

void columns_specs_free(const struct metadata *columns, struct column_spec *specs)
{
    memory_free(columns->memory, specs, specs_size(columns));
}

/* FNV-1a with two starts: it need not be hard to invert, only the same in every run. */
static uint64_t hash_bytes(uint64_t hash, struct cqlua_slice bytes)
{
    const uint8_t *at = bytes.base;
    for (size_t i = 0; i < bytes.len; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
    return (hash ^ bytes.len) * UINT64_C(0x100000001B3);
}

void columns_hash(uint8_t hash[SERVER_HASH], struct cqlua_slice a, struct cqlua_slice b)
{
    static const uint64_t starts[] = {UINT64_C(0xCBF29CE484222325), UINT64_C(0x9E3779B97F4A7C15)};
    for (int i = 0; i < 2; i++) store_u64(hash + 8 * i, hash_bytes(hash_bytes(starts[i], a), b));
}
