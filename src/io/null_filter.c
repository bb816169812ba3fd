/* The filter that passes everything. */
#include "io/filter.h"

static void opened(struct filter *filter, int64_t now_us)
{
    cqlua_link_connected(filter->link, 0, NULL, now_us);
}

static void *room(struct filter *filter, size_t *len)
{
    return cqlua_link_room(filter->link, len);
}

static int received(struct filter *filter, size_t len, int64_t now_us)
{
    return cqlua_link_received(filter->link, len, now_us);
}

static void writable(struct filter *filter, int64_t now_us)
{
    cqlua_link_writable(filter->link, now_us);
}

static void ended(struct filter *filter, const char *reason, int64_t now_us)
{
    cqlua_link_lost(filter->link, reason, now_us);
}

static int64_t write_through(struct filter *filter, const void *bytes, size_t len)
{
    return filter->send(filter->pipe, bytes, len);
}

static const struct filter_ops null_ops = {
    .opened = opened,
    .room = room,
    .received = received,
    .writable = writable,
    .ended = ended,
    .write = write_through,
};

void filter_init_null(struct filter *filter, struct cqlua_link *link, int64_t (*send)(void *pipe, const void *bytes, size_t len),
                      void *pipe)
{
    filter->ops = &null_ops;
    filter->link = link;
    filter->send = send;
    filter->pipe = pipe;
}
