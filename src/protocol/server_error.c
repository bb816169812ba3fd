/* The message ERROR: a code, a text, and what the code carries (v4 and v5, section 9). */
#include "protocol/response.h"

/* v5 section 9: how often a conditional write met another; only with the write type "CAS". */
static bool has_contentions(int version, const struct server_error *error)
{
    return version >= 5 && error->code == SERVER_WRITE_TIMEOUT && slice_equal(error->write_type, slice_of("CAS"));
}

/* --- decoding -------------------------------------------------------------------------------------------------------------- */

/* <cl><received><blockfor> */
static void read_answers(struct reader *reader, struct server_error *error)
{
    error->consistency = read_u16(reader);
    error->received = read_i32(reader);
    error->block_for = read_i32(reader);
}

/* v5: <reasonmap>, of [inetaddr][short] pairs. */
static void read_failure_map(struct reader *reader, struct server_error *error)
{
    error->failures = read_i32(reader);
    if (error->failures < 0) reader_fail(reader);
    const uint8_t *from = reader->at;
    for (int32_t i = 0; i < error->failures && reader->error == 0; i++) {
        uint8_t len = read_u8(reader);
        if (len != 4 && len != 16) reader_fail(reader);
        read_raw(reader, len);
        read_u16(reader);
    }
    if (reader->error == 0) error->failure_map = slice(from, (size_t)(reader->at - from));
}

static void read_failures(struct reader *reader, int version, struct server_error *error)
{
    read_answers(reader, error);
    if (version >= 5) read_failure_map(reader, error);
    else error->failures = read_i32(reader);
}

static void read_details(int version, struct reader *reader, struct server_error *error)
{
    switch (error->code) {
    case SERVER_UNAVAILABLE:
        error->consistency = read_u16(reader);
        error->required = read_i32(reader);
        error->alive = read_i32(reader);
        break;
    case SERVER_WRITE_TIMEOUT:
        read_answers(reader, error);
        error->write_type = read_string(reader);
        if (has_contentions(version, error)) error->contentions = read_u16(reader);
        break;
    case SERVER_READ_TIMEOUT:
        read_answers(reader, error);
        error->data_present = read_u8(reader) != 0;
        break;
    case SERVER_READ_FAILURE:
        read_failures(reader, version, error);
        error->data_present = read_u8(reader) != 0;
        break;
    case SERVER_WRITE_FAILURE:
        read_failures(reader, version, error);
        error->write_type = read_string(reader);
        break;
    case SERVER_FUNCTION_FAILURE:
        error->keyspace = read_string(reader);
        error->function = read_string(reader);
        error->arg_types = read_string_list(reader);
        break;
    case SERVER_CAS_WRITE_UNKNOWN: read_answers(reader, error); break;
    case SERVER_ALREADY_EXISTS:
        error->keyspace = read_string(reader);
        error->table = read_string(reader);
        break;
    case SERVER_UNPREPARED: error->statement_id = read_string(reader); break;
    default: break;
    }
}

int decode_error(int version, struct reader *reader, struct server_error *error)
{
    *error = (struct server_error){
        .consistency = -1, .required = -1, .received = -1, .alive = -1, .failures = -1, .block_for = -1, .contentions = -1};
    error->code = read_i32(reader);
    error->message = read_string(reader);
    read_details(version, reader, error);
    return reader->error;
}

/* --- encoding -------------------------------------------------------------------------------------------------------------- */

static void put_answers(struct buffer *buffer, const struct server_error *error)
{
    put_u16(buffer, (uint16_t)error->consistency);
    put_i32(buffer, error->received);
    put_i32(buffer, error->block_for);
}

static void put_failures(struct buffer *buffer, int version, const struct server_error *error)
{
    put_answers(buffer, error);
    put_i32(buffer, error->failures);
    if (version >= 5) put_raw(buffer, error->failure_map.base, error->failure_map.len);
}

static void put_details(struct buffer *buffer, int version, const struct server_error *error)
{
    switch (error->code) {
    case SERVER_UNAVAILABLE:
        put_u16(buffer, (uint16_t)error->consistency);
        put_i32(buffer, error->required);
        put_i32(buffer, error->alive);
        break;
    case SERVER_WRITE_TIMEOUT:
        put_answers(buffer, error);
        put_string(buffer, error->write_type);
        if (has_contentions(version, error)) put_u16(buffer, (uint16_t)error->contentions);
        break;
    case SERVER_READ_TIMEOUT:
        put_answers(buffer, error);
        put_u8(buffer, error->data_present);
        break;
    case SERVER_READ_FAILURE:
        put_failures(buffer, version, error);
        put_u8(buffer, error->data_present);
        break;
    case SERVER_WRITE_FAILURE:
        put_failures(buffer, version, error);
        put_string(buffer, error->write_type);
        break;
    case SERVER_FUNCTION_FAILURE:
        put_string(buffer, error->keyspace);
        put_string(buffer, error->function);
        if (error->arg_types.len == 0) put_u16(buffer, 0);
        else put_raw(buffer, error->arg_types.base, error->arg_types.len);
        break;
    case SERVER_CAS_WRITE_UNKNOWN: put_answers(buffer, error); break;
    case SERVER_ALREADY_EXISTS:
        put_string(buffer, error->keyspace);
        put_string(buffer, error->table);
        break;
    case SERVER_UNPREPARED: put_short_bytes(buffer, error->statement_id); break;
    default: break;
    }
}

void encode_error(struct buffer *buffer, int version, const struct server_error *error)
{
    put_i32(buffer, error->code);
    put_string(buffer, error->message);
    put_details(buffer, version, error);
}
