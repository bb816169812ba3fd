#include "base/buffer.h"

void buffer_init(struct buffer *buffer, struct memory *memory, size_t max)
{
    *buffer = (struct buffer){.memory = memory, .max = max};
}

void buffer_dispose(struct buffer *buffer)
{
    memory_free(buffer->memory, buffer->base, buffer->capacity);
    buffer_init(buffer, buffer->memory, buffer->max);
}

static size_t grown(const struct buffer *buffer, size_t wanted)
{
    size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;
    while (capacity < wanted) capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    return capacity > buffer->max ? buffer->max : capacity;
}

int buffer_grow(struct buffer *buffer, size_t size)
{
    if (buffer->error != 0) return buffer->error;
    if (size > buffer->max - buffer->len) return buffer->error = CQLUA_EFRAME_TOO_LARGE;
    size_t wanted = buffer->len + size;
    if (wanted <= buffer->capacity) return 0;
    size_t capacity = grown(buffer, wanted);
    uint8_t *base = memory_resize(buffer->memory, buffer->base, buffer->capacity, capacity);
    if (base == NULL) return buffer->error = CQLUA_ENO_MEMORY;
    buffer->base = base;
    buffer->capacity = capacity;
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    buffer->len -= size;
    if (buffer->len > 0) memmove(buffer->base, buffer->base + size, buffer->len);
}

static bool fits(struct buffer *buffer, size_t len, size_t max)
{
    if (buffer->error == 0 && len > max) buffer->error = CQLUA_EINVALID_VALUE;
    return buffer->error == 0;
}

void put_string(struct buffer *buffer, struct cqlua_slice text)
{
    put_short_bytes(buffer, text);
}

void put_long_string(struct buffer *buffer, struct cqlua_slice text)
{
    put_bytes(buffer, text);
}

void put_bytes(struct buffer *buffer, struct cqlua_slice bytes)
{
    if (!fits(buffer, bytes.len, INT32_MAX)) return;
    put_u32(buffer, (uint32_t)bytes.len);
    put_raw(buffer, bytes.base, bytes.len);
}

void put_short_bytes(struct buffer *buffer, struct cqlua_slice bytes)
{
    if (!fits(buffer, bytes.len, UINT16_MAX)) return;
    put_u16(buffer, (uint16_t)bytes.len);
    put_raw(buffer, bytes.base, bytes.len);
}
