/* The native protocol's tables: which of our codes a server's code becomes, and the names of messages. */
#include "protocol/spec.h"

#include <cqlua.h>
#include <stddef.h>

int server_code_error(int32_t server_code)
{
    switch (server_code) {
    case SERVER_PROTOCOL_ERROR: return CQLUA_EPROTOCOL_ERROR;
    case SERVER_BAD_CREDENTIALS: return CQLUA_EBAD_CREDENTIALS;
    case SERVER_UNAVAILABLE: return CQLUA_EUNAVAILABLE;
    case SERVER_OVERLOADED: return CQLUA_EOVERLOADED;
    case SERVER_IS_BOOTSTRAPPING: return CQLUA_EIS_BOOTSTRAPPING;
    case SERVER_TRUNCATE_ERROR: return CQLUA_ETRUNCATE_ERROR;
    case SERVER_WRITE_TIMEOUT: return CQLUA_EWRITE_TIMEOUT;
    case SERVER_READ_TIMEOUT: return CQLUA_EREAD_TIMEOUT;
    case SERVER_READ_FAILURE: return CQLUA_EREAD_FAILURE;
    case SERVER_FUNCTION_FAILURE: return CQLUA_EFUNCTION_FAILURE;
    case SERVER_WRITE_FAILURE: return CQLUA_EWRITE_FAILURE;
    case SERVER_CDC_WRITE_FAILURE: return CQLUA_ECDC_WRITE_FAILURE;
    case SERVER_CAS_WRITE_UNKNOWN: return CQLUA_ECAS_WRITE_UNKNOWN;
    case SERVER_SYNTAX_ERROR: return CQLUA_ESYNTAX_ERROR;
    case SERVER_UNAUTHORIZED: return CQLUA_EUNAUTHORIZED;
    case SERVER_INVALID: return CQLUA_EINVALID;
    case SERVER_CONFIG_ERROR: return CQLUA_ECONFIG_ERROR;
    case SERVER_ALREADY_EXISTS: return CQLUA_EALREADY_EXISTS;
    case SERVER_UNPREPARED: return CQLUA_EUNPREPARED;
    default: return CQLUA_ESERVER_ERROR;
    }
}

const char *opcode_name(uint8_t opcode)
{
    static const char *const names[] = {
        [OP_ERROR] = "ERROR",
        [OP_STARTUP] = "STARTUP",
        [OP_READY] = "READY",
        [OP_AUTHENTICATE] = "AUTHENTICATE",
        [OP_OPTIONS] = "OPTIONS",
        [OP_SUPPORTED] = "SUPPORTED",
        [OP_QUERY] = "QUERY",
        [OP_RESULT] = "RESULT",
        [OP_PREPARE] = "PREPARE",
        [OP_EXECUTE] = "EXECUTE",
        [OP_REGISTER] = "REGISTER",
        [OP_EVENT] = "EVENT",
        [OP_BATCH] = "BATCH",
        [OP_AUTH_CHALLENGE] = "AUTH_CHALLENGE",
        [OP_AUTH_RESPONSE] = "AUTH_RESPONSE",
        [OP_AUTH_SUCCESS] = "AUTH_SUCCESS",
    };
    const char *name = opcode < sizeof names / sizeof names[0] ? names[opcode] : NULL;
    return name == NULL ? "unknown" : name;
}
