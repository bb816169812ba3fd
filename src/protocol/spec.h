/* The native protocol's tables (doc/native_protocol_v3.spec to _v5.spec, named "v3" to "v5" in comments): numbers and names,
 * no behaviour. */
#ifndef CQLUA_PROTOCOL_SPEC_H
#define CQLUA_PROTOCOL_SPEC_H

#include <stdint.h>

enum { PROTOCOL_LOWEST = 3, PROTOCOL_HIGHEST = 5 };

/* v4 section 2.4 */
enum opcode {
    OP_ERROR = 0x00,
    OP_STARTUP = 0x01,
    OP_READY = 0x02,
    OP_AUTHENTICATE = 0x03,
    OP_OPTIONS = 0x05,
    OP_SUPPORTED = 0x06,
    OP_QUERY = 0x07,
    OP_RESULT = 0x08,
    OP_PREPARE = 0x09,
    OP_EXECUTE = 0x0A,
    OP_REGISTER = 0x0B,
    OP_EVENT = 0x0C,
    OP_BATCH = 0x0D,
    OP_AUTH_CHALLENGE = 0x0E,
    OP_AUTH_RESPONSE = 0x0F,
    OP_AUTH_SUCCESS = 0x10,
};

/* v4 section 2.2: flags of a frame header */
enum { FRAME_COMPRESSED = 0x01, FRAME_TRACING = 0x02, FRAME_PAYLOAD = 0x04, FRAME_WARNING = 0x08, FRAME_BETA = 0x10 };

/* v4 section 4.1.4, v5 adds the last two: flags of <query_parameters> */
enum {
    QUERY_VALUES = 0x01,
    QUERY_SKIP_METADATA = 0x02,
    QUERY_PAGE_SIZE = 0x04,
    QUERY_PAGING_STATE = 0x08,
    QUERY_SERIAL_CONSISTENCY = 0x10,
    QUERY_TIMESTAMP = 0x20,
    QUERY_NAMES = 0x40,
    QUERY_KEYSPACE = 0x80,
    QUERY_NOW_IN_SECONDS = 0x100,
};
enum { PREPARE_KEYSPACE = 0x01 }; /* v5 section 4.1.5 */

/* v4 section 4.2.5 */
enum result_kind {
    RESULT_VOID = 0x0001,
    RESULT_ROWS = 0x0002,
    RESULT_SET_KEYSPACE = 0x0003,
    RESULT_PREPARED = 0x0004,
    RESULT_SCHEMA_CHANGE = 0x0005,
};
/* v4 section 4.2.5.2; METADATA_CHANGED is v5's */
enum { ROWS_GLOBAL_SPEC = 0x01, ROWS_MORE_PAGES = 0x02, ROWS_NO_METADATA = 0x04, ROWS_METADATA_CHANGED = 0x08 };

/* v4 section 6: [option] ids of types; 0x0000 is a custom class */
enum type_id {
    TYPE_CUSTOM = 0x0000,
    TYPE_ASCII = 0x0001,
    TYPE_BIGINT = 0x0002,
    TYPE_BLOB = 0x0003,
    TYPE_BOOLEAN = 0x0004,
    TYPE_COUNTER = 0x0005,
    TYPE_DECIMAL = 0x0006,
    TYPE_DOUBLE = 0x0007,
    TYPE_FLOAT = 0x0008,
    TYPE_INT = 0x0009,
    TYPE_TIMESTAMP = 0x000B,
    TYPE_UUID = 0x000C,
    TYPE_VARCHAR = 0x000D,
    TYPE_VARINT = 0x000E,
    TYPE_TIMEUUID = 0x000F,
    TYPE_INET = 0x0010,
    TYPE_DATE = 0x0011,
    TYPE_TIME = 0x0012,
    TYPE_SMALLINT = 0x0013,
    TYPE_TINYINT = 0x0014,
    TYPE_DURATION = 0x0015, /* v5 section 6; Cassandra sends it to v4 clients as a custom class */
    TYPE_LIST = 0x0020,
    TYPE_MAP = 0x0021,
    TYPE_SET = 0x0022,
    TYPE_UDT = 0x0030,
    TYPE_TUPLE = 0x0031,
    TYPE_VECTOR = 0x0032, /* never on the wire: a custom class there (Cassandra 5's VectorType) */
};

/* v5 section 9: what the server's error codes are called here */
enum server_code {
    SERVER_ERROR = 0x0000,
    SERVER_PROTOCOL_ERROR = 0x000A,
    SERVER_BAD_CREDENTIALS = 0x0100,
    SERVER_UNAVAILABLE = 0x1000,
    SERVER_OVERLOADED = 0x1001,
    SERVER_IS_BOOTSTRAPPING = 0x1002,
    SERVER_TRUNCATE_ERROR = 0x1003,
    SERVER_WRITE_TIMEOUT = 0x1100,
    SERVER_READ_TIMEOUT = 0x1200,
    SERVER_READ_FAILURE = 0x1300,
    SERVER_FUNCTION_FAILURE = 0x1400,
    SERVER_WRITE_FAILURE = 0x1500,
    SERVER_CDC_WRITE_FAILURE = 0x1600,
    SERVER_CAS_WRITE_UNKNOWN = 0x1700,
    SERVER_SYNTAX_ERROR = 0x2000,
    SERVER_UNAUTHORIZED = 0x2100,
    SERVER_INVALID = 0x2200,
    SERVER_CONFIG_ERROR = 0x2300,
    SERVER_ALREADY_EXISTS = 0x2400,
    SERVER_UNPREPARED = 0x2500,
};
/* The client's code (CQLUA_E...) for a server's; an unknown one is CQLUA_ESERVER_ERROR. */
int server_code_error(int32_t server_code);
/* The event names of REGISTER (v4 section 4.1.8), by bit. */
enum { EVENT_TOPOLOGY = 1, EVENT_STATUS = 2, EVENT_SCHEMA = 4 };
/* "QUERY", "RESULT" ...; "0x42" has no name: "unknown". */
const char *opcode_name(uint8_t opcode);

#endif
