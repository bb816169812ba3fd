/* LZ4 blocks: a walk over the block tells what it becomes before anything is decompressed. The first byte is a size to try. */
#include "protocol/lz4.h"

#include <lz4.h>

#include "fuzz.h"

enum { ROOM = 1 << 16 };

static uint8_t out[ROOM];

/* The walk confirms no other size than the one that liblz4 makes. It may refuse what liblz4 takes: a match at offset 0, which the
 * format forbids. */
static void walk(struct cqlua_slice block)
{
    int made = LZ4_decompress_safe(block.base, (char *)out, (int)block.len, ROOM);
    if (made <= 0) return; /* what becomes nothing is never asked for */
    size_t size = (size_t)made;
    require(!lz4_becomes(block.base, block.len, size + 1) && !lz4_becomes(block.base, block.len, size - 1));
}

static void pack(struct cqlua_slice bytes)
{
    static uint8_t packed[ROOM];
    size_t size = bytes.len == 0 || bytes.len > ROOM ? 0 : lz4_compress(bytes.base, bytes.len, packed, bytes.len);
    if (size == 0) return;
    require(size <= bytes.len && lz4_becomes(packed, size, bytes.len));
    require(lz4_decompress(packed, size, out, bytes.len) == 0 && memcmp(out, bytes.base, bytes.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct reader input = reader_of(slice(bytes, len));
    size_t size = read_u8(&input);
    struct cqlua_slice block = fuzz_rest(&input);
    if (block.base == NULL) return 0;
    if (lz4_becomes(block.base, block.len, size)) lz4_decompress(block.base, block.len, out, size);
    walk(block);
    pack(block);
    return 0;
}
