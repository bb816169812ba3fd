/* As much of CQL's words as it takes to find a statement's table, its selected columns and its bind markers. */
#include "protocol/cql.h"
#include "testing/server.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NAME, TOKEN_STRING, TOKEN_MARK, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    struct cqlua_slice text; /* WORD: as it stands; NAME: between the quotes; MARK: its name, empty for ? */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool is_word_char(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *pass_blanks(const char *at, const char *end)
{
    while (at < end) {
        bool is_line = end - at >= 2 && (memcmp(at, "--", 2) == 0 || memcmp(at, "//", 2) == 0);
        bool is_block = end - at >= 2 && memcmp(at, "/*", 2) == 0;
        if (is_line) {
            while (at < end && *at != '\n') at++;
        } else if (is_block) {
            for (at += 2; at < end && !(at[-1] == '*' && *at == '/');) at++;
            if (at < end) at++;
        } else if (*at == ' ' || (*at >= '\t' && *at <= '\r')) {
            at++;
        } else {
            break;
        }
    }
    return at;
}

static const char *pass_word(const char *at, const char *end)
{
    while (at < end && is_word_char(*at)) at++;
    return at;
}

/* Behind the quote that closes what was opened before `at`; a doubled one is part of it. */
static const char *pass_quoted(const char *at, const char *end, char quote)
{
    for (; at < end; at++) {
        if (*at != quote) continue;
        if (at + 1 == end || at[1] != quote) return at + 1;
        at++;
    }
    return end;
}

static struct token next_token(struct cqlua_slice *rest)
{
    const char *end = rest->len == 0 ? rest->base : (const char *)rest->base + rest->len;
    const char *at = rest->len == 0 ? end : pass_blanks(rest->base, end), *after = at;
    struct token token = {TOKEN_OTHER, slice(at, 1)};
    if (at == end) {
        token = (struct token){TOKEN_END, slice(at, 0)};
    } else if (is_word_char(*at)) {
        after = pass_word(at, end);
        token = (struct token){TOKEN_WORD, slice(at, (size_t)(after - at))};
    } else if (*at == '"' || *at == '\'') {
        after = pass_quoted(at + 1, end, *at);
        token = (struct token){*at == '"' ? TOKEN_NAME : TOKEN_STRING,
                               slice(at + 1, after - at >= 2 ? (size_t)(after - at) - 2 : 0)};
    } else if (*at == '?') {
        after = at + 1;
        token = (struct token){TOKEN_MARK, slice(after, 0)};
    } else if (*at == ':' && at + 1 < end && is_word_char(at[1])) {
        after = pass_word(at + 1, end);
        token = (struct token){TOKEN_MARK, slice(at + 1, (size_t)(after - at) - 1)};
    } else {
        after = at + 1;
    }
    *rest = slice(after, (size_t)(end - after));
    return token;
}

bool query_is_name(struct cqlua_slice name, const char *is)
{
    const char *at = name.base;
    size_t i = 0;
    while (i < name.len && lower(at[i]) == is[i] && is[i] != '\0') i++;
    return i == name.len && is[i] == '\0';
}

static bool is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && query_is_name(token->text, word);
}

static bool is_name(const struct token *token)
{
    return token->kind == TOKEN_WORD || token->kind == TOKEN_NAME;
}

static bool is_other(const struct token *token, char c)
{
    return token->kind == TOKEN_OTHER && *(const char *)token->text.base == c;
}

bool query_table(struct cqlua_slice text, struct cqlua_slice *keyspace, struct cqlua_slice *table)
{
    struct token token;
    *keyspace = *table = slice("", 0);
    do token = next_token(&text);
    while (token.kind != TOKEN_END && !is_word(&token, "from") && !is_word(&token, "into") && !is_word(&token, "update"));
    if (token.kind == TOKEN_END) return false;
    token = next_token(&text);
    if (!is_name(&token)) return false;
    *table = token.text;
    token = next_token(&text);
    if (!is_other(&token, '.')) return true;
    token = next_token(&text);
    *keyspace = *table;
    *table = token.text;
    return is_name(&token);
}

struct cqlua_slice query_use(struct cqlua_slice text)
{
    if (cql_kind(text) != CQL_USE) return slice(NULL, 0);
    next_token(&text);
    struct token token = next_token(&text);
    return is_name(&token) ? token.text : slice(NULL, 0);
}

int query_selected(struct cqlua_slice *rest, struct cqlua_slice *name)
{
    for (;;) {
        struct token token = next_token(rest);
        if (token.kind == TOKEN_END || is_word(&token, "from")) return 0;
        *name = token.text;
        if (is_other(&token, '*')) return 1;
        if (is_name(&token) && !is_word(&token, "select")) return 1;
    }
}

int query_marker(struct cqlua_slice *rest, struct cqlua_slice *name)
{
    for (;;) {
        struct token token = next_token(rest);
        if (token.kind == TOKEN_END) return 0;
        *name = token.text;
        if (token.kind == TOKEN_MARK) return 1;
    }
}

/* Where it does not go on, the last % takes one byte more. */
bool query_matches(struct cqlua_slice pattern, struct cqlua_slice text)
{
    const char *p = pattern.base, *t = text.base;
    size_t i = 0, j = 0, star = SIZE_MAX, from = 0;
    while (j < text.len) {
        if (i < pattern.len && p[i] == '%') {
            star = i++;
            from = j;
        } else if (i < pattern.len && p[i] == t[j]) {
            i++;
            j++;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            j = ++from;
        } else {
            return false;
        }
    }
    while (i < pattern.len && p[i] == '%') i++;
    return i == pattern.len;
}
