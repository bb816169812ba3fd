/* A client's connection: bytes to frames, replies to bytes, and what goes wrong on the way.
 *
 *   PEER_NEW -- STARTUP --> PEER_READY                     with v5, both ways are in segments behind the answer to STARTUP
 *       |                      ^
 *       +--> PEER_AUTHENTICATING                           each --> PEER_CLOSED
 *
 * A reply leaves at once, or when its delay is over and as many later ones have left as it is held for. */
#include <assert.h>

#include "connection/outbound.h"
#include "testing/server.h"

enum { READS_MAX = 16, DRIP_US = 1000 };

struct reply {
    struct list link; /* in its peer's replies */
    struct loop_alarm alarm;
    struct peer *peer;
    struct answer answer;
    int held;                 /* later replies that must leave first */
    bool is_delayed, is_held; /* held: it has to be, or had */
};

/* --- life ------------------------------------------------------------------------------------------------------------------ */

void peer_set_state(struct peer *peer, enum peer_state state)
{
    static const unsigned char legal[] = {
        [PEER_NEW] = 1 << PEER_AUTHENTICATING | 1 << PEER_READY | 1 << PEER_CLOSED,
        [PEER_AUTHENTICATING] = 1 << PEER_READY | 1 << PEER_CLOSED,
        [PEER_READY] = 1 << PEER_CLOSED,
        [PEER_CLOSED] = 0,
    };
    assert(legal[peer->state] >> state & 1);
    peer->state = state;
}

static void unref(struct peer *peer)
{
    if (--peer->refs > 0) return;
    inbound_dispose(&peer->inbound);
    buffer_dispose(&peer->output);
    text_unref(peer->keyspace);
    memory_free(peer->node->server->memory, peer, sizeof *peer);
}

static void answer_dispose(struct answer *answer)
{
    buffer_dispose(&answer->body);
    rule_unref(answer->rule);
}

static void reply_free(struct reply *reply)
{
    loop_alarm_clear(&reply->alarm);
    list_remove(&reply->link);
    if (reply->is_held) reply->peer->held--;
    answer_dispose(&reply->answer);
    memory_free(reply->peer->node->server->memory, reply, sizeof *reply);
}

/* What still runs for it sees that it is closed. */
void peer_close(struct peer *peer)
{
    if (peer->state == PEER_CLOSED) return;
    peer_set_state(peer, PEER_CLOSED);
    stream_close(&peer->stream);
    loop_alarm_clear(&peer->dripping);
    while (!list_is_empty(&peer->replies)) reply_free(container_of(peer->replies.next, struct reply, link));
    list_remove(&peer->link);
    unref(peer);
}

/* --- frames out ------------------------------------------------------------------------------------------------------------ */

/* What a rule puts into the header in the place of what belongs there. */
static void override(struct frame_header *header, const struct rule *rule)
{
    if (rule->frame_flags >= 0) header->flags = (uint8_t)rule->frame_flags;
    if (rule->frame_stream >= INT16_MIN) header->stream = (int16_t)rule->frame_stream;
    if (rule->frame_opcode >= 0) header->opcode = (uint8_t)rule->frame_opcode;
}

/* The frame stands in its segment, which is not sealed yet; one too large for a segment is, and gets a wrong checksum. */
static void override_bytes(uint8_t *frame, const struct rule *rule)
{
    if (rule->frame_version >= 0) frame[0] = (uint8_t)rule->frame_version;
    if (rule->frame_length >= 0) store_u32(frame + 5, (uint32_t)rule->frame_length);
}

static void put_frame(const struct peer *peer, struct buffer *out, const struct answer *answer)
{
    struct frame_header header = {answer->version, true, answer->flags, answer->stream, answer->opcode, 0};
    struct outbound outbound;
    uint64_t end;
    size_t len;
    outbound_init(&outbound, out->memory, INT32_MAX);
    outbound.is_segmented = peer->is_segmented;
    outbound.is_lz4 = peer->is_lz4;
    if (answer->rule != NULL) override(&header, answer->rule);
    outbound_begin(&outbound, &header);
    put_raw(&outbound.buffer, answer->body.base, answer->body.len);
    int rc = outbound_end(&outbound, &end, &len);
    if (rc == 0 && answer->rule != NULL) override_bytes(outbound.buffer.base + outbound.frame, answer->rule);
    struct cqlua_slice bytes = outbound_peek(&outbound);
    put_raw(out, bytes.base, bytes.len);
    if (rc != 0 && out->error == 0) out->error = rc;
    outbound_dispose(&outbound);
}

/* The reply as it goes over the wire. */
static void put_reply(const struct peer *peer, struct buffer *out, const struct answer *answer)
{
    const struct text *raw = answer->rule == NULL ? NULL : answer->rule->raw;
    if (raw != NULL) put_raw(out, raw->chars, raw->len);
    else put_frame(peer, out, answer);
}

/* --- bytes out ------------------------------------------------------------------------------------------------------------- */

static void flush(struct peer *peer)
{
    size_t len = peer->output.len;
    if (peer->drip > 0 && len > peer->drip) len = peer->drip;
    int64_t taken = len == 0 ? 0 : stream_write(&peer->stream, peer->output.base, len);
    if (taken < 0) {
        peer_close(peer);
        return;
    }
    buffer_consume(&peer->output, (size_t)taken);
    struct cqlua_loop *loop = peer->node->server->loop;
    if (peer->output.len == 0 && peer->is_ending) peer_close(peer);
    else if (peer->output.len > 0 && peer->drip > 0) loop_alarm_set(loop, &peer->dripping, cqlua_loop_clock(loop) + DRIP_US);
}

static void on_drip(struct loop_alarm *alarm, int64_t now_us)
{
    (void)now_us;
    flush(container_of(alarm, struct peer, dripping));
}

static void writable(struct stream *stream, int64_t now_us)
{
    (void)now_us;
    flush(container_of(stream, struct peer, stream));
}

static uint32_t drip_of(const struct peer *peer, const struct rule *rule)
{
    return rule != NULL && rule->drip > 0 ? rule->drip : peer->node->server->drip;
}

/* Behind bytes that still drip, everything drips. */
static void put_output(struct peer *peer, const uint8_t *bytes, size_t len, uint32_t drip)
{
    bool is_first = peer->output.len == 0;
    put_raw(&peer->output, bytes, len);
    if (is_first) peer->drip = drip;
    else if (drip > 0) peer->drip = drip;
    if (is_first || peer->is_ending) flush(peer);
}

/* --- replies --------------------------------------------------------------------------------------------------------------- */

/* Behind the answer to STARTUP, both ways are as it was agreed: in segments, compressed. */
static void start(struct peer *peer, const struct answer *answer)
{
    peer->is_segmented = answer->version >= 5;
    peer->is_lz4 = peer->inbound.is_lz4 = answer->is_lz4;
    if (peer->is_segmented) inbound_switch_to_segments(&peer->inbound);
}

static void deliver(struct peer *peer, struct answer *answer)
{
    static const struct rule plain = {.answers = 1, .truncate = -1, .corrupt = -1};
    const struct rule *rule = answer->rule == NULL ? &plain : answer->rule;
    struct buffer out;
    if (rule->closes) {
        peer_close(peer);
        return;
    }
    buffer_init(&out, peer->node->server->memory, INT32_MAX);
    for (int i = 0; i < rule->answers; i++) put_reply(peer, &out, answer);
    if (answer->is_started) start(peer, answer);
    if (rule->corrupt >= 0 && (size_t)rule->corrupt < out.len) out.base[rule->corrupt] ^= 0x10;
    if (rule->truncate >= 0 && (size_t)rule->truncate < out.len) out.len = (size_t)rule->truncate;
    peer->is_ending |= answer->ends || rule->truncate >= 0 || out.error != 0;
    put_output(peer, out.base, out.len, drip_of(peer, answer->rule));
    buffer_dispose(&out);
}

static bool is_ready(const struct reply *reply)
{
    return !reply->is_delayed && reply->held == 0;
}

static void send_reply(struct reply *reply);

/* A reply has left: those that are held for it come nearer. */
static void count_sent(struct peer *peer)
{
    struct list *last = peer->replies.prev;
    if (peer->held == 0) return; /* what only waits for its time may be many */
    for (struct list *link = peer->replies.next; link != &peer->replies; link = link->next) {
        struct reply *reply = container_of(link, struct reply, link);
        if (reply->held > 0) reply->held--;
        if (link == last) break;
    }
    for (struct list *link = peer->replies.next; link != &peer->replies; link = link->next) {
        struct reply *reply = container_of(link, struct reply, link);
        if (!is_ready(reply)) continue;
        send_reply(reply); /* which counts itself, and sends the others */
        return;
    }
}

static void deliver_and_count(struct peer *peer, struct answer *answer)
{
    peer->refs++;
    deliver(peer, answer);
    answer_dispose(answer);
    if (peer->state != PEER_CLOSED) count_sent(peer);
    unref(peer);
}

static void send_reply(struct reply *reply)
{
    struct answer answer = reply->answer;
    struct peer *peer = reply->peer;
    reply->answer.rule = NULL;
    buffer_init(&reply->answer.body, peer->node->server->memory, INT32_MAX);
    reply_free(reply);
    deliver_and_count(peer, &answer);
}

static void on_time(struct loop_alarm *alarm, int64_t now_us)
{
    struct reply *reply = container_of(alarm, struct reply, alarm);
    (void)now_us;
    reply->is_delayed = false;
    if (is_ready(reply)) send_reply(reply);
}

void peer_reply(struct peer *peer, struct answer *answer)
{
    const struct rule *rule = answer->rule;
    struct cqlua_loop *loop = peer->node->server->loop;
    if (rule == NULL || (rule->delay_us == 0 && rule->hold == 0)) {
        deliver_and_count(peer, answer);
        return;
    }
    struct reply *reply = memory_zero(peer->node->server->memory, sizeof *reply);
    if (reply == NULL) {
        answer_dispose(answer);
        peer_close(peer);
        return;
    }
    reply->peer = peer;
    reply->answer = *answer;
    reply->held = rule->hold;
    reply->is_held = rule->hold > 0;
    if (reply->is_held) peer->held++;
    reply->is_delayed = rule->delay_us > 0;
    loop_alarm_init(&reply->alarm, on_time);
    list_append(&peer->replies, &reply->link);
    if (reply->is_delayed) loop_alarm_set(loop, &reply->alarm, cqlua_loop_clock(loop) + rule->delay_us);
}

/* --- bytes in -------------------------------------------------------------------------------------------------------------- */

static void got_frame(struct peer *peer, const struct inbound_frame *frame)
{
    const struct frame_header *header = &frame->header;
    if (peer->version == 0) peer->version = header->version;
    bool is_spoken = header->version >= PROTOCOL_LOWEST && header->version <= peer->node->server->version_highest;
    if (header->version != peer->version) peer_close(peer);
    else if (!is_spoken) answer_version(peer, header);
    else answer_request(peer, header, frame->body);
}

static bool is_listening(const struct peer *peer)
{
    return peer->state != PEER_CLOSED && !peer->is_ending;
}

static void take_frames(struct peer *peer)
{
    struct inbound_frame frame = {.block = NULL};
    struct failure failure;
    int rc = 0;
    while (is_listening(peer) && (rc = inbound_next(&peer->inbound, &frame, &failure)) > 0) got_frame(peer, &frame);
    if (rc < 0) peer_close(peer);
}

/* Whether there may be more to read. */
static bool read_once(struct peer *peer)
{
    size_t len;
    void *room = inbound_room(&peer->inbound, &len);
    int64_t received = room == NULL ? CQLUA_ENO_MEMORY : stream_read(&peer->stream, room, len);
    if (received > 0) {
        inbound_received(&peer->inbound, (size_t)received);
        take_frames(peer);
    } else if (received < 0) {
        peer_close(peer);
    }
    return received == (int64_t)len && peer->state != PEER_CLOSED;
}

static bool readable(struct stream *stream, int64_t now_us)
{
    struct peer *peer = container_of(stream, struct peer, stream);
    (void)now_us;
    peer->refs++;
    for (int reads = 1; read_once(peer) && reads < READS_MAX;) reads++;
    bool is_open = peer->state != PEER_CLOSED;
    unref(peer);
    return is_open;
}

void peer_new(struct server_node *node, int fd)
{
    struct cqlua_server *server = node->server;
    struct peer *peer = memory_zero(server->memory, sizeof *peer);
    struct stream lost = {0};
    if (peer == NULL) {
        if (stream_open(&lost, server->loop, fd) == 0) stream_close(&lost);
        return;
    }
    peer->node = node;
    peer->refs = 1;
    peer->stream.readable = readable;
    peer->stream.writable = writable;
    peer->stream.is_paused = node->is_paused;
    inbound_init(&peer->inbound, server->memory, INT32_MAX);
    peer->inbound.takes_requests = true;
    buffer_init(&peer->output, server->memory, INT32_MAX);
    loop_alarm_init(&peer->dripping, on_drip);
    list_init(&peer->replies);
    list_append(&node->peers, &peer->link);
    if (stream_open(&peer->stream, server->loop, fd) != 0) peer_close(peer);
}
