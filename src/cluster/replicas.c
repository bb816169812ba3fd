#include "cluster/replicas.h"

#include "protocol/rows.h"

/* --- what a replication says ----------------------------------------------------------------------------------------------- */

/* A cursor over the pairs of map<text, text>; one over nothing if the bytes are wrong. */
static struct cqlua_rows pairs_of(struct cqlua_slice replication)
{
    static const struct type text_pair[2] = {{.id = TYPE_VARCHAR}, {.id = TYPE_VARCHAR}};
    struct reader reader = reader_of(replication);
    uint32_t count = read_u32(&reader);
    return rows_over(text_pair, 2, count > INT32_MAX ? 0 : count, slice(reader.at, reader_left(&reader)), false);
}

/* The next pair; false at the end. What is null reads as empty. */
static bool next_pair(struct cqlua_rows *pairs, struct cqlua_slice *name, struct cqlua_slice *value)
{
    if (!cqlua_rows_next(pairs)) return false;
    *name = *value = slice(NULL, 0);
    cqlua_row_text(pairs, 0, name);
    cqlua_row_text(pairs, 1, value);
    return true;
}

static bool is_class(struct cqlua_slice name)
{
    return slice_equal(name, slice_of("class"));
}

/* Digits only, few enough for any cluster. */
static bool parse_number(struct cqlua_slice text, uint32_t *number)
{
    const char *at = text.base;
    if (text.len == 0 || text.len > 6) return false;
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        *number = *number * 10 + (uint32_t)(at[i] - '0');
    }
    return true;
}

bool replication_factor_parse(struct cqlua_slice text, struct replication_factor *factor)
{
    const char *slash = text.len == 0 ? NULL : memchr(text.base, '/', text.len);
    size_t all_len = slash == NULL ? text.len : (size_t)(slash - (const char *)text.base);
    uint32_t all, transient = 0;
    if (!parse_number(slice(text.base, all_len), &all)) return false;
    if (slash != NULL && !parse_number(slice(slash + 1, text.len - all_len - 1), &transient)) return false;
    if (transient > 0 && transient >= all) return false;
    *factor = (struct replication_factor){all, all - transient};
    return true;
}

/* By the class name's last part: it comes with its package or without. */
static enum strategy strategy_of(struct cqlua_slice class)
{
    static const struct {
        const char *name;
        enum strategy strategy;
    } names[] = {{"LocalStrategy", STRATEGY_LOCAL},
                 {"EverywhereStrategy", STRATEGY_EVERYWHERE},
                 {"SimpleStrategy", STRATEGY_SIMPLE},
                 {"NetworkTopologyStrategy", STRATEGY_NETWORK}};
    const char *base = class.base, *end = class.len == 0 ? base : base + class.len, *last = end;
    while (last > base && last[-1] != '.') last--;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal(slice(last, (size_t)(end - last)), slice_of(names[i].name))) return names[i].strategy;
    return STRATEGY_UNKNOWN;
}

enum strategy replication_parse(struct cqlua_slice replication, struct replication_factor *factor)
{
    enum strategy strategy = STRATEGY_UNKNOWN;
    struct cqlua_rows pairs = pairs_of(replication);
    struct cqlua_slice name, value;
    bool has_factor = false, is_bad = false;
    while (next_pair(&pairs, &name, &value)) {
        struct replication_factor read;
        if (is_class(name)) strategy = strategy_of(value);
        else if (!replication_factor_parse(value, &read)) is_bad = true; /* an option of a strategy that takes no numbers */
        else if (slice_equal(name, slice_of("replication_factor"))) {
            *factor = read;
            has_factor = true;
        }
    }
    if (cqlua_rows_status(&pairs) != 0) return STRATEGY_UNKNOWN;
    bool counts = strategy == STRATEGY_SIMPLE || strategy == STRATEGY_NETWORK;
    if ((counts && is_bad) || (strategy == STRATEGY_SIMPLE && !has_factor)) return STRATEGY_UNKNOWN;
    return strategy;
}

/* --- the walk along the ring ----------------------------------------------------------------------------------------------- */

/* What is to be found in one data centre. SIMPLE takes the whole ring for one. */
struct need {
    uint32_t left;    /* replicas with all the data; the transient ones come behind them and are not looked for */
    uint32_t repeats; /* replicas that may be in a rack that has one already */
};

struct walk {
    const struct ring *ring;
    bool is_simple;
    uint32_t dcs_count;
    uint32_t count;            /* replicas of each range */
    struct need *whole, *left; /* by data centre: of a range, and what is left of it */
    uint32_t *nodes, *racks;   /* the last range that has the node, or a node in the rack */
    uint64_t steps;
    struct need needs[]; /* `whole`, `left`, then `nodes` and `racks` */
};

static size_t walk_size(const struct ring *ring)
{
    return sizeof(struct walk) + 2 * ring->dcs_count * sizeof(struct need) +
           (ring->nodes_count + ring->racks_count) * sizeof(uint32_t);
}

static struct walk *walk_new(struct memory *memory, const struct ring *ring)
{
    struct walk *walk = memory_zero(memory, walk_size(ring));
    if (walk == NULL) return NULL;
    walk->ring = ring;
    walk->dcs_count = ring->dcs_count;
    walk->whole = walk->needs;
    walk->left = walk->whole + ring->dcs_count;
    walk->nodes = (uint32_t *)(void *)(walk->left + ring->dcs_count);
    walk->racks = walk->nodes + ring->nodes_count;
    return walk;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void want_simple(struct walk *walk, struct replication_factor factor)
{
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < walk->ring->dcs_count; i++) nodes += walk->ring->dcs[i].nodes;
    walk->is_simple = true;
    walk->dcs_count = 1;
    walk->whole[0] = (struct need){smaller(factor.full, nodes), UINT32_MAX}; /* racks do not count */
}

/* Each rack gets a replica first, as far as they go; the transient ones count for that too. */
static void want_network(struct walk *walk, struct cqlua_slice replication)
{
    struct cqlua_rows pairs = pairs_of(replication);
    struct cqlua_slice name, value;
    while (next_pair(&pairs, &name, &value)) {
        struct replication_factor factor;
        int dc = ring_find_dc(walk->ring, name);
        if (dc < 0 || is_class(name) || !replication_factor_parse(value, &factor)) continue;
        const struct ring_dc *known = &walk->ring->dcs[dc];
        uint32_t repeats = factor.all > known->racks ? factor.all - known->racks : 0;
        walk->whole[dc] = (struct need){smaller(factor.full, known->nodes), repeats};
    }
}

static bool takes(struct walk *walk, uint32_t stamp, uint16_t node)
{
    const struct ring_place *place = &walk->ring->places[node];
    struct need *need = &walk->left[walk->is_simple ? 0 : place->dc];
    if (need->left == 0 || walk->nodes[node] == stamp) return false;
    bool is_repeat = walk->racks[place->rack] == stamp;
    if (is_repeat && need->repeats == 0) return false;
    need->repeats -= is_repeat;
    need->left--;
    walk->nodes[node] = walk->racks[place->rack] = stamp;
    return true;
}

/* The replicas of one range. The walk goes round at most once; on a ring and with needs that agree it finds all before. */
static bool walk_range(struct walk *walk, uint32_t range, uint16_t *nodes)
{
    const struct ring *ring = walk->ring;
    uint32_t found = 0, stamp = range + 1, at = range;
    memcpy(walk->left, walk->whole, walk->dcs_count * sizeof *walk->left);
    walk->steps += walk->dcs_count;
    for (uint32_t passed = 0; found < walk->count && passed < ring->count; passed++, walk->steps++) {
        if (takes(walk, stamp, ring->owners[at])) nodes[found++] = ring->owners[at];
        at = at + 1 == ring->count ? 0 : at + 1;
    }
    return found == walk->count && walk->steps <= LIMIT_REPLICA_STEPS;
}

/* --- tables ---------------------------------------------------------------------------------------------------------------- */

/* What one replication means on the present ring. */
struct table {
    struct map_entry entry; /* in replicas->tables */
    struct list link;
    uint32_t users;           /* keyspaces */
    struct text *replication; /* as the protocol has it */
    uint32_t count;           /* replicas of each range; 0: none are known */
    uint32_t stride;          /* from one range's to the next's; 0: all ranges have the same */
    size_t entries;           /* of `nodes` */
    uint16_t *nodes;
};

static void clear_table(struct replicas *replicas, struct table *table)
{
    memory_free(replicas->memory, table->nodes, table->entries * sizeof *table->nodes);
    replicas->entries -= table->entries;
    table->nodes = NULL;
    table->entries = 0;
    table->count = table->stride = 0;
}

static bool make_room(struct replicas *replicas, struct table *table, uint64_t entries)
{
    if (entries == 0 || entries > LIMIT_REPLICA_ENTRIES - replicas->entries) return false;
    table->nodes = memory_get(replicas->memory, (size_t)entries * sizeof *table->nodes);
    if (table->nodes == NULL) return false;
    table->entries = (size_t)entries;
    replicas->entries += table->entries;
    return true;
}

static void fill_everywhere(struct replicas *replicas, struct table *table)
{
    const struct ring *ring = replicas->ring;
    if (!make_room(replicas, table, ring->nodes_count)) return;
    for (uint32_t i = 0; i < ring->nodes_count; i++)
        if (ring->places[i].owns) table->nodes[table->count++] = (uint16_t)i;
}

static void fill_ranges(struct replicas *replicas, struct table *table, struct walk *walk)
{
    for (uint32_t i = 0; i < walk->dcs_count; i++) walk->count += walk->whole[i].left;
    if (!make_room(replicas, table, (uint64_t)walk->count * walk->ring->count)) return;
    table->count = table->stride = walk->count;
    for (uint32_t i = 0; i < walk->ring->count; i++)
        if (!walk_range(walk, i, table->nodes + (size_t)i * walk->count)) {
            clear_table(replicas, table);
            return;
        }
}

/* Without memory the table stays empty: nothing is known, which is never wrong. */
static void fill_table(struct replicas *replicas, struct table *table)
{
    struct replication_factor factor = {0};
    struct cqlua_slice replication = text_slice(table->replication);
    enum strategy strategy = replication_parse(replication, &factor);
    if (replicas->ring == NULL || strategy < STRATEGY_EVERYWHERE) return;
    if (strategy == STRATEGY_EVERYWHERE) {
        fill_everywhere(replicas, table);
        return;
    }
    struct walk *walk = walk_new(replicas->memory, replicas->ring);
    if (walk == NULL) return;
    if (strategy == STRATEGY_SIMPLE) want_simple(walk, factor);
    else want_network(walk, replication);
    fill_ranges(replicas, table, walk);
    memory_free(replicas->memory, walk, walk_size(replicas->ring));
}

static void free_table(struct replicas *replicas, struct table *table)
{
    clear_table(replicas, table);
    text_unref(table->replication);
    list_remove(&table->link);
    memory_free(replicas->memory, table, sizeof *table);
}

static void unuse_table(struct replicas *replicas, struct table *table)
{
    if (--table->users > 0) return;
    map_remove(&replicas->tables, &table->entry);
    free_table(replicas, table);
}

static struct table *new_table(struct replicas *replicas, struct cqlua_slice replication, uint64_t hash)
{
    struct table *table = memory_zero(replicas->memory, sizeof *table);
    if (table == NULL) return NULL;
    list_init(&table->link);
    table->replication = text_new(replicas->memory, replication);
    if (table->replication == NULL || map_add(&replicas->tables, &table->entry, hash) != 0) {
        free_table(replicas, table);
        return NULL;
    }
    list_append(&replicas->tables_list, &table->link);
    fill_table(replicas, table);
    return table;
}

/* The table of a replication, with one more user; NULL: out of memory. */
static struct table *use_table(struct replicas *replicas, struct cqlua_slice replication)
{
    uint64_t hash = map_hash(&replicas->tables, replication, slice(NULL, 0));
    struct map_entry *entry = map_find(&replicas->tables, hash);
    while (entry != NULL && !slice_equal(text_slice(container_of(entry, struct table, entry)->replication), replication))
        entry = map_find_next(entry);
    struct table *table = entry == NULL ? new_table(replicas, replication, hash) : container_of(entry, struct table, entry);
    if (table != NULL) table->users++;
    return table;
}

/* --- keyspaces ------------------------------------------------------------------------------------------------------------- */

struct keyspace {
    struct map_entry entry;
    struct list link;
    struct text *name;
    struct table *table;
    uint32_t revision; /* when it was last set */
};

static struct keyspace *find_keyspace(const struct replicas *replicas, struct cqlua_slice name, uint64_t hash)
{
    for (struct map_entry *entry = map_find(&replicas->keyspaces, hash); entry != NULL; entry = map_find_next(entry)) {
        struct keyspace *keyspace = container_of(entry, struct keyspace, entry);
        if (slice_equal(text_slice(keyspace->name), name)) return keyspace;
    }
    return NULL;
}

static uint64_t hash_of(const struct replicas *replicas, struct cqlua_slice name)
{
    return map_hash(&replicas->keyspaces, name, slice(NULL, 0));
}

static void free_keyspace(struct replicas *replicas, struct keyspace *keyspace)
{
    list_remove(&keyspace->link);
    text_unref(keyspace->name);
    memory_free(replicas->memory, keyspace, sizeof *keyspace);
}

static void drop_keyspace(struct replicas *replicas, struct keyspace *keyspace)
{
    map_remove(&replicas->keyspaces, &keyspace->entry);
    unuse_table(replicas, keyspace->table);
    free_keyspace(replicas, keyspace);
}

static struct keyspace *new_keyspace(struct replicas *replicas, struct cqlua_slice name, uint64_t hash)
{
    struct keyspace *keyspace = memory_zero(replicas->memory, sizeof *keyspace);
    if (keyspace == NULL) return NULL;
    list_init(&keyspace->link);
    keyspace->name = text_new(replicas->memory, name);
    if (keyspace->name == NULL || map_add(&replicas->keyspaces, &keyspace->entry, hash) != 0) {
        free_keyspace(replicas, keyspace);
        return NULL;
    }
    list_append(&replicas->keyspaces_list, &keyspace->link);
    return keyspace;
}

int replicas_set_keyspace(struct replicas *replicas, struct cqlua_slice name, struct cqlua_slice replication)
{
    uint64_t hash = hash_of(replicas, name);
    struct keyspace *keyspace = find_keyspace(replicas, name, hash);
    struct table *table = use_table(replicas, replication);
    if (table == NULL) {
        if (keyspace != NULL) drop_keyspace(replicas, keyspace);
        return CQLUA_ENO_MEMORY;
    }
    if (keyspace == NULL) keyspace = new_keyspace(replicas, name, hash);
    else unuse_table(replicas, keyspace->table);
    if (keyspace == NULL) {
        unuse_table(replicas, table);
        return CQLUA_ENO_MEMORY;
    }
    keyspace->table = table;
    keyspace->revision = replicas->revision;
    return 0;
}

void replicas_drop_keyspace(struct replicas *replicas, struct cqlua_slice name)
{
    struct keyspace *keyspace = find_keyspace(replicas, name, hash_of(replicas, name));
    if (keyspace != NULL) drop_keyspace(replicas, keyspace);
}

void replicas_schema_begin(struct replicas *replicas)
{
    replicas->revision++;
}

void replicas_schema_end(struct replicas *replicas)
{
    for (struct list *at = replicas->keyspaces_list.next, *next; at != &replicas->keyspaces_list; at = next) {
        struct keyspace *keyspace = container_of(at, struct keyspace, link);
        next = at->next;
        if (keyspace->revision != replicas->revision) drop_keyspace(replicas, keyspace);
    }
}

struct replica_set replicas_of(const struct replicas *replicas, struct cqlua_slice keyspace, int64_t token)
{
    const struct keyspace *known = find_keyspace(replicas, keyspace, hash_of(replicas, keyspace));
    if (known == NULL || known->table->count == 0) return (struct replica_set){NULL, 0};
    const struct table *table = known->table;
    uint32_t range = table->stride == 0 ? 0 : ring_find(replicas->ring, token);
    return (struct replica_set){table->nodes + (size_t)range * table->stride, table->count};
}

/* --- the whole ------------------------------------------------------------------------------------------------------------- */

void replicas_init(struct replicas *replicas, struct memory *memory, uint64_t seed)
{
    *replicas = (struct replicas){.memory = memory};
    map_init(&replicas->keyspaces, memory, seed);
    map_init(&replicas->tables, memory, seed);
    list_init(&replicas->keyspaces_list);
    list_init(&replicas->tables_list);
}

void replicas_set_ring(struct replicas *replicas, struct ring *ring)
{
    struct list *tables = &replicas->tables_list;
    for (struct list *at = tables->next; at != tables; at = at->next) clear_table(replicas, container_of(at, struct table, link));
    ring_free(replicas->ring);
    replicas->ring = ring;
    for (struct list *at = tables->next; at != tables; at = at->next) fill_table(replicas, container_of(at, struct table, link));
}

void replicas_dispose(struct replicas *replicas)
{
    replicas_schema_begin(replicas);
    replicas_schema_end(replicas);
    ring_free(replicas->ring);
    replicas->ring = NULL;
    map_dispose(&replicas->keyspaces);
    map_dispose(&replicas->tables);
}
