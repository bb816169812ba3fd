#include "protocol/cql.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *find(const char *at, const char *end, const char *what, size_t len)
{
    for (; (size_t)(end - at) >= len; at++)
        if (memcmp(at, what, len) == 0) return at + len;
    return end;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end) {
        if (is_blank(*at)) at++;
        else if (end - at >= 2 && (memcmp(at, "--", 2) == 0 || memcmp(at, "//", 2) == 0)) at = find(at, end, "\n", 1);
        else if (end - at >= 2 && memcmp(at, "/*", 2) == 0) at = find(at + 2, end, "*/", 2);
        else break;
    }
    return at;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

static bool is_word(const char *at, size_t len, const char *word)
{
    if (strlen(word) != len) return false;
    for (size_t i = 0; i < len; i++)
        if ((at[i] | 0x20) != word[i]) return false;
    return true;
}

/* The letters from `at` on. */
static size_t word_length(const char *at, const char *end)
{
    size_t len = 0;
    while (at + len < end && is_letter(at[len])) len++;
    return len;
}

enum cql_kind cql_kind(struct cqlua_slice text)
{
    static const struct {
        const char *word;
        enum cql_kind kind;
    } words[] = {{"select", CQL_SELECT}, {"use", CQL_USE},     {"create", CQL_SCHEMA},
                 {"alter", CQL_SCHEMA},  {"drop", CQL_SCHEMA}, {"truncate", CQL_SCHEMA}};
    if (text.len == 0) return CQL_OTHER;
    const char *end = (const char *)text.base + text.len, *at = skip_blanks(text.base, end);
    size_t len = word_length(at, end);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is_word(at, len, words[i].word)) return words[i].kind;
    return CQL_OTHER;
}

/* Passes over what is at `at`: a word, a string, a quoted name, or one sign. A doubled quote ends one and begins another. */
static const char *skip_token(const char *at, const char *end)
{
    size_t len = word_length(at, end);
    if (len > 0) return at + len;
    if (*at == '\'' || *at == '"') return find(at + 1, end, at, 1);
    if (end - at >= 2 && memcmp(at, "$$", 2) == 0) return find(at + 2, end, "$$", 2);
    return at + 1;
}

bool cql_is_conditional(struct cqlua_slice text)
{
    if (text.len == 0 || cql_kind(text) != CQL_OTHER) return false; /* CREATE ... IF NOT EXISTS may be said twice */
    const char *end = (const char *)text.base + text.len, *at = skip_blanks(text.base, end);
    char before = 0;
    for (int depth = 0; at < end; at = skip_blanks(at, end)) {
        const char *token = at;
        at = skip_token(at, end);
        depth += *token == '(' ? 1 : *token == ')' ? -1 : 0;
        if (depth == 0 && before != ':' && is_word(token, (size_t)(at - token), "if")) return true;
        before = *token;
    }
    return false;
}
