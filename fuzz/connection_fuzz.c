/* A connection between a client that submits, gives up, switches and drains, and a server that answers anything. The input is the
 * script of both. Each request must end exactly once: answered, orphaned, or among the lost ones. */
#include "connection/connection.h"

#include "fuzz.h"
#include "wire.h"

enum { ATTEMPTS = 32 };

/* What became of each attempt. */
enum fate { FREE, IN_FLIGHT, ANSWERED, ORPHANED, LOST };

struct world {
    struct fuzz_heap heap;
    struct wheel wheel;
    struct connection_config config;
    struct connection connection;
    struct attempt attempts[ATTEMPTS];
    enum fate fates[ATTEMPTS];
    int used;
    int64_t now_us;
    struct text *keyspace;
};

/* --- the client ------------------------------------------------------------------------------------------------------------ */

static int index_of(const struct world *world, const struct attempt *attempt)
{
    ptrdiff_t index = attempt - world->attempts;
    require(index >= 0 && index < world->used);
    return (int)index;
}

static void take_answers(struct world *world)
{
    for (struct list *link; (link = list_take(&world->config.answers)) != NULL;) {
        struct attempt *attempt = container_of(link, struct attempt, link);
        int index = index_of(world, attempt);
        require(world->fates[index] == IN_FLIGHT && attempt->stream == -1);
        require(attempt->opcode == OP_RESULT || attempt->opcode == OP_ERROR);
        world->fates[index] = ANSWERED;
        fuzz_hash(FUZZ_HASH_START, attempt->body.base, attempt->body.len);
        block_unref(attempt->block);
    }
    while (list_take(&world->config.changed) != NULL) {}
}

static void submit(struct world *world)
{
    if (!connection_has_room(&world->connection) || world->used == ATTEMPTS) return;
    struct query_parameters parameters = {.consistency = CQLUA_ONE, .serial_consistency = -1};
    struct message query = {.opcode = OP_QUERY, .text = slice("SELECT", 6), .parameters = &parameters};
    struct attempt *attempt = &world->attempts[world->used];
    list_init(&attempt->link);
    attempt->kind = ATTEMPT_REQUEST;
    require(connection_submit(&world->connection, attempt, &query) == 0);
    world->fates[world->used++] = IN_FLIGHT;
}

static void orphan(struct world *world, int index)
{
    if (index >= world->used || world->fates[index] != IN_FLIGHT || world->connection.state == CONNECTION_CLOSED) return;
    connection_orphan(&world->connection, &world->attempts[index], world->now_us);
    world->fates[index] = ORPHANED;
}

static void pass_time(struct world *world, int64_t us)
{
    world->now_us += us;
    wheel_advance(&world->wheel, world->now_us);
    for (struct timer *timer; (timer = wheel_take(&world->wheel)) != NULL;) {
        bool is_orphans = timer->kind == TIMER_ORPHANS;
        connection_step(&world->connection, is_orphans ? CONNECTION_ORPHAN_TIME : CONNECTION_TIME, world->now_us);
    }
}

static void take_output(struct world *world, size_t most)
{
    if (world->connection.state == CONNECTION_CLOSED) return;
    list_remove(&world->connection.output);
    struct cqlua_slice output = connection_output(&world->connection);
    fuzz_hash(FUZZ_HASH_START, output.base, output.len);
    if (output.len > 0) connection_sent(&world->connection, output.len < most ? output.len : most);
}

/* --- the server ------------------------------------------------------------------------------------------------------------ */

static void feed(struct world *world, struct cqlua_slice bytes)
{
    const uint8_t *at = bytes.base;
    for (size_t left = bytes.len; left > 0 && world->connection.state != CONNECTION_CLOSED;) {
        size_t room = 0;
        void *to = connection_room(&world->connection, &room);
        require(to != NULL && room > 0);
        size_t len = left < room ? left : room;
        memcpy(to, at, len);
        connection_feed(&world->connection, len, world->now_us);
        at += len;
        left -= len;
    }
}

static void feed_segment(struct world *world, struct cqlua_slice payload)
{
    struct buffer wire;
    buffer_init(&wire, world->heap.memory, INT32_MAX);
    fuzz_put_segment(payload, true, world->connection.inbound.is_lz4, payload.len % 2, &wire);
    feed(world, slice(wire.base, wire.len));
    buffer_dispose(&wire);
}

/* Whose answer it is: the connection's own messages, a request's, the server's stream, or any. */
static int16_t stream_of(const struct world *world, uint8_t how)
{
    int index = how % 64;
    if (how & 0x80) return (int16_t)(how == 0xFF ? -1 : how - 0x80);
    if (index < world->used) return (int16_t)world->attempts[index].stream;
    return (int16_t)(index % 2 ? world->connection.beat.stream : world->connection.own.stream);
}

/* opcode, flags, whose answer it is, and a body of one byte's length. */
static void answer(struct world *world, struct reader *input)
{
    uint8_t header[FRAME_HEADER], version = world->connection.version, opcode = read_u8(input);
    if (opcode & 0x80) version = (uint8_t)fuzz_version(input);
    struct frame_header frame = {version, true, read_u8(input) & 0x1E, stream_of(world, read_u8(input)), opcode & 0x1F, 0};
    size_t len = read_u8(input);
    struct cqlua_slice body = read_slice(input, len < reader_left(input) ? len : reader_left(input));
    frame.length = (uint32_t)body.len;
    frame_header_encode(header, &frame);
    struct buffer whole;
    buffer_init(&whole, world->heap.memory, INT32_MAX);
    put_raw(&whole, header, sizeof header);
    put_raw(&whole, body.base, body.len);
    if (world->connection.inbound.is_segmented) feed_segment(world, slice(whole.base, whole.len));
    else feed(world, slice(whole.base, whole.len));
    buffer_dispose(&whole);
}

/* --- the script ------------------------------------------------------------------------------------------------------------ */

static void switch_keyspace(struct world *world)
{
    if (world->connection.state != CONNECTION_READY || connection_is_in(&world->connection, world->keyspace)) return;
    connection_switch(&world->connection, world->keyspace, world->now_us);
}

static void act(struct world *world, struct reader *input)
{
    uint8_t op = read_u8(input);
    switch (op % 8) {
    case 0:
    case 1: answer(world, input); break;
    case 2: submit(world); break;
    case 3: orphan(world, op >> 3); break;
    case 4: pass_time(world, (int64_t)(op >> 3) * 400000); break;
    case 5: take_output(world, (size_t)(op >> 3) * 8 + 1); break;
    case 6: switch_keyspace(world); break;
    default:
        if (op >> 3 == 0) connection_drain(&world->connection);
        else if (op >> 3 == 1) connection_give_credentials(&world->connection, slice_of("user"), slice_of("secret"));
        else feed(world, read_slice(input, (size_t)(op >> 3) < reader_left(input) ? op >> 3 : 0));
    }
    take_answers(world);
}

static void begin(struct world *world, struct reader *input)
{
    uint8_t how = read_u8(input);
    *world = (struct world){.now_us = 1000000};
    fuzz_heap_init(&world->heap, 1 << 20); /* stream ids take their place at once */
    wheel_init(&world->wheel, world->now_us);
    world->config = (struct connection_config){
        .memory = world->heap.memory,
        .wheel = &world->wheel,
        .heartbeat_interval_us = 10000000,
        .heartbeat_timeout_us = 5000000,
        .max_frame = 1 << 20,
        .max_in_flight = 20,
        .username = how & 0x10 ? slice_of("user") : slice(NULL, 0),
        .password = slice_of("secret"),
        .asks_credentials = how & 0x20,
        .wants_lz4 = how & 0x80,
    };
    list_init(&world->config.answers);
    list_init(&world->config.changed);
    list_init(&world->config.output);
    world->keyspace = text_new(world->heap.memory, slice_of("Shop"));
    struct text *first = how & 0x40 ? world->keyspace : NULL;
    int rc = connection_init(&world->connection, &world->config, 3 + (how & 15) % 3, true, first, world->now_us + 10000000);
    require(rc == 0);
    connection_step(&world->connection, CONNECTION_PIPE_OPEN, world->now_us);
}

static void end(struct world *world)
{
    int32_t cursor = 0;
    if (world->connection.state != CONNECTION_CLOSED) connection_fail(&world->connection, 0, "the script has ended");
    for (struct attempt *lost; (lost = connection_take_lost(&world->connection, &cursor)) != NULL;) {
        int index = index_of(world, lost);
        require(world->fates[index] == IN_FLIGHT);
        world->fates[index] = LOST;
    }
    for (int i = 0; i < world->used; i++) require(world->fates[i] != IN_FLIGHT);
    while (list_take(&world->config.changed) != NULL) {}
    connection_dispose(&world->connection);
    require(world->wheel.armed == 0);
    text_unref(world->keyspace);
    fuzz_heap_dispose(&world->heap);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct world world;
    struct reader input = reader_of(slice(bytes, len));
    begin(&world, &input);
    while (reader_left(&input) > 0) act(&world, &input);
    end(&world);
    return 0;
}
