/* A client's connection: bytes to frames, replies to bytes, and what goes wrong on the way.
 *
 *   PEER_NEW -- STARTUP --> PEER_READY                     with v5, both ways are in segments behind the answer to STARTUP
 *       |                      ^
 *       +--> PEER_AUTHENTICATING                           each --> PEER_CLOSED
 *
 * A reply leaves at once, or when its delay is over and as many later ones have left as it is held for. */
#include <assert.h>

#include "protocol/segment.h"
#include "testing/server.h"

enum { READ_ROOM = 16 * 1024, READS_MAX = 16, DRIP_US = 1000 };

struct reply {
    struct list link; /* in its peer's replies */
    struct loop_alarm alarm;
    struct peer *peer;
    struct answer answer;
    int held; /* later replies that must leave first */
    bool is_delayed;
};

/* --- life -------------------------------------------------------------------------------------------------------------------- */

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
    buffer_dispose(&peer->input);
    buffer_dispose(&peer->whole);
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

/* --- frames out -------------------------------------------------------------------------------------------------------------- */

static void put_frame(struct buffer *out, const struct answer *answer)
{
    const struct rule *rule = answer->rule;
    struct frame_header header = {answer->version, true,           answer->flags,
                                  answer->stream,  answer->opcode, (uint32_t)answer->body.len};
    if (rule != NULL && rule->frame_flags >= 0) header.flags = (uint8_t)rule->frame_flags;
    if (rule != NULL && rule->frame_stream >= INT16_MIN) header.stream = (int16_t)rule->frame_stream;
    if (rule != NULL && rule->frame_opcode >= 0) header.opcode = (uint8_t)rule->frame_opcode;
    if (rule != NULL && rule->frame_length >= 0) header.length = (uint32_t)rule->frame_length;
    uint8_t *at = buffer_add(out, FRAME_HEADER);
    if (at == NULL) return;
    frame_header_encode(at, &header);
    if (rule != NULL && rule->frame_version >= 0) at[0] = (uint8_t)rule->frame_version;
    put_raw(out, answer->body.base, answer->body.len);
}

static void put_segment(struct buffer *out, const uint8_t *payload, size_t len, bool is_self_contained)
{
    uint8_t *at = buffer_add(out, SEGMENT_HEADER + len + SEGMENT_TRAILER);
    if (at == NULL) return;
    segment_header_encode(at, &(struct segment_header){(uint32_t)len, is_self_contained});
    memcpy(at + SEGMENT_HEADER, payload, len);
    segment_trailer_encode(at + SEGMENT_HEADER + len, payload, len);
}

/* A frame in as many segments as it takes. */
static void put_segments(struct buffer *out, const struct buffer *frame)
{
    for (size_t at = 0; at < frame->len;) {
        size_t part = frame->len - at > SEGMENT_PAYLOAD_MAX ? SEGMENT_PAYLOAD_MAX : frame->len - at;
        put_segment(out, frame->base + at, part, frame->len <= SEGMENT_PAYLOAD_MAX);
        at += part;
    }
}

/* The reply as it goes over the wire. */
static void put_reply(struct peer *peer, struct buffer *out, const struct answer *answer)
{
    struct buffer frame;
    if (answer->rule != NULL && answer->rule->raw != NULL) {
        put_raw(out, answer->rule->raw->chars, answer->rule->raw->len);
    } else if (!peer->is_segmented) {
        put_frame(out, answer);
    } else {
        buffer_init(&frame, out->memory, INT32_MAX);
        put_frame(&frame, answer);
        if (frame.error == 0) put_segments(out, &frame);
        else out->error = frame.error;
        buffer_dispose(&frame);
    }
}

/* --- bytes out --------------------------------------------------------------------------------------------------------------- */

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
static void send(struct peer *peer, const uint8_t *bytes, size_t len, uint32_t drip)
{
    bool is_first = peer->output.len == 0;
    put_raw(&peer->output, bytes, len);
    if (is_first) peer->drip = drip;
    else if (drip > 0) peer->drip = drip;
    if (is_first || peer->is_ending) flush(peer);
}

/* --- replies ------------------------------------------------------------------------------------------------------------------- */

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
    if (answer->opens_segments) peer->is_segmented = true;
    if (rule->corrupt >= 0 && (size_t)rule->corrupt < out.len) out.base[rule->corrupt] ^= 0x10;
    if (rule->truncate >= 0 && (size_t)rule->truncate < out.len) out.len = (size_t)rule->truncate;
    peer->is_ending |= answer->ends || rule->truncate >= 0 || out.error != 0;
    send(peer, out.base, out.len, drip_of(peer, answer->rule));
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
    reply->is_delayed = rule->delay_us > 0;
    loop_alarm_init(&reply->alarm, on_time);
    list_append(&peer->replies, &reply->link);
    if (reply->is_delayed) loop_alarm_set(loop, &reply->alarm, cqlua_loop_clock(loop) + rule->delay_us);
}

/* --- bytes in -------------------------------------------------------------------------------------------------------------------- */

static void got_frame(struct peer *peer, const uint8_t *at, size_t whole)
{
    const struct cqlua_server *server = peer->node->server;
    struct frame_header header = frame_header_decode(at);
    if (peer->version == 0) peer->version = header.version;
    bool is_spoken = header.version >= PROTOCOL_LOWEST && header.version <= server->version_highest;
    if (header.is_response || header.version != peer->version) peer_close(peer);
    else if (!is_spoken) answer_version(peer, &header);
    else answer_request(peer, &header, slice(at + FRAME_HEADER, whole - FRAME_HEADER));
}

static bool is_listening(const struct peer *peer)
{
    return peer->state != PEER_CLOSED && !peer->is_ending;
}

/* One frame that stands whole at `at`: its length, or 0. */
static size_t take_frame(struct peer *peer, const uint8_t *at, size_t len)
{
    if (len < FRAME_HEADER) return 0;
    uint32_t length = frame_header_decode(at).length;
    if (length > INT32_MAX) peer_close(peer);
    size_t whole = FRAME_HEADER + (size_t)length;
    if (len < whole || !is_listening(peer)) return 0;
    got_frame(peer, at, whole);
    return whole;
}

static size_t take_frames(struct peer *peer, const uint8_t *at, size_t len)
{
    size_t done = 0;
    for (size_t taken; is_listening(peer) && (taken = take_frame(peer, at + done, len - done)) > 0;) done += taken;
    return done;
}

static void got_payload(struct peer *peer, const struct segment_header *segment, const uint8_t *payload)
{
    if (segment->is_self_contained) {
        size_t done = take_frames(peer, payload, segment->payload);
        if (done < segment->payload && is_listening(peer)) peer_close(peer);
        return;
    }
    put_raw(&peer->whole, payload, segment->payload);
    buffer_consume(&peer->whole, take_frames(peer, peer->whole.base, peer->whole.len));
}

/* One segment that stands whole at `at`: its length, or 0. */
static size_t take_segment(struct peer *peer, const uint8_t *at, size_t len)
{
    struct segment_header segment;
    if (len < SEGMENT_HEADER) return 0;
    if (segment_header_decode(at, &segment) != 0) {
        peer_close(peer);
        return 0;
    }
    size_t whole = SEGMENT_HEADER + (size_t)segment.payload + SEGMENT_TRAILER;
    const uint8_t *payload = at + SEGMENT_HEADER;
    if (len < whole) return 0;
    if (segment_trailer_check(payload + segment.payload, payload, segment.payload) != 0) peer_close(peer);
    else got_payload(peer, &segment, payload);
    return whole;
}

static void understand(struct peer *peer)
{
    size_t done = 0;
    while (is_listening(peer)) {
        const uint8_t *at = peer->input.base + done;
        size_t len = peer->input.len - done;
        size_t taken = peer->is_segmented ? take_segment(peer, at, len) : take_frame(peer, at, len);
        if (taken == 0) break;
        done += taken;
    }
    buffer_consume(&peer->input, done);
}

/* False: it ended. */
static bool read_once(struct peer *peer)
{
    if (buffer_grow(&peer->input, READ_ROOM) != 0) return false;
    int64_t received = stream_read(&peer->stream, peer->input.base + peer->input.len, READ_ROOM);
    if (received <= 0) return received == 0;
    peer->input.len += (size_t)received;
    understand(peer);
    return true;
}

static bool readable(struct stream *stream, int64_t now_us)
{
    struct peer *peer = container_of(stream, struct peer, stream);
    (void)now_us;
    peer->refs++;
    for (int reads = 0; reads < READS_MAX && peer->state != PEER_CLOSED; reads++) {
        size_t before = peer->input.len;
        if (!read_once(peer)) peer_close(peer);
        else if (peer->state != PEER_CLOSED && peer->input.len == before) break;
    }
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
    buffer_init(&peer->input, server->memory, INT32_MAX);
    buffer_init(&peer->whole, server->memory, INT32_MAX);
    buffer_init(&peer->output, server->memory, INT32_MAX);
    loop_alarm_init(&peer->dripping, on_drip);
    list_init(&peer->replies);
    list_append(&node->peers, &peer->link);
    if (stream_open(&peer->stream, server->loop, fd) != 0) peer_close(peer);
}
