#include "cluster/server_error.h"

#include <stdio.h>

/* What to do about it; empty where the server's own text says it. */
static const char *advice(int code)
{
    switch (code) {
    case CQLUA_EUNAVAILABLE: return ": start the missing replicas, or ask for a lower consistency";
    case CQLUA_EOVERLOADED: return ": send less at once, or add nodes";
    case CQLUA_EREAD_TIMEOUT:
    case CQLUA_EWRITE_TIMEOUT: return ": the replicas are slow or down";
    case CQLUA_EUNAUTHORIZED: return ": GRANT the permission, or use another role";
    case CQLUA_EUNPREPARED: return ": prepare the statement again";
    default: return "";
    }
}

static struct cqlua_slice cut(struct cqlua_slice text, size_t max)
{
    return slice(text.base, text.len > max ? max : text.len);
}

static void copy_numbers(struct cqlua_error *error, const struct server_error *said)
{
    error->server_code = said->code;
    error->consistency = said->consistency;
    error->required = said->required;
    error->received = said->received;
    error->alive = said->alive;
    error->failures = said->failures;
    error->block_for = said->block_for;
    error->contentions = said->contentions;
    error->data_present = said->data_present;
}

struct cqlua_error *server_error_object(struct memory *memory, const struct server_error *said)
{
    char text[LIMIT_ERROR_TEXT], types[512];
    int code = server_code_error(said->code);
    struct cqlua_slice message = cut(said->message, sizeof text - 128);
    int len = snprintf(text, sizeof text, "%.*s%s", (int)message.len, (const char *)message.base, advice(code));
    size_t types_len = string_list_join(said->arg_types, types, sizeof types);
    struct cqlua_slice texts[] = {cut(said->write_type, 64),    cut(said->keyspace, 256), cut(said->table, 256),
                                  cut(said->function, 256),     slice(types, types_len),  cut(said->statement_id, 256),
                                  cut(said->failure_map, 65536)};
    size_t extra = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) extra += texts[i].len + 1;
    struct cqlua_error *error = error_new(memory, code, slice(text, len < 0 ? 0 : (size_t)len), extra);
    if (error_is_constant(error)) return error;
    copy_numbers(error, said);
    error->write_type = error_keep(error, texts[0]);
    error->keyspace = error_keep(error, texts[1]);
    error->table = error_keep(error, texts[2]);
    error->function = error_keep(error, texts[3]);
    error->arg_types = error_keep(error, texts[4]);
    error->statement_id = error_keep_bytes(error, texts[5]);
    error->failure_map = error_keep_bytes(error, texts[6]);
    return error;
}
