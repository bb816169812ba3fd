#include "base/text.h"

struct text *text_new(struct memory *memory, struct cqlua_slice chars)
{
    struct text *text = memory_get(memory, sizeof *text + chars.len + 1);
    if (text == NULL) return NULL;
    text->memory = memory;
    text->refs = 1;
    text->len = chars.len;
    if (chars.len > 0) memcpy(text->chars, chars.base, chars.len);
    text->chars[chars.len] = '\0';
    return text;
}

struct text *text_ref(struct text *text)
{
    if (text != NULL) text->refs++;
    return text;
}

void text_unref(struct text *text)
{
    if (text != NULL && --text->refs == 0) memory_free(text->memory, text, sizeof *text + text->len + 1);
}

void text_wipe(struct text *text)
{
    if (text != NULL) memory_wipe(text->chars, text->len);
}

struct cqlua_slice text_slice(const struct text *text)
{
    return text == NULL ? slice(NULL, 0) : slice(text->chars, text->len);
}

bool text_equal(const struct text *a, const struct text *b)
{
    return a == b || (a != NULL && b != NULL && slice_equal(text_slice(a), text_slice(b)));
}
