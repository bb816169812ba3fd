/* The kind of a statement's text: blanks and comments before it change nothing. */
#include "protocol/cql.h"

#include "fuzz.h"

static enum cql_kind kind_behind(const char *before, struct cqlua_slice text, struct memory *memory)
{
    struct buffer longer;
    buffer_init(&longer, memory, INT32_MAX);
    put_raw(&longer, before, strlen(before));
    put_raw(&longer, text.base, text.len);
    enum cql_kind kind = cql_kind(slice(longer.base, longer.len));
    buffer_dispose(&longer);
    return kind;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct cqlua_slice text = slice(bytes, len);
    enum cql_kind kind = cql_kind(text);
    require(kind == CQL_SELECT || kind == CQL_USE || kind == CQL_SCHEMA || kind == CQL_OTHER);
    fuzz_heap_init(&heap, 4096 + 2 * len);
    require(kind_behind(" \t\r\n", text, heap.memory) == kind);
    require(kind_behind("-- select\n//drop\n", text, heap.memory) == kind);
    require(kind_behind("/* use */", text, heap.memory) == kind);
    fuzz_heap_dispose(&heap);
    return 0;
}
