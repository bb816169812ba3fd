/* Tokens: of values as they were encoded, and of text. */
#include "protocol/token.h"

#include <inttypes.h>
#include <stdio.h>

#include "fuzz.h"

static void parse(struct cqlua_slice text)
{
    int64_t token, again;
    char written[32];
    if (!token_parse(text, &token)) return;
    int len = snprintf(written, sizeof written, "%" PRId64, token);
    require(token_parse(slice(written, (size_t)len), &again) && again == token);
}

/* A key of one component has the token of its bytes; of several, that of all of them. */
static void hash(struct cqlua_slice values, uint16_t first, uint16_t second)
{
    const uint16_t indexes[] = {first, second};
    int64_t token, again;
    for (size_t count = 0; count <= 2; count++) {
        if (!token_of_values(values, indexes, count, &token)) continue;
        require(count > 0 && token_of_values(values, indexes, count, &again) && again == token);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct reader input = reader_of(slice(bytes, len));
    uint16_t first = read_u8(&input), second = read_u8(&input);
    struct cqlua_slice rest = fuzz_rest(&input);
    if (input.error != 0 || rest.len < 2) return 0;
    int64_t alone = token_of(&rest, 1);
    require(token_of(&rest, 1) == alone);
    parse(rest);
    hash(rest, first, second);
    return 0;
}
