#include "sim/support/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "cluster/address.h"
#include "sim/support/inside.h"

enum { START_US = 1000000007, /* no multiple of a tick */ TURNS_IN_PLACE = 16 };

int64_t sim_random(struct sim *sim, int64_t bound)
{
    return (int64_t)random_below(&sim->random, (uint64_t)bound);
}

/* --- events: what happens at a time ---------------------------------------------------------------------------------------- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->number < b->number;
}

static void sift_up(struct sim *sim, size_t at)
{
    struct sim_event *event = sim->events[at];
    for (size_t parent; at > 0 && is_before(event, sim->events[parent = (at - 1) / 2]); at = parent)
        sim->events[at] = sim->events[parent];
    sim->events[at] = event;
}

static void sift_down(struct sim *sim)
{
    struct sim_event *event = sim->events[sim->events_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < sim->events_count; at = child) {
        if (child + 1 < sim->events_count && is_before(sim->events[child + 1], sim->events[child])) child++;
        if (!is_before(sim->events[child], event)) break;
        sim->events[at] = sim->events[child];
    }
    sim->events[at] = event;
}

struct sim_event *sim_event_new(struct sim *sim, int64_t time_us, sim_event_fn *happen, void *about, size_t size)
{
    struct sim_event *event = malloc(sizeof *event + size);
    assert_non_null(event);
    *event = (struct sim_event){.time_us = time_us, .number = ++sim->next_event, .happen = happen, .about = about, .size = size};
    if (sim->events_count == sim->events_capacity) {
        sim->events_capacity = sim->events_capacity == 0 ? 256 : sim->events_capacity * 2;
        sim->events = realloc(sim->events, sim->events_capacity * sizeof(struct sim_event *));
        assert_non_null(sim->events);
    }
    sim->events[sim->events_count++] = event;
    sift_up(sim, sim->events_count - 1);
    return event;
}

static struct sim_event *take_event(struct sim *sim)
{
    struct sim_event *first = sim->events[0];
    sim->events_count--;
    if (sim->events_count > 0) sift_down(sim);
    return first;
}

struct at {
    void (*fn)(struct sim *sim, void *arg);
    void *arg;
};

static void happen_at(struct sim *sim, struct sim_event *event)
{
    struct at at;
    memcpy(&at, event->bytes, sizeof at);
    at.fn(sim, at.arg);
}

void sim_at(struct sim *sim, int64_t time_us, void (*fn)(struct sim *sim, void *arg), void *arg)
{
    struct at at = {fn, arg};
    memcpy(sim_event_new(sim, time_us, happen_at, NULL, sizeof at)->bytes, &at, sizeof at);
}

/* --- the transport --------------------------------------------------------------------------------------------------------- */

static int op_resolve(void *self, struct cqlua_lookup *lookup, const char *name)
{
    struct sim *sim = self;
    (void)name;
    sim->lookups_asked++;
    sim->lookup = lookup;
    if (sim->names_count > 0 || sim->names != NULL)
        sim_event_new(sim, sim->now_us + sim->network_us, sim_answer_lookup, lookup, 0);
    return 0;
}

static void op_forget(void *self, struct cqlua_lookup *lookup)
{
    struct sim *sim = self;
    if (sim->lookup == lookup) sim->lookup = NULL;
}

void sim_answer_lookup(struct sim *sim, struct sim_event *event)
{
    if (sim->lookup != event->about) return;
    sim->lookup = NULL;
    cqlua_lookup_done(event->about, sim->names, sim->names_count, sim->names_count == 0 ? "no such name" : NULL, sim->now_us);
}

static struct sim_node *find_node(struct sim *sim, const struct cqlua_address *address)
{
    for (int i = 0; i < SIM_NODES; i++) {
        const struct cqlua_address *own = &sim->nodes[i].address;
        if (own->len == address->len && own->port == address->port && memcmp(own->bytes, address->bytes, own->len) == 0)
            return &sim->nodes[i];
    }
    if (sim->options.discovery == CQLUA_NO) fail_msg("the session connects to an address that no node has");
    return &sim->nobody;
}

static void happen_connected(struct sim *sim, struct sim_event *event)
{
    struct sim_pipe *pipe = event->about;
    if (pipe->is_closed) return;
    if (pipe->node->refuses || !address_equal(&pipe->address, &pipe->node->address)) { /* or it has moved meanwhile */
        cqlua_link_connected(pipe->link, CQLUA_ECONNECT_FAILED, "Connection refused", sim->now_us);
        return;
    }
    pipe->is_open = true;
    pipe->node->connects++;
    cqlua_link_connected(pipe->link, 0, NULL, sim->now_us);
}

static int op_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **out)
{
    struct sim *sim = self;
    struct sim_pipe *pipe = calloc(1, sizeof *pipe);
    assert_non_null(pipe);
    pipe->link = link;
    pipe->node = find_node(sim, address);
    pipe->address = *address;
    pipe->next = sim->pipes;
    sim->pipes = pipe;
    buffer_init(&pipe->input, sim->memory, INT32_MAX);
    buffer_init(&pipe->whole, sim->memory, INT32_MAX);
    sim->connects++;
    *out = pipe;
    if (!pipe->node->swallows) sim_event_new(sim, sim->now_us + 2 * sim->network_us, happen_connected, pipe, 0);
    return 0;
}

static void happen_to_node(struct sim *sim, struct sim_event *event)
{
    struct sim_pipe *pipe = event->about;
    if (pipe->is_cut) return;
    if (sim->wire != NULL) sim->wire->received(pipe, event->bytes, event->size);
    else sim_node_received(pipe, event->bytes, event->size);
}

static int64_t later(int64_t *last_us, int64_t time_us)
{
    if (time_us > *last_us) *last_us = time_us;
    return *last_us;
}

static int64_t op_write(void *self, void *at, const void *bytes, size_t len)
{
    struct sim *sim = self;
    struct sim_pipe *pipe = at;
    assert_true(pipe->is_open && !pipe->is_closed);
    if (pipe->node->stops_reading) {
        if (len > pipe->node->window) {
            len = pipe->node->window;
            pipe->is_blocked = true;
        }
        pipe->node->window -= len;
    }
    if (len == 0) return 0;
    int64_t arrival_us = later(&pipe->to_node_us, sim->now_us + sim->network_us);
    memcpy(sim_event_new(sim, arrival_us, happen_to_node, pipe, len)->bytes, bytes, len);
    return (int64_t)len;
}

static void op_close(void *self, void *at)
{
    struct sim_pipe *pipe = at;
    (void)self;
    assert_false(pipe->is_closed);
    pipe->is_closed = true;
    pipe->is_open = false;
}

static void op_defer(void *self)
{
    ((struct sim *)self)->is_deferred = true;
}

static int op_entropy(void *self, void *out, size_t len)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)random_next(&((struct sim *)self)->random);
    return 0;
}

static void op_release(void *self)
{
    ((struct sim *)self)->is_released = true;
}

static const struct cqlua_transport_ops ops = {op_resolve, op_forget, op_connect, op_write,
                                               op_close,   op_defer,  op_entropy, op_release};

/* --- bytes on their way to the client -------------------------------------------------------------------------------------- */

static size_t chunk_of(struct sim *sim, const struct sim_node *node, size_t room, size_t left)
{
    size_t most = room < left ? room : left;
    size_t chunk = node->chunk;
    if (chunk > 0 && node->is_random_chunk) chunk = 1 + (size_t)sim_random(sim, (int64_t)chunk);
    return chunk > 0 && chunk < most ? chunk : most;
}

static void happen_to_client(struct sim *sim, struct sim_event *event)
{
    struct sim_pipe *pipe = event->about;
    for (size_t done = 0; done < event->size && !pipe->is_closed;) {
        size_t room = 0;
        void *to = cqlua_link_room(pipe->link, &room);
        if (to == NULL) {
            cqlua_link_lost(pipe->link, "out of memory", sim->now_us);
            assert_true(pipe->is_closed);
            return;
        }
        assert_true(room > 0);
        size_t len = chunk_of(sim, pipe->node, room, event->size - done);
        memcpy(to, event->bytes + done, len);
        done += len;
        int rc = cqlua_link_received(pipe->link, len, sim->now_us);
        assert_int_equal(rc < 0, pipe->is_closed);
    }
}

void sim_pipe_put(struct sim_pipe *pipe, const void *bytes, size_t len)
{
    struct sim *sim = pipe->node->sim;
    if (pipe->is_cut || pipe->is_closed) return;
    int64_t arrival_us = later(&pipe->to_client_us, sim->now_us + sim->network_us);
    memcpy(sim_event_new(sim, arrival_us, happen_to_client, pipe, len)->bytes, bytes, len);
}

void sim_pipe_send(struct sim_pipe *pipe, const void *bytes, size_t len)
{
    const struct sim_wire *wire = pipe->node->sim->wire;
    if (wire != NULL) wire->send(pipe, bytes, len);
    else sim_pipe_put(pipe, bytes, len);
}

static void happen_lost(struct sim *sim, struct sim_event *event)
{
    struct sim_pipe *pipe = event->about;
    if (pipe->is_closed) return;
    cqlua_link_lost(pipe->link, (const char *)event->bytes, sim->now_us);
    assert_true(pipe->is_closed);
}

void sim_pipe_cut(struct sim_pipe *pipe, const char *reason)
{
    struct sim *sim = pipe->node->sim;
    if (pipe->is_cut || pipe->is_closed) return;
    int64_t arrival_us = later(&pipe->to_client_us, sim->now_us + sim->network_us);
    memcpy(sim_event_new(sim, arrival_us, happen_lost, pipe, strlen(reason) + 1)->bytes, reason, strlen(reason) + 1);
    pipe->is_cut = true;
}

struct sim_pipe *sim_pipe_of(struct sim *sim, int node)
{
    for (struct sim_pipe *pipe = sim->pipes; pipe != NULL; pipe = pipe->next)
        if (pipe->node == &sim->nodes[node] && pipe->is_open && !pipe->is_cut) return pipe;
    return NULL;
}

int sim_pipes_open(struct sim *sim)
{
    int count = 0;
    for (struct sim_pipe *pipe = sim->pipes; pipe != NULL; pipe = pipe->next) count += pipe->is_open;
    return count;
}

void sim_node_cut(struct sim_node *node, const char *reason)
{
    for (struct sim_pipe *pipe = node->sim->pipes; pipe != NULL; pipe = pipe->next)
        if (pipe->node == node && pipe->is_open) sim_pipe_cut(pipe, reason);
}

void sim_read_again(struct sim *sim, struct sim_node *node)
{
    node->stops_reading = false;
    for (struct sim_pipe *pipe = sim->pipes; pipe != NULL; pipe = pipe->next) {
        if (pipe->node != node || !pipe->is_open || !pipe->is_blocked) continue;
        pipe->is_blocked = false;
        cqlua_link_writable(pipe->link, sim->now_us);
    }
}

/* --- time ------------------------------------------------------------------------------------------------------------------ */

/* Turns at one time in which nothing comes from outside are few: more are a busy loop. */
static void turn(struct sim *sim)
{
    sim->is_deferred = false;
    sim->turns++;
    if (sim->now_us != sim->turned_us) sim->turns_in_place = 0;
    sim->turned_us = sim->now_us;
    if (sim->turns_in_place++ > TURNS_IN_PLACE) fail_msg("a busy loop at %lld", (long long)sim->now_us);
    cqlua_session_turn(sim->session, sim->now_us, sim->now_us + sim->wall_ahead_us);
}

/* When the session or a node does something next; INT64_MAX: never. */
static int64_t next_time(const struct sim *sim)
{
    if (sim->is_deferred) return sim->now_us;
    int64_t due_us = sim->session == NULL ? INT64_MAX : cqlua_session_due(sim->session);
    if (sim->events_count > 0 && sim->events[0]->time_us < due_us) due_us = sim->events[0]->time_us;
    return due_us < sim->now_us ? sim->now_us : due_us;
}

bool sim_step(struct sim *sim)
{
    int64_t time_us = next_time(sim);
    if (time_us == INT64_MAX) return false;
    bool was_deferred = sim->is_deferred;
    sim->now_us = time_us;
    if (!was_deferred && sim->events_count > 0 &&
        sim->events[0]->time_us <= time_us) { /* what has arrived is read before time fires */
        struct sim_event *event = take_event(sim);
        event->happen(sim, event);
        free(event);
        sim->turns_in_place = 0;
    } else turn(sim);
    sim_collect(sim);
    return true;
}

void sim_run_until(struct sim *sim, int64_t time_us)
{
    while (next_time(sim) <= time_us) sim_step(sim);
    if (sim->now_us < time_us) sim->now_us = time_us;
}

void sim_run_for(struct sim *sim, int64_t us)
{
    sim_run_until(sim, sim->now_us + us);
}

void sim_stall(struct sim *sim, int64_t us)
{
    while (sim->is_deferred) sim_step(sim); /* time runs from the turn that first saw a request */
    sim->now_us += us;
    sim->stalled_until_us = sim->now_us;
}

void sim_run_to_open(struct sim *sim)
{
    while (!sim->is_opened)
        if (!sim_step(sim)) fail_msg("nothing happens any more, and the session has not said whether it is open");
}

/* --- the life of a simulation ---------------------------------------------------------------------------------------------- */

static void init_node(struct sim *sim, struct sim_node *node, int index)
{
    *node = (struct sim_node){.sim = sim, .version_lowest = 3, .version_highest = 5, .compression = "lz4", .latency_us = 300};
    node->address = (struct cqlua_address){.bytes = {127, 0, 0, (uint8_t)(index + 1)}, .len = 4, .port = 9042};
}

void sim_init(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->random.state = seed;
    sim->now_us = START_US;
    sim->network_us = 100;
    sim->columns_version = 1;
    sim->memory = memory_new(NULL);
    assert_non_null(sim->memory);
    for (int i = 0; i < SIM_NODES; i++) init_node(sim, &sim->nodes[i], i);
    init_node(sim, &sim->nobody, SIM_NODES);
    sim->nobody.refuses = true;
    cqlua_options_init(&sim->options);
    sim->options.discovery = CQLUA_NO; /* a spec that wants its questions says so */
    sim->transport = (struct cqlua_transport){&ops, sim};
    sim->queue = cqlua_queue_new(NULL);
    assert_non_null(sim->queue);
}

void sim_open(struct sim *sim, int nodes)
{
    char points[SIM_NODES * 16] = "";
    for (int i = 0; i < nodes; i++)
        snprintf(points + strlen(points), sizeof points - strlen(points), "%s127.0.0.%d", i == 0 ? "" : ",", i + 1);
    if (sim->options.contact_points == NULL) sim->options.contact_points = points;
    sim->options.transport = &sim->transport;
    sim->options.allocator = sim_heap_allocator(&sim->heap);
    int rc = cqlua_session_open_to(&sim->session, &sim->options, NULL, sim->queue, SIM_SESSION_TAG);
    if (sim->options.contact_points == points) sim->options.contact_points = NULL;
    sim->open_code = rc;
    if (rc != 0) assert_null(sim->session);
}

void sim_connect(struct sim *sim, int nodes)
{
    sim_open(sim, nodes);
    assert_int_equal(sim->open_code, 0);
    sim_run_to_open(sim);
    if (sim->open_code != 0) fail_msg("open: %s", sim->open_error == NULL ? "?" : sim->open_error->message);
}

static void free_calls(struct sim *sim)
{
    for (size_t i = 0; i < sim->calls_count; i++) {
        struct sim_call *call = &sim->calls[i];
        if (call->completions != (call->id > 0)) fail_msg("%s completed %d times", call->token, call->completions);
        sim_call_release(call);
    }
    free(sim->calls);
}

static void free_pipes(struct sim *sim)
{
    for (struct sim_pipe *pipe; (pipe = sim->pipes) != NULL;) {
        sim->pipes = pipe->next;
        if (!pipe->is_closed) fail_msg("a pipe was left open");
        if (pipe->wire != NULL) sim->wire->free(pipe);
        buffer_dispose(&pipe->input);
        buffer_dispose(&pipe->whole);
        free(pipe);
    }
}

static void free_events(struct sim *sim)
{
    while (sim->events_count > 0) {
        struct sim_event *event = take_event(sim);
        if (event->drop != NULL) event->drop(event);
        free(event);
    }
    free(sim->events);
}

void sim_end(struct sim *sim)
{
    cqlua_session_free(sim->session);
    if (sim->session != NULL) {
        sim->session = NULL;
        sim_collect(sim);
        assert_true(sim->is_closed);
        assert_true(sim->is_opened);
        assert_true(sim->is_released);
    }
    assert_null(sim->lookup);
    free_calls(sim);
    free_pipes(sim);
    free_events(sim);
    cqlua_error_free(sim->open_error);
    cqlua_queue_free(sim->queue);
    assert_int_equal(memory_held(sim->memory), 0);
    memory_release(sim->memory);
    assert_int_equal(sim->heap.live_blocks, 0);
    assert_int_equal(sim->heap.live_bytes, 0);
    sim->queue = NULL;
}

int sim_setup(void **state)
{
    struct sim *sim = malloc(sizeof *sim);
    assert_non_null(sim);
    sim_init(sim, 1);
    *state = sim;
    return 0;
}

int sim_teardown(void **state)
{
    struct sim *sim = *state;
    if (sim->queue != NULL) sim_end(sim);
    free(sim);
    return 0;
}
