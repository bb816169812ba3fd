/* cqlua_session_open: which transport a session gets, and that it joins and leaves the loop. */
#include "io_fake.h"

int session_open(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_transport *transport,
                 cqlua_open_fn *on_open, void *arg, struct cqlua_queue *queue, uint64_t tag,
                 const struct cqlua_allocator *allocator);

static struct {
    int calls, code;
    cqlua_open_fn *on_open;
    void *arg;
    struct cqlua_queue *queue;
    uint64_t tag;
    struct cqlua_allocator allocator;
} seen;

int session_open(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_transport *transport,
                 cqlua_open_fn *on_open, void *arg, struct cqlua_queue *queue, uint64_t tag,
                 const struct cqlua_allocator *allocator)
{
    uint8_t seed[8];
    (void)options;
    seen.calls++;
    seen.on_open = on_open;
    seen.arg = arg;
    seen.queue = queue;
    seen.tag = tag;
    seen.allocator = *allocator;
    if (transport->ops->entropy(transport->self, seed, sizeof seed) < 0 || seen.code < 0) return seen.code;
    *session = calloc(1, sizeof **session);
    (*session)->transport = transport;
    (*session)->due_us = INT64_MAX;
    transport->ops->defer(transport->self);
    return 0;
}

static void free_session(struct cqlua_session *session)
{
    if (session->transport->ops->release != NULL) session->transport->ops->release(session->transport->self);
    free(session);
}

static void on_open(void *arg, const struct cqlua_error *err)
{
    (void)arg;
    (void)err;
}

static struct cqlua_loop *loop;
static struct cqlua_options options;

static int set_up(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    loop = cqlua_loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cqlua_loop_free(loop);
    return 0;
}

static void a_session_gets_sockets_and_its_turns_until_it_is_freed(void **state)
{
    struct cqlua_session *session;
    (void)state;
    assert_int_equal(cqlua_session_open(&session, &options, loop, on_open, &options), 0);
    assert_ptr_equal(seen.on_open, on_open);
    assert_ptr_equal(seen.arg, &options);
    assert_null(seen.queue);
    assert_int_equal(session->turns, 0);
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(session->turns, 1);
    free_session(session);
    cqlua_loop_step(loop, 0, 0);
}

static void the_outcome_may_go_to_a_queue(void **state)
{
    struct cqlua_session *session;
    struct cqlua_queue *queue = (struct cqlua_queue *)&options;
    (void)state;
    assert_int_equal(cqlua_session_open_to(&session, &options, loop, queue, 77), 0);
    assert_ptr_equal(seen.queue, queue);
    assert_int_equal(seen.tag, 77);
    assert_true(seen.on_open == NULL);
    free_session(session);
}

static void what_the_session_refuses_leaves_nothing_behind(void **state)
{
    struct cqlua_session *session = (void *)&options;
    (void)state;
    seen.code = CQLUA_EMISUSE;
    assert_int_equal(cqlua_session_open(&session, &options, loop, NULL, NULL), CQLUA_EMISUSE);
    assert_null(session);
    assert_int_equal(cqlua_session_open(&session, &options, NULL, NULL, NULL), CQLUA_EMISUSE); /* no transport */
    assert_int_equal(cqlua_session_open(&session, NULL, loop, NULL, NULL), CQLUA_EMISUSE);
    assert_int_equal(seen.calls, 1);
}

static void a_session_and_its_loop_live_on_its_allocator(void **state)
{
    struct cqlua_session *session;
    (void)state;
    assert_int_equal(cqlua_session_open(&session, &options, loop, NULL, NULL), 0);
    assert_true(seen.allocator.resize == NULL); /* the loop has none either: malloc */
    free_session(session);
}

/* --- a host's own transport ------------------------------------------------------------------------------------------------ */

static struct {
    int connects, writes, closes, defers, releases;
} theirs;

static int their_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe)
{
    (void)link;
    (void)address;
    *pipe = self;
    theirs.connects++;
    return 0;
}
static int64_t their_write(void *self, void *pipe, const void *bytes, size_t len)
{
    (void)bytes;
    assert_ptr_equal(self, pipe);
    theirs.writes++;
    return (int64_t)len;
}
static void their_close(void *self, void *pipe)
{
    assert_ptr_equal(self, pipe);
    theirs.closes++;
}
static void their_defer(void *self)
{
    assert_ptr_equal(self, &theirs);
    theirs.defers++;
}
static int their_entropy(void *self, void *out, size_t len)
{
    assert_ptr_equal(self, &theirs);
    memset(out, 4, len);
    return 0;
}
static void their_release(void *self)
{
    assert_ptr_equal(self, &theirs);
    theirs.releases++;
}

static const struct cqlua_transport_ops their_ops = {
    .connect = their_connect,
    .write = their_write,
    .close = their_close,
    .defer = their_defer,
    .entropy = their_entropy,
    .release = their_release,
};
static struct cqlua_transport lent = {&their_ops, &theirs};

static void a_hosts_transport_needs_no_loop(void **state)
{
    struct cqlua_session *session;
    (void)state;
    memset(&theirs, 0, sizeof theirs);
    options.transport = &lent;
    assert_int_equal(cqlua_session_open(&session, &options, NULL, NULL, NULL), 0);
    assert_ptr_equal(session->transport, &lent);
    assert_int_equal(theirs.defers, 1);
    free_session(session);
    assert_int_equal(theirs.releases, 1);
}

static void a_hosts_transport_on_a_loop_gets_its_turns_there(void **state)
{
    struct cqlua_session *session;
    struct cqlua_address address = {.len = 4};
    void *pipe;
    (void)state;
    memset(&theirs, 0, sizeof theirs);
    options.transport = &lent;
    assert_int_equal(cqlua_session_open(&session, &options, loop, NULL, NULL), 0);
    struct cqlua_transport *transport = session->transport;
    assert_int_equal(transport->ops->connect(transport->self, NULL, &address, &pipe), 0);
    assert_int_equal(transport->ops->write(transport->self, pipe, "abc", 3), 3);
    transport->ops->close(transport->self, pipe);
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(session->turns, 1);
    free_session(session);
    assert_int_equal(theirs.connects + theirs.writes + theirs.closes + theirs.releases, 4);
    assert_int_equal(theirs.defers, 0); /* the loop makes the turns */
    seen.code = CQLUA_EMISUSE;
    assert_int_equal(cqlua_session_open(&session, &options, loop, NULL, NULL), CQLUA_EMISUSE);
    assert_int_equal(theirs.releases, 1); /* no session, nothing to release */
}

#define SPEC(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest specs[] = {
        SPEC(a_session_gets_sockets_and_its_turns_until_it_is_freed),
        SPEC(the_outcome_may_go_to_a_queue),
        SPEC(what_the_session_refuses_leaves_nothing_behind),
        SPEC(a_session_and_its_loop_live_on_its_allocator),
        SPEC(a_hosts_transport_needs_no_loop),
        SPEC(a_hosts_transport_on_a_loop_gets_its_turns_there),
    };
    return cmocka_run_group_tests_name("open", specs, NULL, NULL);
}
