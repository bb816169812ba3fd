/* Golden replies: bodies of every kind a server sends, as hex; and a reader that goes through all that is in one. Those called
 * captured are Cassandra 5.0's own bytes, the others are written from the specification. */
#ifndef SUPPORT_REPLIES_H
#define SUPPORT_REPLIES_H

#include "bytes.h"
#include "protocol/response.h"
#include "protocol/rows.h"
#include "protocol/value.h"

/* --- RESULT (section 4.2.5) ------------------------------------------------------------------------------------------------ */

#define VOID_BODY "00000001"
#define SET_KEYSPACE_BODY "00000003 0004'cap4'"
#define SCHEMA_KEYSPACE_BODY "00000005 0007'CREATED' 0008'KEYSPACE' 0004'cap4'"
#define SCHEMA_TABLE_BODY "00000005 0007'CREATED' 0005'TABLE' 0004'cap4' 0001'a'"
#define SCHEMA_TYPE_BODY "00000005 0007'CREATED' 0004'TYPE' 0004'cap4' 0008'Odd Name'"
#define SCHEMA_FUNCTION_BODY "00000005 0007'DROPPED' 0008'FUNCTION' 0002'ks' 0001'f' 0002 0003'int' 0009'list<int>'"

/* captured: every scalar type, one row */
#define SCALAR_COLUMNS                                                                                                  \
    "0004'cap4' 0001'a' 0002'id' 0009 0001'a' 0001 0001'b' 0002 0002'bl' 0003 0002'bo' 0004 0001'd' 0007 0002'da' 0011" \
    " 0001'f' 0008 0001'i' 0010 0001's' 0013 0001't' 0014 0002'te' 000D 0002'ti' 0012 0002'ts' 000B 0002'tu' 000F 0001'u' 000C"
#define SCALAR_ROW                                                                                                     \
    "00000004 80000000 00000003 'asc' 00000008 0020000000000001 00000003 CAFE00 00000001 01 00000008 8000000000000000" \
    " 00000004 7FFFFFFF 00000004 3FC00000 00000010 00000000000000000000000000000001 00000002 8000 00000001 80"         \
    " 00000006 6772C3BCC39F 00000008 00004E94914EFFFF 00000008 0000019C140815BB"                                       \
    " 00000010 123E4567E89B12D3A456426614174000 00000010 123E4567E89B42D3A456426614174000"
#define SCALARS_BODY "00000002 00000001 00000010 " SCALAR_COLUMNS " 00000001 " SCALAR_ROW

/* captured: collections, tuple, UDTs, and types that are not decoded yet; v5 has a duration where v4 has a class */
#define V5_COLLECTIONS_BODY                                                                                                \
    "00000002 00000001 0000000B 0004'cap5' 0003'col' 0002'id' 0009 0001'l' 0020 0009 0001's' 0022 000D"                    \
    " 0001'm' 0021 000D 0020 0009 0002'tu' 0031 0002 0009 000D"                                                            \
    " 0002'ud' 0030 0004'cap5' 0004'addr' 0002 0006'street' 000D 0002'No' 0009 0003'dec' 0006 0002'vi' 000E 0002'du' 0015" \
    " 0002've' 0000 0059'org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType , 3)'"       \
    " 0003'odd' 0030 0004'cap5' 0008'Odd Name' 0001 0001'x' 0009 00000001"                                                 \
    " 00000004 00000001 0000001C 00000003 00000004 00000001 00000004 00000002 00000004 00000003"                           \
    " 0000000E 00000002 00000001 'a' 00000001 'b' 00000019 00000001 00000001 'k' 0000000C 00000001 00000004 00000007"      \
    " 0000000D 00000004 00000001 00000001 'x' 0000000D 00000001 's' 00000004 00000005 00000005 000000010F"                 \
    " 00000009 00AB54A98CEB1F0AD2 00000003 020400 0000000C 3F800000 40000000 40400000 00000008 00000004 00000001"

/* captured */
#define NULLS_BODY                                                                                   \
    "00000002 00000001 00000003 0004'cap4' 0001'a' 0002'id' 0009 0001'a' 0001 0001'i' 0010 00000001" \
    " 00000004 00000007 FFFFFFFF 00000004 7F000001"
#define COUNTER_BODY "00000002 00000001 00000001 0004'cap4' 0003'ctr' 0001'n' 0005 00000001 00000008 0020000000000001"
#define PAGE_BODY \
    "00000002 00000003 00000001 0000000C 048000000000F07FFFFFFE00 0004'cap4' 0001'a' 0002'id' 0009 00000001 00000004 80000000"
#define NO_ROWS_BODY "00000002 00000001 00000001 0004'cap4' 0001'a' 0002'id' 0009 00000000"
/* captured: NO_METADATA; for a request that sent the id of ALT_SPECS */
#define ALT_SPECS "0004'cap5' 0003'alt' 0002'id' 0009"
#define SKIPPED_BODY "00000002 00000005 00000001 00000001 00000004 00000001"
/* captured: METADATA_CHANGED, in answer to an id that is not the server's */
#define CHANGED_BODY "00000002 00000009 00000001 0010 FF630B7DE499B71A9497DA83B2A73A28 " ALT_SPECS " 00000001 00000004 00000001"
#define CHANGED_PAGE_BODY "00000002 0000000B 00000001 00000002 'ps' 0002 'id' " ALT_SPECS " 00000001 00000004 00000001"
/* columns of two tables */
#define OWN_TABLES_BODY                                                                             \
    "00000002 00000000 00000002 0001'k' 0001't' 0001'a' 0009 0001'k' 0001'u' 0001'b' 000D 00000002" \
    " 00000004 00000001 00000000 00000004 00000002 00000001 'x'"
/* fault 53: nothing at all is a valid result */
#define NOTHING_BODY "00000002 00000000 00000000 00000000"

/* captured */
#define V4_PREPARED_BODY                                                                                              \
    "00000004 0010 B5A13E2013D2D1499BBC8911FBDE996D 00000001 00000001 00000001 0000 0004'cap4' 0001'a' 0002'id' 0009" \
    " 00000001 00000002 0004'cap4' 0001'a' 0002'id' 0009 0002'te' 000D"
#define V5_PREPARED_BODY                                                                                                   \
    "00000004 0010 DBC1D1E420AAB6EAFA609F814864FB77 0010 905490983E82E47A7578FAA649D89F32 00000001 00000001 00000001 0000" \
    " 0004'cap5' 0001'a' 0002'id' 0009 00000001 00000002 0004'cap5' 0001'a' 0002'id' 0009 0002'te' 000D"
#define V5_PREPARED_INSERT_BODY                                                                                            \
    "00000004 0010 F9D6A1FBBA35938F283EA1DC5EDCF4DC 0010 D41D8CD98F00B204E9800998ECF8427E 00000001 00000002 00000001 0000" \
    " 0004'cap5' 0001'a' 0003'key' 0009 0002'te' 000D 00000004 00000000"
#define V4_PREPARED_NO_MARKERS_BODY "00000004 0010 74A8C1440820C6AF39A209E2A279D9E7 00000000 00000000 00000000 00000004 00000000"

/* --- ERROR (section 9) ----------------------------------------------------------------------------------------------------- */

#define ERROR_SERVER "00000000 0004'oops'"
#define ERROR_PROTOCOL "0000000A 0003'bad'"
#define ERROR_CREDENTIALS "00000100 000C'Bad password'"
#define ERROR_UNAVAILABLE "00001000 0024'Cannot achieve consistency level TWO' 0002 00000002 00000001" /* captured */
#define ERROR_OVERLOADED "00001001 0004'busy'"
#define ERROR_BOOTSTRAPPING "00001002 0007'joining'"
#define ERROR_TRUNCATE "00001003 0006'failed'"
#define ERROR_WRITE_TIMEOUT "00001100 0001'w' 0006 00000001 00000002 0006'SIMPLE'"
#define ERROR_WRITE_TIMEOUT_CAS_V4 "00001100 0001'w' 0008 00000001 00000002 0003'CAS'"
#define ERROR_WRITE_TIMEOUT_CAS_V5 "00001100 0001'w' 0008 00000001 00000002 0003'CAS' 0007"
#define ERROR_READ_TIMEOUT "00001200 0001'r' 0004 00000002 00000003 01"
#define ERROR_READ_FAILURE_V4 "00001300 0001'r' 0001 00000000 00000001 00000001 00"
#define ERROR_READ_FAILURE_V5 \
    "00001300 0001'r' 0001 00000000 00000001 00000002 04 7F000001 0000 10 00000000000000000000000000000001 0005 01"
#define ERROR_FUNCTION_FAILURE "00001400 0001'f' 0002'ks' 0003'fun' 0002 0003'int' 0004'text'"
#define ERROR_WRITE_FAILURE_V4 "00001500 0001'w' 0005 00000001 00000003 00000002 0009'BATCH_LOG'"
#define ERROR_WRITE_FAILURE_V5 "00001500 0001'w' 0005 00000001 00000003 00000001 04 0A000001 0001 000E'UNLOGGED_BATCH'"
#define ERROR_CDC "00001600 0003'cdc'"
#define ERROR_CAS_UNKNOWN "00001700 0003'cas' 0008 00000001 00000002"
#define ERROR_SYNTAX /* captured */ "00002000 0039 'line 1:0 no viable alternative at input '27'SELEC'27' ([SELEC])'"
#define ERROR_UNAUTHORIZED "00002100 0002'no'"
#define ERROR_INVALID "00002200 0019'table nope does not exist'" /* captured */
#define ERROR_CONFIG "00002300 0003'cfg'"
#define ERROR_EXISTS_KEYSPACE "00002400 0023'Cannot add existing keyspace \"cap4\"' 0004'cap4' 0000" /* captured */
#define ERROR_EXISTS_TABLE "00002400 0003'dup' 0004'cap4' 0001'a'"
#define ERROR_UNPREPARED "00002500 0007'unknown' 0010 000102030405060708090A0B0C0D0E0F"
#define ERROR_OF_THE_FUTURE "00004242 0003'new' 0102030405"

/* --- the others ------------------------------------------------------------------------------------------------------------ */

/* captured */
#define SUPPORTED_BODY                                                                   \
    "0003 0011'PROTOCOL_VERSIONS' 0004 0004'3/v3' 0004'4/v4' 0004'5/v5' 0009'6/v6-beta'" \
    " 000B'COMPRESSION' 0002 0006'snappy' 0003'lz4' 000B'CQL_VERSION' 0001 0005'3.4.7'"
#define AUTHENTICATE_BODY "002F'org.apache.cassandra.auth.PasswordAuthenticator'"
#define EVENT_TABLE_BODY "000D'SCHEMA_CHANGE' 0007'CREATED' 0005'TABLE' 0004'cap4' 0002'ev'" /* captured */
#define EVENT_AGGREGATE_BODY "000D'SCHEMA_CHANGE' 0007'UPDATED' 0009'AGGREGATE' 0002'ks' 0003'agg' 0001 0003'int'"
#define EVENT_STATUS_BODY "000D'STATUS_CHANGE' 0004'DOWN' 04 7F000002 00002352"
#define EVENT_TOPOLOGY_BODY "000F'TOPOLOGY_CHANGE' 0008'NEW_NODE' 10 20010DB8000000000000000000000001 00002352"
#define EVENT_OF_THE_FUTURE "0007'WEATHER' 0004'RAIN'"
/* captured: a trace id before the message; a warning before it */
#define TRACED_BODY \
    "5EB52880E63211F183CD6F00D35977E5 00000002 00000001 00000001 0004'cap4' 0001'a' 0002'id' 0009 00000001 00000004 00000007"
#define WARNED_BODY                                                                                         \
    "0001 002C'Aggregation query used without partition key' 00000002 00000001 00000001 0004'cap4' 0001'a'" \
    " 0005'count' 0002 00000001 00000008 0000000000000002"
#define EVERY_PREFIX_BODY "000102030405060708090A0B0C0D0E0F 0002 0001'x' 0000 0002 0001'k' 00000001 'v' 0001'n' FFFFFFFF 00000001"

enum { ALL_PREFIXES = FRAME_TRACING | FRAME_WARNING | FRAME_PAYLOAD };

struct reply {
    const char *name;
    uint8_t version, flags, opcode;
    const char *body;
};
static const struct reply replies[] = {
    {"void", 4, 0, OP_RESULT, VOID_BODY},
    {"set keyspace", 4, 0, OP_RESULT, SET_KEYSPACE_BODY},
    {"schema change of a keyspace", 4, 0, OP_RESULT, SCHEMA_KEYSPACE_BODY},
    {"schema change of a table", 4, 0, OP_RESULT, SCHEMA_TABLE_BODY},
    {"schema change of a type", 5, 0, OP_RESULT, SCHEMA_TYPE_BODY},
    {"schema change of a function", 5, 0, OP_RESULT, SCHEMA_FUNCTION_BODY},
    {"scalars, v4", 4, 0, OP_RESULT, SCALARS_BODY},
    {"scalars, v5", 5, 0, OP_RESULT, SCALARS_BODY},
    {"collections", 5, 0, OP_RESULT, V5_COLLECTIONS_BODY},
    {"nulls", 4, 0, OP_RESULT, NULLS_BODY},
    {"counter", 4, 0, OP_RESULT, COUNTER_BODY},
    {"page", 4, 0, OP_RESULT, PAGE_BODY},
    {"no rows", 5, 0, OP_RESULT, NO_ROWS_BODY},
    {"skipped metadata", 5, 0, OP_RESULT, SKIPPED_BODY},
    {"changed metadata", 5, 0, OP_RESULT, CHANGED_BODY},
    {"a page with changed metadata", 5, 0, OP_RESULT, CHANGED_PAGE_BODY},
    {"columns of two tables", 4, 0, OP_RESULT, OWN_TABLES_BODY},
    {"nothing", 4, 0, OP_RESULT, NOTHING_BODY},
    {"prepared, v4", 4, 0, OP_RESULT, V4_PREPARED_BODY},
    {"prepared, v5", 5, 0, OP_RESULT, V5_PREPARED_BODY},
    {"prepared insert", 5, 0, OP_RESULT, V5_PREPARED_INSERT_BODY},
    {"prepared without markers", 4, 0, OP_RESULT, V4_PREPARED_NO_MARKERS_BODY},
    {"server error", 4, 0, OP_ERROR, ERROR_SERVER},
    {"protocol error", 4, 0, OP_ERROR, ERROR_PROTOCOL},
    {"bad credentials", 4, 0, OP_ERROR, ERROR_CREDENTIALS},
    {"unavailable", 4, 0, OP_ERROR, ERROR_UNAVAILABLE},
    {"overloaded", 4, 0, OP_ERROR, ERROR_OVERLOADED},
    {"is bootstrapping", 4, 0, OP_ERROR, ERROR_BOOTSTRAPPING},
    {"truncate error", 4, 0, OP_ERROR, ERROR_TRUNCATE},
    {"write timeout", 5, 0, OP_ERROR, ERROR_WRITE_TIMEOUT},
    {"write timeout of a CAS, v4", 4, 0, OP_ERROR, ERROR_WRITE_TIMEOUT_CAS_V4},
    {"write timeout of a CAS, v5", 5, 0, OP_ERROR, ERROR_WRITE_TIMEOUT_CAS_V5},
    {"read timeout", 5, 0, OP_ERROR, ERROR_READ_TIMEOUT},
    {"read failure, v4", 4, 0, OP_ERROR, ERROR_READ_FAILURE_V4},
    {"read failure, v5", 5, 0, OP_ERROR, ERROR_READ_FAILURE_V5},
    {"function failure", 4, 0, OP_ERROR, ERROR_FUNCTION_FAILURE},
    {"write failure, v4", 4, 0, OP_ERROR, ERROR_WRITE_FAILURE_V4},
    {"write failure, v5", 5, 0, OP_ERROR, ERROR_WRITE_FAILURE_V5},
    {"cdc write failure", 5, 0, OP_ERROR, ERROR_CDC},
    {"cas write unknown", 5, 0, OP_ERROR, ERROR_CAS_UNKNOWN},
    {"syntax error", 4, 0, OP_ERROR, ERROR_SYNTAX},
    {"unauthorized", 4, 0, OP_ERROR, ERROR_UNAUTHORIZED},
    {"invalid", 4, 0, OP_ERROR, ERROR_INVALID},
    {"config error", 4, 0, OP_ERROR, ERROR_CONFIG},
    {"already exists", 4, 0, OP_ERROR, ERROR_EXISTS_TABLE},
    {"keyspace already exists", 4, 0, OP_ERROR, ERROR_EXISTS_KEYSPACE},
    {"unprepared", 4, 0, OP_ERROR, ERROR_UNPREPARED},
    {"supported", 4, 0, OP_SUPPORTED, SUPPORTED_BODY},
    {"authenticate", 4, 0, OP_AUTHENTICATE, AUTHENTICATE_BODY},
    {"auth challenge", 4, 0, OP_AUTH_CHALLENGE, "00000003 'who'"},
    {"auth success", 4, 0, OP_AUTH_SUCCESS, "FFFFFFFF"},
    {"event of a table", 4, 0, OP_EVENT, EVENT_TABLE_BODY},
    {"event of an aggregate", 4, 0, OP_EVENT, EVENT_AGGREGATE_BODY},
    {"event of a status", 4, 0, OP_EVENT, EVENT_STATUS_BODY},
    {"event of the topology", 5, 0, OP_EVENT, EVENT_TOPOLOGY_BODY},
    {"traced", 4, FRAME_TRACING, OP_RESULT, TRACED_BODY},
    {"warned", 4, FRAME_WARNING, OP_RESULT, WARNED_BODY},
    {"every prefix", 5, ALL_PREFIXES, OP_RESULT, EVERY_PREFIX_BODY},
};
enum { REPLIES = sizeof replies / sizeof replies[0] };

/* --- reading all of it ----------------------------------------------------------------------------------------------------- */

/* The first error of any cell, at any depth. */
static inline int read_all_rows(struct cqlua_rows rows)
{
    while (cqlua_rows_next(&rows))
        for (uint32_t i = 0; i < rows.columns; i++) {
            struct cqlua_rows elements;
            struct cqlua_value value;
            int error = cqlua_row_value(&rows, (int)i, &value);
            if (error < 0) return error;
            if (cqlua_row_open(&rows, (int)i, &elements) == CQLUA_EMISUSE) continue; /* no collection */
            error = elements.status < 0 ? elements.status : read_all_rows(elements);
            if (error < 0) return error;
        }
    return rows.status < 0 ? rows.status : 0;
}

static inline int read_whole_result(struct memory *memory, int version, struct reader *reader, struct metadata *expected)
{
    struct result_message result;
    int error = decode_result(memory, version, reader, expected, &result);
    if (error != 0) return error;
    if (result.kind == RESULT_ROWS) {
        const struct rows_message *rows = &result.rows;
        error = read_all_rows(
            rows_over(rows->metadata->types, rows->metadata->columns_count, rows->rows_count, rows->body, false));
    }
    metadata_unref(result.rows.metadata);
    metadata_unref(result.prepared.params);
    metadata_unref(result.prepared.columns);
    return error;
}

static inline int read_supported(struct reader *reader)
{
    uint16_t count = read_u16(reader);
    for (uint16_t i = 0; i < count && reader->error == 0; i++) {
        read_string(reader);
        read_string_list(reader);
    }
    return reader->error;
}

/* Decodes a reply and everything in it: 0 or the first error. `expected` is for replies without metadata. */
static inline int read_whole_reply(struct memory *memory, const struct reply *reply, struct cqlua_slice body,
                                   struct metadata *expected)
{
    struct reader reader = reader_of(body);
    struct response_prefix prefix;
    struct server_error error;
    struct event_message event;
    read_prefix(&reader, reply->flags, &prefix);
    if (reader.error != 0) return reader.error;
    switch (reply->opcode) {
    case OP_RESULT: return read_whole_result(memory, reply->version, &reader, expected);
    case OP_ERROR: return decode_error(reply->version, &reader, &error);
    case OP_EVENT: return decode_event(&reader, &event);
    case OP_SUPPORTED: return read_supported(&reader);
    case OP_AUTHENTICATE: read_string(&reader); return reader.error;
    default: read_bytes(&reader); return reader.error;
    }
}

#endif
