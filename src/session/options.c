/* Options: defaults, and checks that say what is wrong. */
#include <stdio.h>
#include <string.h>

#include "session/session.h"

void cqlua_options_init_sized(struct cqlua_options *options, size_t size)
{
    memset(options, 0, size);
    options->size = size;
}

static void fill(int32_t *option, int32_t value)
{
    if (*option == 0) *option = value;
}

static void fill_defaults(struct cqlua_options *options)
{
    if (options->contact_points == NULL) options->contact_points = "127.0.0.1";
    if (options->port == 0) options->port = DEFAULT_PORT;
    if (options->consistency == 0) options->consistency = CQLUA_LOCAL_QUORUM;
    if (options->max_frame_bytes == 0) options->max_frame_bytes = DEFAULT_FRAME_BYTES;
    if (options->max_result_bytes == 0) options->max_result_bytes = options->max_frame_bytes;
    fill(&options->connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT);
    fill(&options->request_timeout_ms, DEFAULT_REQUEST_TIMEOUT);
    fill(&options->heartbeat_interval_ms, DEFAULT_HEARTBEAT_INTERVAL);
    fill(&options->heartbeat_timeout_ms, DEFAULT_HEARTBEAT_TIMEOUT);
    fill(&options->reconnect_min_ms, DEFAULT_RECONNECT_MIN);
    int32_t longest = options->reconnect_min_ms > DEFAULT_RECONNECT_MAX ? options->reconnect_min_ms : DEFAULT_RECONNECT_MAX;
    fill(&options->reconnect_max_ms, longest);
    fill(&options->connections_min, DEFAULT_CONNECTIONS_MIN);
    int32_t most = options->connections_min > DEFAULT_CONNECTIONS_MAX ? options->connections_min : DEFAULT_CONNECTIONS_MAX;
    fill(&options->connections_max, most);
    fill(&options->max_retries, DEFAULT_MAX_RETRIES);
    fill(&options->max_in_flight, DEFAULT_IN_FLIGHT);
    fill(&options->max_queued, DEFAULT_QUEUED);
    fill(&options->max_prepared, DEFAULT_PREPARED);
    fill(&options->page_size, DEFAULT_PAGE_SIZE);
}

struct range {
    const char *name;
    int64_t value, least, most;
};

static int check_ranges(const struct cqlua_options *o, struct failure *failure)
{
    const struct range ranges[] = {
        {"connect_timeout_ms", o->connect_timeout_ms, 1, LIMIT_TIMEOUT},
        {"request_timeout_ms", o->request_timeout_ms, 1, LIMIT_TIMEOUT},
        {"attempt_timeout_ms", o->attempt_timeout_ms, 0, LIMIT_TIMEOUT},
        {"heartbeat_interval_ms", o->heartbeat_interval_ms, 1, INT32_MAX},
        {"heartbeat_timeout_ms", o->heartbeat_timeout_ms, 1, INT32_MAX},
        {"reconnect_min_ms", o->reconnect_min_ms, 1, INT32_MAX},
        {"reconnect_max_ms", o->reconnect_max_ms, o->reconnect_min_ms, INT32_MAX},
        {"connections_min", o->connections_min, 1, LIMIT_CONNECTIONS},
        {"connections_max", o->connections_max, o->connections_min, LIMIT_CONNECTIONS},
        {"max_retries", o->max_retries, -1, LIMIT_MAX_RETRIES},
        {"max_in_flight", o->max_in_flight, 1, DEFAULT_IN_FLIGHT},
        {"max_queued", o->max_queued, 1, LIMIT_REQUESTS / 2},
        {"max_prepared", o->max_prepared, 1, INT32_MAX},
        {"max_frame_bytes", o->max_frame_bytes, 1024, INT32_MAX},
        {"max_result_bytes", o->max_result_bytes, 1024, INT32_MAX},
        {"page_size", o->page_size, 1, INT32_MAX},
        {"consistency", o->consistency, CQLUA_ANY, CQLUA_LOCAL_ONE},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const struct range *r = &ranges[i];
        if (r->value >= r->least && r->value <= r->most) continue;
        failure_set(failure, CQLUA_EMISUSE, "%s is %lld: it goes from %lld to %lld", r->name, (long long)r->value,
                    (long long)r->least, (long long)r->most);
        return failure->code;
    }
    return 0;
}

static int check_contact_points(const struct cqlua_options *options, struct failure *failure)
{
    struct contact_point point;
    const char *list = options->contact_points;
    int got, count = 0;
    while ((got = contact_point_next(&list, options->port, &point)) == 1) count++;
    if (got < 0)
        failure_set(failure, CQLUA_EMISUSE, "contact_points has '%.100s' where host, host:port or [address]:port is expected",
                    list);
    else if (count == 0) failure_set(failure, CQLUA_EMISUSE, "contact_points is empty: name at least one node");
    else if (count > LIMIT_CONTACT_POINTS)
        failure_set(failure, CQLUA_EMISUSE, "contact_points has more than %d entries", LIMIT_CONTACT_POINTS);
    return failure->code;
}

static int check_texts(const struct cqlua_options *options, struct failure *failure)
{
    const struct {
        const char *name, *text;
        size_t most;
    } texts[] = {{"username", options->username, LIMIT_CREDENTIAL},
                 {"password", options->password, LIMIT_CREDENTIAL},
                 {"keyspace", options->keyspace, LIMIT_NAME / 2},
                 {"authenticators", options->authenticators, LIMIT_CLASS_NAME * 16},
                 {"application_name", options->application_name, LIMIT_STARTUP_TEXT},
                 {"application_version", options->application_version, LIMIT_STARTUP_TEXT},
                 {"client_id", options->client_id, LIMIT_STARTUP_TEXT}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].text == NULL || strlen(texts[i].text) <= texts[i].most) continue;
        failure_set(failure, CQLUA_EMISUSE, "%s is longer than %zu bytes", texts[i].name, texts[i].most);
        return failure->code;
    }
    if (options->keyspace != NULL && options->keyspace[0] == '\0')
        failure_set(failure, CQLUA_EMISUSE, "keyspace is empty: leave it out, or name one");
    return failure->code;
}

static int check_compression(const struct cqlua_options *options, struct failure *failure)
{
    const char *name = options->compression;
    if (name == NULL || strcmp(name, "lz4") == 0 || strcmp(name, "none") == 0) return 0;
    failure_set(failure, CQLUA_EUNSUPPORTED, "compression '%.40s' is not supported%s: use \"lz4\", or \"none\"", name,
                strcmp(name, "snappy") == 0 ? " (lz4 is faster, and protocol v5 has no snappy)" : "");
    return failure->code;
}

int options_resolve(struct cqlua_options *resolved, const struct cqlua_options *given, struct failure *failure)
{
    *failure = (struct failure){0};
    if (given->size == 0 || given->size > sizeof *resolved) {
        failure_set(failure, CQLUA_EMISUSE, "the options were not filled by cqlua_options_init, or by a newer header's");
        return failure->code;
    }
    memset(resolved, 0, sizeof *resolved);
    memcpy(resolved, given, given->size);
    fill_defaults(resolved);
    int version = resolved->protocol_version;
    if (version != 0 && (version < PROTOCOL_LOWEST || version > PROTOCOL_HIGHEST))
        failure_set(failure, CQLUA_EUNSUPPORTED, "protocol_version is %d: this version speaks %d to %d", version, PROTOCOL_LOWEST,
                    PROTOCOL_HIGHEST);
    if (failure->code == 0) check_ranges(resolved, failure);
    if (failure->code == 0) check_contact_points(resolved, failure);
    if (failure->code == 0) check_texts(resolved, failure);
    if (failure->code == 0) check_compression(resolved, failure);
    return failure->code;
}

int cqlua_options_check(const struct cqlua_options *options, char *text, size_t size)
{
    struct cqlua_options resolved;
    struct failure failure;
    int rc = options_resolve(&resolved, options, &failure);
    if (size > 0) snprintf(text, size, "%s", failure.text);
    return rc;
}
