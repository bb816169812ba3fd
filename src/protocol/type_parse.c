/* A descent over the text with one token of foresight. What is open is bounded by LIMIT_NESTING; each level's elements are
 * counted before they are read, because children lie together. */
#include "protocol/type_parse.h"

#include "base/names.h"

struct parser {
    struct type_arena *arena;
    const char *start, *at, *end;
    bool is_wrong; /* sticky: `at` stays where it does not read */
};

/* The names as CQL has them; what has an argument is read by its own rule. */
static const struct type_word {
    const char *name;
    uint16_t id;
    uint8_t arguments; /* ANY: one or more */
} words[] = {
    {"ascii", TYPE_ASCII, 0},       {"bigint", TYPE_BIGINT, 0},   {"blob", TYPE_BLOB, 0},       {"boolean", TYPE_BOOLEAN, 0},
    {"counter", TYPE_COUNTER, 0},   {"date", TYPE_DATE, 0},       {"decimal", TYPE_DECIMAL, 0}, {"double", TYPE_DOUBLE, 0},
    {"duration", TYPE_DURATION, 0}, {"float", TYPE_FLOAT, 0},     {"inet", TYPE_INET, 0},       {"int", TYPE_INT, 0},
    {"smallint", TYPE_SMALLINT, 0}, {"text", TYPE_VARCHAR, 0},    {"time", TYPE_TIME, 0},       {"timestamp", TYPE_TIMESTAMP, 0},
    {"timeuuid", TYPE_TIMEUUID, 0}, {"tinyint", TYPE_TINYINT, 0}, {"uuid", TYPE_UUID, 0},       {"varchar", TYPE_VARCHAR, 0},
    {"varint", TYPE_VARINT, 0},     {"list", TYPE_LIST, 1},       {"set", TYPE_SET, 1},         {"map", TYPE_MAP, 2},
    {"tuple", TYPE_TUPLE, 255},     {"vector", TYPE_VECTOR, 1},   {"frozen", TYPE_CUSTOM, 1},
};
enum { WORDS = sizeof words / sizeof words[0], ANY = 255 };

size_t type_parse_measure(struct cqlua_slice text)
{
    const char *at = text.base;
    size_t children = 0; /* "map<" takes two, whatever stands behind it */
    for (size_t i = 0; i < text.len; i++) children += at[i] == '<' ? 2 : at[i] == ',' || at[i] == '(';
    return children * (sizeof(struct type) + sizeof(struct cqlua_slice));
}

/* --- words ----------------------------------------------------------------------------------------------------------------- */

static void skip_blanks(struct parser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || (*parser->at >= '\t' && *parser->at <= '\r'))) parser->at++;
}

static bool next_is(struct parser *parser, char c)
{
    skip_blanks(parser);
    return !parser->is_wrong && parser->at < parser->end && *parser->at == c;
}

static bool take(struct parser *parser, char c)
{
    if (!next_is(parser, c)) return false;
    parser->at++;
    return true;
}

static void expect(struct parser *parser, char c)
{
    if (!take(parser, c)) parser->is_wrong = true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool is_name_char(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* What stands between a quote and the next; a quote within is not read. */
static struct cqlua_slice quoted(struct parser *parser, char quote)
{
    expect(parser, quote);
    const char *from = parser->at;
    while (parser->at < parser->end && *parser->at != quote) parser->at++;
    struct cqlua_slice name = slice(from, (size_t)(parser->at - from));
    expect(parser, quote);
    return name;
}

static struct cqlua_slice word(struct parser *parser)
{
    if (next_is(parser, '"')) return quoted(parser, '"');
    const char *from = parser->at;
    while (parser->at < parser->end && is_name_char(*parser->at)) parser->at++;
    if (parser->at == from) parser->is_wrong = true;
    return slice(from, (size_t)(parser->at - from));
}

static const struct type_word *find_word(struct cqlua_slice name)
{
    const char *at = name.base;
    for (int i = 0; i < WORDS; i++) {
        size_t len = 0;
        while (len < name.len && words[i].name[len] == lower(at[len])) len++;
        if (len == name.len && words[i].name[len] == '\0') return &words[i];
    }
    return NULL;
}

/* --- types ----------------------------------------------------------------------------------------------------------------- */

static void parse(struct parser *parser, int depth, struct type *type);

/* How many elements stand before the bracket that closes this level. */
static uint32_t count_elements(const struct parser *parser)
{
    uint32_t count = 1;
    int open = 0;
    for (const char *at = parser->at; at < parser->end && open >= 0; at++) {
        if (*at == '<' || *at == '(') open++;
        else if (*at == '>' || *at == ')') open--;
        else if (*at == ',' && open == 0) count++;
    }
    return count;
}

static void *arena_take(struct parser *parser, size_t size)
{
    void *taken = parser->arena->at;
    if (size > (size_t)(parser->arena->end - parser->arena->at)) parser->is_wrong = true;
    else parser->arena->at += size;
    return parser->is_wrong ? NULL : taken;
}

static void parse_children(struct parser *parser, int depth, struct type *type, uint32_t count)
{
    type->children = arena_take(parser, count * sizeof(struct type));
    for (uint32_t i = 0; i < count && !parser->is_wrong; i++) {
        if (i > 0) expect(parser, ',');
        parse(parser, depth + 1, &type->children[i]);
        type->count = i + 1;
    }
}

/* The number behind the element type: "vector<float, 3>". */
static void parse_dimension(struct parser *parser, struct type *type)
{
    expect(parser, ',');
    skip_blanks(parser);
    while (!parser->is_wrong && parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') {
        type->dimension = type->dimension * 10 + (uint32_t)(*parser->at++ - '0');
        if (type->dimension > UINT16_MAX) parser->is_wrong = true;
    }
    if (type->dimension == 0) parser->is_wrong = true;
}

/* "(street text, zip int)" behind a UDT's name. */
static void parse_fields(struct parser *parser, int depth, struct type *type)
{
    expect(parser, '(');
    uint32_t count = parser->is_wrong ? 0 : count_elements(parser);
    type->id = TYPE_UDT;
    type->children = arena_take(parser, count * sizeof(struct type));
    type->fields = arena_take(parser, count * sizeof(struct cqlua_slice));
    for (uint32_t i = 0; i < count && !parser->is_wrong; i++) {
        if (i > 0) expect(parser, ',');
        type->fields[i] = word(parser);
        parse(parser, depth + 1, &type->children[i]);
        type->count = i + 1;
    }
    expect(parser, ')');
}

static void parse_udt(struct parser *parser, int depth, struct cqlua_slice name, struct type *type)
{
    const char *from = parser->at - name.len;
    type->keyspace = slice("", 0);
    type->name = name;
    if (take(parser, '.')) {
        type->keyspace = name;
        type->name = word(parser);
    }
    if (!parser->is_wrong && !next_is(parser, '(')) parser->at = from; /* the word that is no type */
    parse_fields(parser, depth, type);
}

static void parse_arguments(struct parser *parser, int depth, const struct type_word *found, struct type *type)
{
    expect(parser, '<');
    if (parser->is_wrong) return;
    if (found->id == TYPE_CUSTOM) parse(parser, depth, type); /* frozen: nothing on the wire says so */
    else parse_children(parser, depth, type, found->arguments == ANY ? count_elements(parser) : found->arguments);
    if (found->id == TYPE_VECTOR) parse_dimension(parser, type);
    expect(parser, '>');
}

static void parse(struct parser *parser, int depth, struct type *type)
{
    *type = (struct type){0};
    if (depth > LIMIT_NESTING) parser->is_wrong = true;
    if (next_is(parser, '\'')) {
        type->name = quoted(parser, '\''); /* a class */
        return;
    }
    bool is_quoted = next_is(parser, '"');
    struct cqlua_slice name = word(parser);
    if (parser->is_wrong) return;
    const struct type_word *found = is_quoted ? NULL : find_word(name);
    if (found == NULL) {
        parse_udt(parser, depth, name, type);
        return;
    }
    type->id = found->id;
    if (found->arguments > 0) parse_arguments(parser, depth, found, type);
}

int type_parse(struct cqlua_slice text, struct type_arena *arena, struct type *type, size_t *at)
{
    struct parser parser = {arena, text.base, text.base, text.len == 0 ? text.base : (const char *)text.base + text.len, false};
    parse(&parser, 1, type);
    skip_blanks(&parser);
    *at = text.len == 0 ? 0 : (size_t)(parser.at - parser.start);
    return parser.is_wrong || parser.at < parser.end ? CQLUA_EINVALID_VALUE : 0;
}

/* --- suggestions ----------------------------------------------------------------------------------------------------------- */

const char *type_parse_nearest(struct cqlua_slice name)
{
    const char *nearest = NULL;
    int least = 3;
    for (int i = 0; i < WORDS; i++) {
        int distance = name_distance(name, slice_of(words[i].name), least);
        if (distance >= least) continue;
        least = distance;
        nearest = words[i].name;
    }
    return nearest;
}
