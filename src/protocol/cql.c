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

enum cql_kind cql_kind(struct cqlua_slice text)
{
    static const struct {
        const char *word;
        enum cql_kind kind;
    } words[] = {{"select", CQL_SELECT}, {"use", CQL_USE},     {"create", CQL_SCHEMA},
                 {"alter", CQL_SCHEMA},  {"drop", CQL_SCHEMA}, {"truncate", CQL_SCHEMA}};
    if (text.len == 0) return CQL_OTHER;
    const char *end = (const char *)text.base + text.len, *at = skip_blanks(text.base, end);
    size_t len = 0;
    while (at + len < end && is_letter(at[len])) len++;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is_word(at, len, words[i].word)) return words[i].kind;
    return CQL_OTHER;
}

/* Past a text or name in quotes; a doubled quote stays inside. */
static const char *skip_quoted(const char *at, const char *end)
{
    char quote = *at++;
    while (at < end) {
        if (*at++ != quote) continue;
        if (at == end || *at != quote) return at;
        at++;
    }
    return at;
}

/* Past whatever stands at `at`, which is not blank: a word, something in quotes, or one character. */
static const char *skip_token(const char *at, const char *end)
{
    if (*at == '\'' || *at == '"') return skip_quoted(at, end);
    if (end - at >= 2 && memcmp(at, "$$", 2) == 0) return find(at + 2, end, "$$", 2);
    if (!is_letter(*at)) return at + 1;
    while (at < end && is_letter(*at)) at++;
    return at;
}

bool cql_is_conditional(struct cqlua_slice text)
{
    if (text.len == 0 || cql_kind(text) != CQL_OTHER) return false;
    const char *end = (const char *)text.base + text.len, *at = skip_blanks(text.base, end);
    int depth = 0;
    while (at < end) {
        const char *next = skip_token(at, end);
        if (*at == '(') depth++;
        if (*at == ')') depth--;
        if (depth == 0 && is_word(at, (size_t)(next - at), "if")) return true;
        at = skip_blanks(next, end);
    }
    return false;
}
