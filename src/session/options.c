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
    if (options->max_memory_bytes == 0) options->max_memory_bytes = (int64_t)DEFAULT_MEMORY_MIB << 20;
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
        {"speculation_delay_ms", o->speculation_delay_ms, 0, LIMIT_TIMEOUT},
        {"speculation_max", o->speculation_max, 0, LIMIT_MAX_RETRIES},
        {"max_in_flight", o->max_in_flight, 1, DEFAULT_IN_FLIGHT},
        {"max_queued", o->max_queued, 1, LIMIT_REQUESTS / 2},
        {"max_prepared", o->max_prepared, 1, INT32_MAX},
        {"max_frame_bytes", o->max_frame_bytes, 1024, INT32_MAX},
        {"max_result_bytes", o->max_result_bytes, 1024, INT32_MAX},
        {"max_memory_bytes", o->max_memory_bytes, 1 << 20, INT64_C(1) << 50},
        {"page_size", o->page_size, 1, INT32_MAX},
        {"consistency", o->consistency, CQLUA_ANY, CQLUA_LOCAL_ONE},
        {"log_level", o->log_level, CQLUA_LOG_NONE, CQLUA_LOG_DEBUG},
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
                 {"sasl_authenticators", options->sasl_authenticators, LIMIT_CLASS_NAME * 16},
                 {"application_name", options->application_name, LIMIT_STARTUP_TEXT},
                 {"application_version", options->application_version, LIMIT_STARTUP_TEXT},
                 {"client_id", options->client_id, LIMIT_STARTUP_TEXT},
                 {"local_dc", options->local_dc, LIMIT_PLACE},
                 {"local_rack", options->local_rack, LIMIT_PLACE}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].text == NULL || strlen(texts[i].text) <= texts[i].most) continue;
        failure_set(failure, CQLUA_EMISUSE, "%s is longer than %zu bytes", texts[i].name, texts[i].most);
        return failure->code;
    }
    if (options->keyspace != NULL && options->keyspace[0] == '\0')
        failure_set(failure, CQLUA_EMISUSE, "keyspace is empty: leave it out, or name one");
    return failure->code;
}

static int check_auth(const struct cqlua_options *options, struct failure *failure)
{
    bool is_plain = options->username != NULL || options->ask_credentials;
    bool is_sasl = options->sasl_authenticators != NULL;
    if (is_plain && is_sasl)
        failure_set(failure, CQLUA_EMISUSE, "sasl_authenticators and a user name are both given: they are two mechanisms");
    else if (options->require_auth && !is_plain && !is_sasl)
        failure_set(failure, CQLUA_EMISUSE, "require_auth is set and there are no credentials: set auth");
    return failure->code;
}

static int check_nodes(const struct cqlua_options *options, struct failure *failure)
{
    struct memory *memory = memory_new(&options->allocator);
    struct address_filter filter;
    const char *at = "";
    if (memory == NULL) return CQLUA_ENO_MEMORY;
    address_filter_init(&filter, memory);
    int rc = options->allow_nodes == NULL ? 0 : address_filter_allow(&filter, options->allow_nodes, &at);
    if (rc == 0 && options->deny_nodes != NULL) rc = address_filter_deny(&filter, options->deny_nodes, &at);
    if (rc != 0)
        failure_set(failure, rc,
                    "'%.100s' stands where an address or a network (10.0.0.0/8) of nodes to allow or deny is expected", at);
    address_filter_dispose(&filter);
    memory_release(memory);
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

/* --- TLS ------------------------------------------------------------------------------------------------------------------- */

/* A name as a certificate may have it: letters, digits, dots, hyphens; not an address. */
static bool is_host_name(const char *at, size_t len)
{
    bool has_letter = false;
    for (size_t i = 0; i < len; i++) {
        bool is_digit = at[i] >= '0' && at[i] <= '9';
        bool is_letter = (at[i] | 0x20) >= 'a' && (at[i] | 0x20) <= 'z';
        if (!is_letter && !is_digit && at[i] != '.' && at[i] != '-' && at[i] != '_') return false;
        has_letter |= is_letter;
    }
    return len < HOST_NAME && has_letter;
}

bool tls_name_next(const char **list, struct cqlua_slice *name)
{
    const char *at = *list + strspn(*list, " ,");
    size_t len = strcspn(at, " ,");
    *list = at + len;
    *name = slice(at, len);
    return len > 0;
}

static void check_tls_names(const char *list, struct failure *failure)
{
    struct cqlua_slice name;
    int count = 0;
    for (; failure->code == 0 && tls_name_next(&list, &name); count++)
        if (!is_host_name(name.base, name.len))
            failure_set(failure, CQLUA_EMISUSE,
                        "tls.identity has '%.*s', which is no host name: leave it out to have each node's own address checked",
                        name.len > 100 ? 100 : (int)name.len, (const char *)name.base);
    if (failure->code == 0 && count == 0) failure_set(failure, CQLUA_EMISUSE, "tls.identity has no name");
}

static const char *tls_conflict(const struct cqlua_options *o)
{
    bool has_cert = o->tls_cert_file != NULL || o->tls_cert != NULL, has_key = o->tls_key_file != NULL || o->tls_key != NULL;
    if (o->tls_cert_file != NULL && o->tls_cert != NULL) return "tls.cert and tls.cert_file are both given: leave one out";
    if (o->tls_key_file != NULL && o->tls_key != NULL) return "tls.key and tls.key_file are both given: leave one out";
    if (has_cert && !has_key) return "tls.cert needs its key: give tls.key or tls.key_file";
    if (has_key && !has_cert) return "tls.key needs its certificate: give tls.cert or tls.cert_file";
    if (o->tls_passphrase != NULL && !has_key) return "tls.passphrase is given, but no tls.key or tls.key_file that it is for";
    if (o->tls_min_version != 0 && o->tls_min_version != 12 && o->tls_min_version != 13)
        return "tls.min_version is 1.2 or 1.3 (C: 12 or 13)";
    if (o->tls_identity < CQLUA_TLS_ADDRESS || o->tls_identity > CQLUA_TLS_NAMES)
        return "tls.identity is \"address\", \"chain\", or names (C: enum cqlua_tls_identity)";
    if ((o->tls_identity == CQLUA_TLS_NAMES) != (o->tls_names != NULL))
        return "tls_names goes with tls_identity CQLUA_TLS_NAMES, and only with it";
    if (o->tls_server_name != NULL && !is_host_name(o->tls_server_name, strlen(o->tls_server_name)))
        return "tls.server_name is no host name";
    return NULL;
}

/* What can be said without a look at the files. A TLS option without `tls` was meant to encrypt: it is no plain session. */
static void check_tls(const struct cqlua_options *o, struct failure *failure)
{
    const char *texts[] = {o->tls_ca_file,  o->tls_ca,         o->tls_ca_dir, o->tls_cert_file,   o->tls_cert,
                           o->tls_key_file, o->tls_passphrase, o->tls_key,    o->tls_server_name, o->tls_debug_keylog_file};
    bool is_meant = o->tls_min_version != 0 || o->tls_identity != 0 || o->tls_names != NULL || o->tls_insecure_skip_verify != 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) is_meant |= texts[i] != NULL;
    const char *said = tls_conflict(o);
    if (is_meant && !o->tls) said = "options of TLS are given, but tls itself is not set";
    if (said != NULL) failure_set(failure, CQLUA_EMISUSE, "%s", said);
    if (failure->code == 0 && o->tls_names != NULL) check_tls_names(o->tls_names, failure);
}

/* --- all together ---------------------------------------------------------------------------------------------------------- */

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
    if (failure->code == 0) check_auth(resolved, failure);
    if (failure->code == 0) check_compression(resolved, failure);
    if (failure->code == 0) check_nodes(resolved, failure);
    if (failure->code == 0) check_tls(resolved, failure);
    return failure->code;
}

const char *cqlua_session_warning(const struct cqlua_session *session)
{
    if (!session->options.tls || !session->options.tls_insecure_skip_verify) return NULL;
    return "tls.insecure_skip_verify: no certificate is checked, so whoever answers can read and change everything: use it "
           "only in tests";
}
