/* Column metadata in one allocation:
 *
 *   struct metadata | columns | types by column | children and field names -> ... <- texts of types | key indexes | bytes | names
 *
 * It is measured before anything is allocated, so a count that lies costs nothing (fault 52). Types are decoded from the own
 * copy of the bytes: their names are slices of it. */
#include "protocol/metadata.h"

#include <assert.h>

struct layout {
    size_t arena; /* children, field names, and texts of types */
    size_t names; /* NUL-terminated copies */
    const uint8_t *specs;
    size_t specs_len;
};

/* --- measuring ------------------------------------------------------------------------------------------------------------- */

static size_t measure_name(struct reader *reader)
{
    return read_string(reader).len + 1;
}

static size_t measure_table(struct reader *reader)
{
    size_t keyspace = measure_name(reader);
    return keyspace + measure_name(reader);
}

static struct layout measure(struct reader *reader, uint32_t count, bool is_global)
{
    struct layout layout = {.specs = reader->at};
    if (is_global) layout.names += measure_table(reader);
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        if (!is_global) layout.names += measure_table(reader);
        layout.names += measure_name(reader);
        layout.arena += type_measure(reader);
        if (layout.arena + layout.names > LIMIT_METADATA_BYTES) reader_fail(reader);
    }
    layout.specs_len = (size_t)(reader->at - layout.specs);
    return layout;
}

/* A spec is at least an empty name and an option, and two more empty names if they say their table. */
static bool can_fit(const struct reader *reader, uint32_t count, bool is_global)
{
    return reader->error == 0 && count <= LIMIT_VALUES && count <= reader_left(reader) / (is_global ? 4 : 8);
}

static bool keys_are_valid(const uint8_t *keys, uint32_t key_count, uint32_t count)
{
    if (key_count > count) return false;
    for (uint32_t i = 0; i < key_count; i++)
        if (load_u16(keys + 2 * i) >= count) return false;
    return true;
}

/* --- building -------------------------------------------------------------------------------------------------------------- */

/* Where the parts of the one allocation are. */
struct parts {
    struct type_arena arena;
    uint8_t *names;
};

static struct metadata *allocate(struct memory *memory, const struct layout *layout, uint32_t count, uint32_t key_count,
                                 struct parts *parts)
{
    size_t size = sizeof(struct metadata) + count * (sizeof(struct column) + sizeof(struct type)) + layout->arena +
                  sizeof(uint16_t) /* aligns the indexes */ + key_count * sizeof(uint16_t) + layout->specs_len + layout->names;
    struct metadata *metadata = memory_get(memory, size);
    if (metadata == NULL) return NULL;
    *metadata = (struct metadata){.memory = memory, .refs = 1, .columns_count = count, .key_count = key_count, .size = size};
    metadata->columns = (struct column *)(void *)(metadata + 1);
    metadata->types = (struct type *)(void *)(metadata->columns + count);
    parts->arena.at = (uint8_t *)(metadata->types + count);
    parts->arena.end = parts->arena.at + layout->arena;
    metadata->key_indexes = (uint16_t *)(void *)(parts->arena.end + ((uintptr_t)parts->arena.end & 1));
    uint8_t *bytes = (uint8_t *)(metadata->key_indexes + key_count);
    if (layout->specs_len > 0) memcpy(bytes, layout->specs, layout->specs_len);
    metadata->bytes = slice(bytes, layout->specs_len);
    parts->names = bytes + layout->specs_len;
    return metadata;
}

static struct cqlua_slice copy_name(struct reader *reader, struct parts *parts)
{
    struct cqlua_slice name = read_string(reader);
    uint8_t *copy = parts->names;
    if (name.len > 0) memcpy(copy, name.base, name.len);
    copy[name.len] = 0;
    parts->names += name.len + 1;
    return slice(copy, name.len);
}

/* Writes the text at the arena's front, where there is room for it until it stands at the back. */
static const char *copy_text(struct type_arena *arena, const struct type *type)
{
    size_t room = (size_t)(arena->end - arena->at);
    struct buffer text = {.base = arena->at, .capacity = room, .max = room};
    type_text(&text, type);
    put_u8(&text, 0);
    assert(text.error == 0 && "the text is as long as was measured");
    arena->end -= text.len;
    return memmove(arena->end, text.base, text.len);
}

static void build(struct metadata *metadata, struct parts *parts)
{
    struct reader reader = reader_of(metadata->bytes);
    struct cqlua_slice keyspace = slice("", 0), table = slice("", 0);
    if (metadata->is_global) {
        keyspace = copy_name(&reader, parts);
        table = copy_name(&reader, parts);
    }
    for (uint32_t i = 0; i < metadata->columns_count; i++) {
        struct column *column = &metadata->columns[i];
        if (!metadata->is_global) {
            keyspace = copy_name(&reader, parts);
            table = copy_name(&reader, parts);
        }
        column->keyspace = keyspace;
        column->table = table;
        column->name = copy_name(&reader, parts);
        type_decode(&reader, &parts->arena, &metadata->types[i]);
        column->type_text = copy_text(&parts->arena, &metadata->types[i]);
    }
    assert(reader.error == 0 && reader_left(&reader) == 0);
}

struct metadata *metadata_decode(struct memory *memory, struct reader *reader, uint32_t count, bool is_global,
                                 const uint8_t *keys, uint32_t key_count, int *error)
{
    *error = CQLUA_EPROTOCOL;
    if (!can_fit(reader, count, is_global) || !keys_are_valid(keys, key_count, count)) {
        reader_fail(reader);
        return NULL;
    }
    struct layout layout = measure(reader, count, is_global);
    if (reader->error != 0) return NULL;
    struct parts parts;
    struct metadata *metadata = allocate(memory, &layout, count, key_count, &parts);
    *error = metadata == NULL ? CQLUA_ENO_MEMORY : 0;
    if (metadata == NULL) return NULL;
    metadata->is_global = is_global;
    for (uint32_t i = 0; i < key_count; i++) metadata->key_indexes[i] = load_u16(keys + 2 * i);
    build(metadata, &parts);
    return metadata;
}

/* --- use ------------------------------------------------------------------------------------------------------------------- */

bool metadata_skip_equal(const struct metadata *metadata, struct reader *reader, uint32_t count, bool is_global)
{
    size_t len = metadata->bytes.len;
    if (reader->error != 0 || count != metadata->columns_count || is_global != metadata->is_global) return false;
    if (len > reader_left(reader) || !slice_equal(metadata->bytes, slice(reader->at, len))) return false;
    reader->at += len;
    return true;
}

struct metadata *metadata_ref(struct metadata *metadata)
{
    metadata->refs++;
    return metadata;
}

void metadata_unref(struct metadata *metadata)
{
    if (metadata == NULL || --metadata->refs > 0) return;
    memory_free(metadata->memory, metadata, metadata->size);
}

int metadata_find(const struct metadata *metadata, struct cqlua_slice name)
{
    for (uint32_t i = 0; i < metadata->columns_count; i++)
        if (slice_equal(metadata->columns[i].name, name)) return (int)i;
    return -1;
}

int metadata_column(const struct metadata *metadata, int index, struct cqlua_column *column)
{
    if (index < 0 || (uint32_t)index >= metadata->columns_count) return CQLUA_EMISUSE;
    const struct column *from = &metadata->columns[index];
    const struct type *type = &metadata->types[index];
    *column = (struct cqlua_column){
        .keyspace = from->keyspace, .table = from->table, .name = from->name, .type = from->type_text};
    type_describe(type, column);
    return 0;
}
