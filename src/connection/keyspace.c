#include "connection/keyspace.h"

void keyspace_put_use(struct buffer *buffer, const struct text *keyspace)
{
    put_raw(buffer, "USE \"", 5);
    for (size_t i = 0; i < keyspace->len; i++) {
        if (keyspace->chars[i] == '"') put_u8(buffer, '"');
        put_u8(buffer, (uint8_t)keyspace->chars[i]);
    }
    put_u8(buffer, '"');
}
