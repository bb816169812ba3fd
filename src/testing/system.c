/* The system keyspaces, as far as clients read them: system.local, system.peers and peers_v2 tell the nodes; the tables of
 * system_schema have their columns and no rows; whatever else there is, is empty. Cells are made by column: a table is data. */
#include <stdio.h>

#include "testing/server.h"

enum { TOKENS = 4 }; /* of each node */

typedef void put_cell(struct buffer *cells, const struct server_node *node);

struct system_column {
    const char *name, *type;
    put_cell *put; /* NULL: null */
};

enum rows { ROWS_NONE, ROWS_SELF, ROWS_OTHERS };

struct system_table {
    const char *keyspace, *name;
    const struct system_column *columns; /* ends with a name of NULL */
    enum rows rows;
};

/* --- cells ----------------------------------------------------------------------------------------------------------------- */

static void put_chars(struct buffer *cells, const char *text)
{
    put_bytes(cells, slice_of(text));
}

static void put_number(struct buffer *cells, int32_t number)
{
    put_i32(cells, 4);
    put_i32(cells, number);
}

static void put_key(struct buffer *cells, const struct server_node *node)
{
    (void)node;
    put_chars(cells, "local");
}

static void put_completed(struct buffer *cells, const struct server_node *node)
{
    (void)node;
    put_chars(cells, "COMPLETED");
}

static void put_address(struct buffer *cells, const struct server_node *node)
{
    put_bytes(cells, slice(node->address.bytes, node->address.len));
}

static void put_port(struct buffer *cells, const struct server_node *node)
{
    put_number(cells, node->address.port);
}

static void put_storage_port(struct buffer *cells, const struct server_node *node)
{
    (void)node;
    put_number(cells, 7000);
}

static void put_cluster(struct buffer *cells, const struct server_node *node)
{
    (void)node;
    put_chars(cells, "testing");
}

static void put_cql_version(struct buffer *cells, const struct server_node *node)
{
    (void)node;
    put_chars(cells, "3.4.5");
}

static void put_dc(struct buffer *cells, const struct server_node *node)
{
    put_bytes(cells, text_slice(node->dc));
}

static void put_rack(struct buffer *cells, const struct server_node *node)
{
    put_bytes(cells, text_slice(node->rack));
}

/* Version 4 in form; the same in every run. */
static void put_uuid(struct buffer *cells, uint8_t first, uint8_t last)
{
    uint8_t uuid[16] = {first, 0xC1, 0x0A, 0, 0, 0, 0x40, 0, 0x80};
    uuid[15] = last;
    put_bytes(cells, slice(uuid, sizeof uuid));
}

static void put_host_id(struct buffer *cells, const struct server_node *node)
{
    put_uuid(cells, 0x40, (uint8_t)(node->index + 1));
}

static void put_schema_version(struct buffer *cells, const struct server_node *node)
{
    (void)node;
    put_uuid(cells, 0x5C, 1);
}

static void put_protocol(struct buffer *cells, const struct server_node *node)
{
    char text[8];
    snprintf(text, sizeof text, "%d", node->server->version_highest);
    put_chars(cells, text);
}

static void put_partitioner(struct buffer *cells, const struct server_node *node)
{
    (void)node;
    put_chars(cells, "org.apache.cassandra.dht.Murmur3Partitioner");
}

static void put_release(struct buffer *cells, const struct server_node *node)
{
    put_chars(cells, system_release(node->server));
}

/* The ring in equal parts, the nodes in turn. */
static void put_tokens(struct buffer *cells, const struct server_node *node)
{
    uint64_t parts = (uint64_t)node->server->nodes_count * TOKENS;
    size_t length_at = cells->len;
    put_i32(cells, 0);
    put_i32(cells, TOKENS);
    for (uint64_t i = 0; i < TOKENS; i++) {
        char text[24];
        uint64_t part = i * (uint64_t)node->server->nodes_count + (uint64_t)node->index;
        int64_t token = (int64_t)(UINT64_MAX / parts * part + (UINT64_C(1) << 63));
        snprintf(text, sizeof text, "%lld", (long long)token);
        put_chars(cells, text);
    }
    if (cells->error == 0) store_u32(cells->base + length_at, (uint32_t)(cells->len - length_at - 4));
}

/* --- tables ---------------------------------------------------------------------------------------------------------------- */

static const struct system_column local[] = {
    {"key", "text", put_key},
    {"bootstrapped", "text", put_completed},
    {"broadcast_address", "inet", put_address},
    {"broadcast_port", "int", put_storage_port},
    {"cluster_name", "text", put_cluster},
    {"cql_version", "text", put_cql_version},
    {"data_center", "text", put_dc},
    {"gossip_generation", "int", NULL},
    {"host_id", "uuid", put_host_id},
    {"listen_address", "inet", put_address},
    {"listen_port", "int", put_storage_port},
    {"native_protocol_version", "text", put_protocol},
    {"partitioner", "text", put_partitioner},
    {"rack", "text", put_rack},
    {"release_version", "text", put_release},
    {"rpc_address", "inet", put_address},
    {"rpc_port", "int", put_port},
    {"schema_version", "uuid", put_schema_version},
    {"tokens", "set<text>", put_tokens},
    {"truncated_at", "map<uuid, blob>", NULL},
    {NULL, NULL, NULL},
};

static const struct system_column peers[] = {
    {"peer", "inet", put_address},        {"data_center", "text", put_dc},
    {"host_id", "uuid", put_host_id},     {"preferred_ip", "inet", NULL},
    {"rack", "text", put_rack},           {"release_version", "text", put_release},
    {"rpc_address", "inet", put_address}, {"schema_version", "uuid", put_schema_version},
    {"tokens", "set<text>", put_tokens},  {NULL, NULL, NULL},
};

static const struct system_column peers_v2[] = {
    {"peer", "inet", put_address},
    {"peer_port", "int", put_storage_port},
    {"data_center", "text", put_dc},
    {"host_id", "uuid", put_host_id},
    {"native_address", "inet", put_address},
    {"native_port", "int", put_port},
    {"preferred_ip", "inet", NULL},
    {"preferred_port", "int", NULL},
    {"rack", "text", put_rack},
    {"release_version", "text", put_release},
    {"schema_version", "uuid", put_schema_version},
    {"tokens", "set<text>", put_tokens},
    {NULL, NULL, NULL},
};

static const struct system_column keyspaces[] = {{"keyspace_name", "text", NULL},
                                                 {"durable_writes", "boolean", NULL},
                                                 {"replication", "map<text, text>", NULL},
                                                 {NULL, NULL, NULL}};
static const struct system_column tables[] = {{"keyspace_name", "text", NULL},
                                              {"table_name", "text", NULL},
                                              {"comment", "text", NULL},
                                              {"default_time_to_live", "int", NULL},
                                              {"flags", "set<text>", NULL},
                                              {"id", "uuid", NULL},
                                              {NULL, NULL, NULL}};
static const struct system_column columns[] = {{"keyspace_name", "text", NULL},
                                               {"table_name", "text", NULL},
                                               {"column_name", "text", NULL},
                                               {"clustering_order", "text", NULL},
                                               {"column_name_bytes", "blob", NULL},
                                               {"kind", "text", NULL},
                                               {"position", "int", NULL},
                                               {"type", "text", NULL},
                                               {NULL, NULL, NULL}};
static const struct system_column types[] = {{"keyspace_name", "text", NULL},
                                             {"type_name", "text", NULL},
                                             {"field_names", "list<text>", NULL},
                                             {"field_types", "list<text>", NULL},
                                             {NULL, NULL, NULL}};
static const struct system_column indexes[] = {{"keyspace_name", "text", NULL},      {"table_name", "text", NULL},
                                               {"index_name", "text", NULL},         {"kind", "text", NULL},
                                               {"options", "map<text, text>", NULL}, {NULL, NULL, NULL}};
static const struct system_column views[] = {{"keyspace_name", "text", NULL},
                                             {"view_name", "text", NULL},
                                             {"base_table_name", "text", NULL},
                                             {"where_clause", "text", NULL},
                                             {NULL, NULL, NULL}};

static const struct system_table known_tables[] = {
    {"system", "local", local, ROWS_SELF},          {"system", "peers", peers, ROWS_OTHERS},
    {"system", "peers_v2", peers_v2, ROWS_OTHERS},  {"system_schema", "keyspaces", keyspaces, ROWS_NONE},
    {"system_schema", "tables", tables, ROWS_NONE}, {"system_schema", "columns", columns, ROWS_NONE},
    {"system_schema", "types", types, ROWS_NONE},   {"system_schema", "indexes", indexes, ROWS_NONE},
    {"system_schema", "views", views, ROWS_NONE},
};
enum { KNOWN_TABLES = sizeof known_tables / sizeof known_tables[0] };

/* What a server of this protocol version says that it is. */
const char *system_release(const struct cqlua_server *server)
{
    return server->version_highest >= 5 ? "4.1.9" : server->version_highest == 4 ? "3.11.19" : "3.0.32";
}

/* --- a SELECT -------------------------------------------------------------------------------------------------------------- */

static bool is_system(struct cqlua_slice keyspace)
{
    return keyspace.len >= 6 && query_is_name(slice(keyspace.base, 6), "system") &&
           (keyspace.len == 6 || ((const char *)keyspace.base)[6] == '_');
}

bool system_is_about(struct cqlua_slice text, struct cqlua_slice connection_keyspace)
{
    struct cqlua_slice keyspace, table;
    if (!query_table(text, &keyspace, &table)) return false;
    return is_system(keyspace.len == 0 ? connection_keyspace : keyspace);
}

static const struct system_table *find_table(struct cqlua_slice text)
{
    struct cqlua_slice keyspace, name;
    query_table(text, &keyspace, &name);
    for (int i = 0; i < KNOWN_TABLES; i++) {
        bool is_keyspace = keyspace.len == 0 || query_is_name(keyspace, known_tables[i].keyspace);
        if (is_keyspace && query_is_name(name, known_tables[i].name)) return &known_tables[i];
    }
    return NULL;
}

static const struct system_column *find_column(const struct system_table *table, struct cqlua_slice name)
{
    for (const struct system_column *column = table->columns; column->name != NULL; column++)
        if (query_is_name(name, column->name)) return column;
    return NULL;
}

enum { SELECTED_MAX = 64 };

/* The columns that are asked for, in their order: how many, or MISUSE. A table that is not known has them all, as text. */
static int select_columns(const struct server_node *node, const struct system_table *table, struct cqlua_slice text,
                          struct system_column *selected, char names[SELECTED_MAX][SERVER_NAME])
{
    struct cqlua_slice name;
    int count = 0;
    while (query_selected(&text, &name) && count < SELECTED_MAX) {
        if (slice_equal(name, slice_of("*"))) {
            for (const struct system_column *column = table == NULL ? NULL : table->columns;
                 column != NULL && column->name != NULL;)
                selected[count++] = *column++;
            continue;
        }
        const struct system_column *column = table == NULL ? NULL : find_column(table, name);
        if (column == NULL && table != NULL)
            return server_misuse(node->server, "Undefined column name %.*s in table %s.%s", name.len > 64 ? 64 : (int)name.len,
                                 (const char *)name.base, table->keyspace, table->name);
        snprintf(names[count], SERVER_NAME, "%.*s", name.len > 31 ? 31 : (int)name.len, (const char *)name.base);
        selected[count] = column != NULL ? *column : (struct system_column){names[count], "text", NULL};
        count++;
    }
    return count;
}

static void put_row(struct buffer *cells, const struct server_node *node, const struct system_column *selected, int count)
{
    for (int i = 0; i < count; i++) {
        if (selected[i].put != NULL) selected[i].put(cells, node);
        else put_null_bytes(cells);
    }
}

static uint32_t put_rows(struct buffer *cells, const struct server_node *self, enum rows rows,
                         const struct system_column *selected, int count)
{
    uint32_t written = 0;
    for (int i = 0; i < self->server->nodes_count; i++) {
        const struct server_node *node = &self->server->nodes[i];
        if (rows == ROWS_NONE || (node == self) != (rows == ROWS_SELF)) continue;
        put_row(cells, node, selected, count);
        written++;
    }
    return written;
}

/* Cassandra has it since 4.0. */
static bool is_missing(const struct server_node *node, const struct system_table *table)
{
    return table != NULL && table->columns == peers_v2 && node->server->version_highest < 5;
}

struct metadata *system_select(const struct server_node *node, struct cqlua_slice text, struct buffer *cells, uint32_t *rows,
                               int *error)
{
    struct system_column selected[SELECTED_MAX * 2];
    struct cqlua_server_column described[SELECTED_MAX * 2];
    char names[SELECTED_MAX][SERVER_NAME];
    const struct system_table *table = find_table(text);
    *error = is_missing(node, table) ? server_misuse(node->server, "unconfigured table peers_v2") : 0;
    int count = *error != 0 ? *error : select_columns(node, table, text, selected, names);
    if (count < 0) {
        *error = count;
        return NULL;
    }
    for (int i = 0; i < count; i++) described[i] = (struct cqlua_server_column){selected[i].name, selected[i].type};
    *rows = table == NULL ? 0 : put_rows(cells, node, table->rows, selected, count);
    return columns_new(node->server, "columns", described, count, NULL, 0, error);
}
