#include "cluster/ring.h"

/* --- making one ------------------------------------------------------------------------------------------------------------ */

struct claim {
    int64_t token;
    uint16_t node;
};

/* Merges two neighbouring runs, `first` and `second` long; of equal tokens those of the first run stay in front. */
static void merge(const struct claim *from, uint32_t first, uint32_t second, struct claim *to)
{
    const struct claim *a = from, *a_end = from + first, *b = a_end, *b_end = b + second;
    while (a < a_end && b < b_end) *to++ = b->token < a->token ? *b++ : *a++;
    while (a < a_end) *to++ = *a++;
    while (b < b_end) *to++ = *b++;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* A stable merge sort between two arrays (qsort is not stable, and may allocate); gives the one that is sorted in the end. */
static struct claim *sort(struct claim *claims, struct claim *spare, uint32_t count)
{
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t at = 0; at < count; at += 2 * width) {
            uint32_t first = smaller(width, count - at);
            merge(claims + at, first, smaller(width, count - at - first), spare + at);
        }
        struct claim *sorted = spare;
        spare = claims;
        claims = sorted;
    }
    return claims;
}

/* Every token with its node, in the order of the nodes. */
static void gather(const struct ring_node *nodes, uint32_t count, struct claim *claims)
{
    for (uint32_t node = 0; node < count; node++)
        for (uint32_t i = 0; i < nodes[node].tokens_count; i++) *claims++ = (struct claim){nodes[node].tokens[i], (uint16_t)node};
}

static uint32_t count_distinct(const struct claim *claims, uint32_t count)
{
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < count; i++) distinct += i == 0 || claims[i].token != claims[i - 1].token;
    return distinct;
}

static int take_tokens(struct ring *ring, const struct claim *claims, uint32_t count)
{
    uint32_t distinct = count_distinct(claims, count);
    ring->tokens = memory_get(ring->memory, distinct * sizeof *ring->tokens);
    ring->owners = memory_get(ring->memory, distinct * sizeof *ring->owners);
    ring->count = distinct; /* the arrays' size, for ring_free */
    if (ring->tokens == NULL || ring->owners == NULL) return CQLUA_ENO_MEMORY;
    for (uint32_t i = 0, at = 0; i < count; i++) {
        if (i > 0 && claims[i].token == claims[i - 1].token) continue;
        ring->tokens[at] = claims[i].token;
        ring->owners[at++] = claims[i].node;
    }
    return 0;
}

static int add_tokens(struct ring *ring, const struct ring_node *nodes, uint32_t tokens)
{
    struct claim *claims = memory_get(ring->memory, 2 * (size_t)tokens * sizeof *claims);
    if (claims == NULL) return CQLUA_ENO_MEMORY;
    gather(nodes, ring->nodes_count, claims);
    int rc = take_tokens(ring, sort(claims, claims + tokens, tokens), tokens);
    memory_free(ring->memory, claims, 2 * (size_t)tokens * sizeof *claims);
    return rc;
}

/* The number of the data centre, a new one if need be; negative: out of memory. */
static int intern_dc(struct ring *ring, struct cqlua_slice name)
{
    int dc = ring_find_dc(ring, name);
    if (dc >= 0) return dc;
    struct text *text = text_new(ring->memory, name);
    if (text == NULL) return CQLUA_ENO_MEMORY;
    ring->dcs[ring->dcs_count] = (struct ring_dc){.name = text};
    return (int)ring->dcs_count++;
}

/* The number of a node's rack: that of an earlier node in it, or a new one. */
static uint16_t intern_rack(struct ring *ring, const struct ring_node *nodes, uint32_t node)
{
    const struct ring_place *places = ring->places;
    for (uint32_t i = 0; i < node; i++)
        if (places[i].dc == places[node].dc && slice_equal(nodes[i].rack, nodes[node].rack)) return places[i].rack;
    return (uint16_t)ring->racks_count++;
}

static int add_places(struct ring *ring, const struct ring_node *nodes)
{
    for (uint32_t i = 0; i < ring->nodes_count; i++) {
        int dc = intern_dc(ring, nodes[i].dc);
        if (dc < 0) return dc;
        ring->places[i].dc = (uint16_t)dc;
        ring->places[i].rack = intern_rack(ring, nodes, i);
    }
    return 0;
}

static bool is_first_of_rack(const struct ring *ring, uint32_t node)
{
    for (uint32_t i = 0; i < node; i++)
        if (ring->places[i].owns && ring->places[i].rack == ring->places[node].rack) return false;
    return true;
}

/* A node whose tokens all are another's owns nothing: a walk along the ring never meets it. */
static void count_owners(struct ring *ring)
{
    for (uint32_t i = 0; i < ring->count; i++) ring->places[ring->owners[i]].owns = true;
    for (uint32_t i = 0; i < ring->nodes_count; i++) {
        struct ring_dc *dc = &ring->dcs[ring->places[i].dc];
        if (!ring->places[i].owns) continue;
        dc->nodes++;
        dc->racks += is_first_of_rack(ring, i);
    }
}

/* All tokens together; 0: none, or more than the limit. */
static uint32_t count_tokens(const struct ring_node *nodes, uint32_t count)
{
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < count; i++) tokens += nodes[i].tokens_count;
    return tokens > LIMIT_RING_TOKENS ? 0 : (uint32_t)tokens;
}

struct ring *ring_new(struct memory *memory, const struct ring_node *nodes, uint32_t count)
{
    uint32_t tokens = count > LIMIT_NODES ? 0 : count_tokens(nodes, count);
    struct ring *ring = tokens == 0 ? NULL : memory_zero(memory, sizeof *ring);
    if (ring == NULL) return NULL;
    ring->memory = memory;
    ring->nodes_count = count;
    ring->places = memory_zero(memory, count * sizeof *ring->places);
    ring->dcs = memory_zero(memory, count * sizeof *ring->dcs);
    bool is_made = ring->places != NULL && ring->dcs != NULL && add_places(ring, nodes) == 0;
    if (!is_made || add_tokens(ring, nodes, tokens) != 0) {
        ring_free(ring);
        return NULL;
    }
    count_owners(ring);
    return ring;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL) return;
    struct memory *memory = ring->memory;
    for (uint32_t i = 0; i < ring->dcs_count; i++) text_unref(ring->dcs[i].name);
    memory_free(memory, ring->dcs, ring->nodes_count * sizeof *ring->dcs);
    memory_free(memory, ring->places, ring->nodes_count * sizeof *ring->places);
    memory_free(memory, ring->tokens, ring->count * sizeof *ring->tokens);
    memory_free(memory, ring->owners, ring->count * sizeof *ring->owners);
    memory_free(memory, ring, sizeof *ring);
}

/* --- looking up ------------------------------------------------------------------------------------------------------------ */

uint32_t ring_find(const struct ring *ring, int64_t token)
{
    const int64_t *base = ring->tokens;
    uint32_t left = ring->count;
    while (left > 1) { /* the first token that is not smaller lies in base[0 .. left], the last of which is behind the array */
        uint32_t half = left / 2;
        base += (base[half - 1] < token) * half; /* without a branch: none could be predicted */
        left -= half;
    }
    uint32_t range = (uint32_t)(base - ring->tokens) + (base[0] < token);
    return range == ring->count ? 0 : range; /* beyond the last token the first range goes on */
}

int ring_find_dc(const struct ring *ring, struct cqlua_slice name)
{
    for (uint32_t i = 0; i < ring->dcs_count; i++)
        if (slice_equal(text_slice(ring->dcs[i].name), name)) return (int)i;
    return -1;
}
