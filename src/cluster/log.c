/* What the cluster tells the user's log. */
#include "base/log.h"

#include "cluster/cluster.h"

void log_at(struct cluster *cluster, enum cqlua_log_level level, const struct node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_add(&cluster->log, level, cluster->now_us, node == NULL ? NULL : node->name->chars, format, arguments);
    va_end(arguments);
}

void log_connecting(const struct node *node)
{
    char name[ADDRESS_TEXT];
    address_text(&node->address, name);
    if (address_equal(&node->address, &node->told)) log_at(node->cluster, CQLUA_LOG_DEBUG, node, "connecting");
    else log_at(node->cluster, CQLUA_LOG_DEBUG, node, "connecting at %s", name);
}

/* Seconds until the next attempt to connect; negative: there is none. */
static double next_try(const struct node *node)
{
    if (!timer_is_armed(&node->timer)) return -1;
    return (double)(node->timer.tick * LIMIT_TICK_US - node->cluster->now_us) / 1e6;
}

/* The first failure is news, unless cluster_connect tells it; those that follow are not. */
void log_node_failed(struct node *node, bool was_ready)
{
    struct cluster *cluster = node->cluster;
    bool is_news = cluster->state == CLUSTER_UP && !node->is_failure_told;
    node->is_failure_told |= is_news;
    enum cqlua_log_level level = is_news ? CQLUA_LOG_WARN : CQLUA_LOG_INFO;
    const char *what = was_ready ? "connection lost" : "no connection";
    const char *state = was_ready && node->ready_count == 0 ? " (the node is down)" : "";
    double seconds = next_try(node);
    if (seconds < 0) log_at(cluster, level, node, "%s%s: %s; not tried again", what, state, node->failure.text);
    else log_at(cluster, level, node, "%s%s; next try in %.1f s: %s", what, state, seconds, node->failure.text);
}

void log_connected(struct cqlua_link *link)
{
    struct node *node = link->node;
    struct cluster *cluster = node->cluster;
    const struct connection *connection = &link->connection;
    const struct connection_config *config = &cluster->connections;
    log_at(cluster, node->ready_count == 1 ? CQLUA_LOG_INFO : CQLUA_LOG_DEBUG, node, "connected: protocol v%d%s%s",
           connection->version, connection->is_lz4_offered ? ", lz4" : "", connection->is_authenticated ? ", authenticated" : "");
    bool has_credentials = config->username.base != NULL || config->asks_credentials || connection_uses_sasl(connection);
    if (!has_credentials || connection->is_authenticated || cluster->is_open_server_told) return;
    cluster->is_open_server_told = true;
    log_at(cluster, CQLUA_LOG_WARN, node,
           "the server asks for no authentication although credentials are set: require_auth refuses such a server");
}

/* It closed on purpose, perhaps after a while of taking no requests. */
void log_replaced(const struct cqlua_link *link)
{
    uint32_t orphans = streams_orphans(&link->connection.streams);
    if (orphans > 0)
        log_at(link->node->cluster, CQLUA_LOG_INFO, link->node,
               "a connection was replaced: %u requests on it were never answered", orphans);
    else log_at(link->node->cluster, CQLUA_LOG_DEBUG, link->node, "a connection was replaced: %s", link->connection.failure.text);
}
