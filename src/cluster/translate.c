#include "cluster/translate.h"

#include <string.h>

#include "cluster/cluster.h"

void translate_init(struct translation *translation, struct cluster *cluster)
{
    *translation = (struct translation){.cluster = cluster};
    timer_init(&translation->timer, TIMER_TRANSLATE);
}

static void be_patient(struct translation *translation)
{
    struct cluster *cluster = translation->cluster;
    wheel_arm(&cluster->wheel, &translation->timer, cluster->now_us + (int64_t)TRANSLATE_TIMEOUT * 1000);
}

int translate_begin(struct translation *translation, struct topology *topology)
{
    translation->asked = translation->waiting = 0;
    translation->count = topology->count;
    if (topology->count == 0) return 0; /* nobody tells anything of use */
    translation->items = memory_zero(translation->cluster->memory, topology->count * sizeof *translation->items);
    if (translation->items == NULL) return CQLUA_ENO_MEMORY;
    translation->topology = topology;
    for (uint32_t i = 0; i < translation->count; i++) {
        bool is_local = topology->peers[i].is_local;
        translation->items[i].state = is_local ? TRANSLATING_DONE : TRANSLATING_WAITS;
        translation->waiting += !is_local;
    }
    be_patient(translation);
    return 0;
}

static uint32_t unanswered(const struct translation *translation)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < translation->asked; i++) left += translation->items[i].state == TRANSLATING_WAITS;
    return left;
}

const struct peer *translate_next(struct translation *translation, int64_t **question)
{
    const struct topology *topology = translation->topology;
    if (topology == NULL) return NULL;
    while (translation->asked < translation->count && topology->peers[translation->asked].is_local) translation->asked++;
    if (translation->asked == translation->count || unanswered(translation) >= TRANSLATE_CONCURRENCY) return NULL;
    *question = &translation->items[translation->asked].question;
    return &topology->peers[translation->asked++];
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static bool is_any(const struct cqlua_address *address)
{
    static const uint8_t zeros[16];
    return memcmp(address->bytes, zeros, address->len) == 0;
}

/* One address and nothing else; a name is none. */
static bool parse(const char *text, uint16_t port, uint16_t told_port, struct cqlua_address *address)
{
    struct contact_point point;
    if (contact_point_next(&text, port != 0 ? port : told_port, &point) != 1 || *text != '\0') return false;
    return address_parse(point.host, port != 0 ? port : point.port, address) && !is_any(address);
}

static void answered(struct translation *translation, uint32_t index, const char *text, uint16_t port)
{
    struct peer *peer = &translation->topology->peers[index];
    struct cqlua_address address = peer->told;
    bool is_known = text == NULL || parse(text, port, peer->told.port, &address);
    if (is_known) peer->address = address;
    translation->items[index].state = is_known ? TRANSLATING_DONE : TRANSLATING_FAILED;
    translation->waiting--;
    if (is_known || *text == '\0') return;
    char told[ADDRESS_TEXT];
    address_text(&peer->told, told);
    log_at(translation->cluster, CQLUA_LOG_WARN, NULL,
           "translate_address gave '%.100s' for %s: an IPv4 or IPv6 address is expected", text, told);
}

bool translate_answer(struct translation *translation, int64_t question, const char *text, uint16_t port)
{
    if (translation->topology == NULL || question <= 0) return false;
    for (uint32_t i = 0; i < translation->asked; i++) {
        const struct translating *item = &translation->items[i];
        if (item->question != question || item->state != TRANSLATING_WAITS) continue;
        answered(translation, i, text, port);
        be_patient(translation);
        return true;
    }
    return false;
}

bool translate_is_done(const struct translation *translation)
{
    return translation->waiting == 0;
}

/* --- the end --------------------------------------------------------------------------------------------------------------- */

static struct node *find_known(const struct cluster *cluster, const struct peer *peer)
{
    for (const struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        if (node_is_host(node, peer->host_id)) return node;
    }
    return NULL;
}

/* A node that works is not lost because a translation fails: false, if it is not known where the peer is. */
static bool stays(struct translation *translation, struct peer *peer)
{
    struct node *known = find_known(translation->cluster, peer);
    if (known == NULL) return false;
    char name[ADDRESS_TEXT];
    address_text(&known->address, name);
    log_at(translation->cluster, CQLUA_LOG_WARN, known, "translate_address gave no address for the node: it stays at %s", name);
    peer->address = known->address;
    return true;
}

static bool is_taken(const struct topology *topology, uint32_t index)
{
    for (uint32_t i = 0; i < topology->count; i++)
        if (i != index && address_equal(&topology->peers[i].address, &topology->peers[index].address)) return true;
    return false;
}

/* From the last on: what is left out moves only those that are done. */
void translate_finish(struct translation *translation)
{
    struct topology *topology = translation->topology;
    if (topology == NULL) return;
    for (uint32_t i = translation->count; i-- > 0;)
        if (translation->items[i].state != TRANSLATING_DONE && !stays(translation, &topology->peers[i]))
            topology_leave_out(topology, i, "translate_address gave no address for it");
    for (uint32_t i = topology->count; i-- > 0;)
        if (!topology->peers[i].is_local && is_taken(topology, i))
            topology_leave_out(topology, i, "its translated address is another node's too");
    translate_stop(translation);
}

void translate_stop(struct translation *translation)
{
    struct cluster *cluster = translation->cluster;
    wheel_cancel(&cluster->wheel, &translation->timer);
    if (translation->topology == NULL) return;
    memory_free(cluster->memory, translation->items, translation->count * sizeof *translation->items);
    translation->items = NULL;
    translation->topology = NULL;
}
