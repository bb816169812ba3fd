// cqlsink: a caching proxy for the CQL native protocol v3, v4 and v5, for benchmarks.
// The first time a QUERY, EXECUTE or BATCH body is seen (default timestamp ignored) it is answered by the real server behind
// it; from then on the same bytes are replayed from memory, so that the client is the bottleneck. No lz4, no TLS, no auth.
// usage: cqlsink LISTEN_PORT UPSTREAM_PORT      (both on 127.0.0.1; build with -lz)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum { HEADER = 9, SEGMENT_MAX = 131071, BUCKETS = 1 << 20 };
enum { OP_READY = 0x02, OP_AUTHENTICATE = 0x03, OP_QUERY = 0x07, OP_RESULT = 0x08, OP_EXECUTE = 0x0A, OP_BATCH = 0x0D };

struct buf {
    uint8_t *p;
    size_t r, w, cap;
};

static void need(struct buf *b, size_t n)
{
    if (b->r == b->w) b->r = b->w = 0;
    if (b->cap - b->w >= n) return;
    if (b->r) {
        memmove(b->p, b->p + b->r, b->w - b->r);
        b->w -= b->r;
        b->r = 0;
    }
    if (b->cap - b->w < n) {
        b->cap = (b->cap + n) * 2;
        b->p = realloc(b->p, b->cap);
    }
}
static void put(struct buf *b, const void *d, size_t n)
{
    need(b, n);
    memcpy(b->p + b->w, d, n);
    b->w += n;
}
static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}
static uint32_t be16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

// -- the cache: body hash -> answer ------------------------------------------------------------------------------------------
struct answer {
    uint64_t key;
    uint8_t flags;
    uint32_t len;
    uint8_t *body;
    struct answer *next;
};
static struct answer *cache[BUCKETS];

static struct answer *lookup(uint64_t key)
{
    struct answer *a = cache[key & (BUCKETS - 1)];
    while (a && a->key != key) a = a->next;
    return a;
}
static void remember(uint64_t key, const uint8_t *frame, uint32_t len)
{
    uint32_t kind = len >= 4 ? be32(frame + HEADER) : 0;
    if (!key || frame[4] != OP_RESULT || (kind != 1 && kind != 2) || lookup(key)) return;
    struct answer *a = malloc(sizeof *a);
    *a = (struct answer){key, frame[1], len, malloc(len), cache[key & (BUCKETS - 1)]};
    memcpy(a->body, frame + HEADER, len);
    cache[key & (BUCKETS - 1)] = a;
}
static uint64_t hash(uint64_t h, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = (h ^ v) * 0x9E3779B97F4A7C15ull;
        h ^= h >> 29;
    }
    while (n--) h = (h ^ *p++) * 0x100000001b3ull;
    return h ^ h >> 32;
}
// The key of a request, 0 if it must be passed on. A default timestamp is the last 8 bytes of the body.
static uint64_t key_of(const uint8_t *frame, uint32_t n)
{
    const uint8_t *b = frame + HEADER;
    int version = frame[0] & 0x7f, op = frame[4];
    size_t o, flag_bytes = version >= 5 ? 4 : 1;
    if (frame[1]) return 0; // tracing, payload, compression
    uint64_t h = 0xcbf29ce484222325ull ^ op ^ (uint64_t)version << 8;
    if (op == OP_QUERY) {
        if (!memmem(b, n, "bench", 5)) return 0;
        o = 4 + be32(b);
    } else if (op == OP_EXECUTE) {
        o = 2 + be16(b);
        if (version >= 5) o += 2 + be16(b + o);
    } else if (op == OP_BATCH) {
        return hash(h, b, n > 8 + flag_bytes && b[n - 9] & 0x20 ? n - 8 : n) | 1;
    } else return 0;
    if (o + 2 + flag_bytes > n) return 0;
    uint32_t flags = version >= 5 ? be32(b + o + 2) : b[o + 2];
    if (flags & 0x180) return 0; // keyspace, now_in_seconds
    return hash(h, b, flags & 0x20 && n > 8 ? n - 8 : n) | 1;
}

// -- v5 segments -------------------------------------------------------------------------------------------------------------
static uint32_t crc24(uint64_t header, int bytes)
{
    uint32_t crc = 0x875060;
    while (bytes-- > 0) {
        crc ^= (uint32_t)(header & 0xff) << 16;
        header >>= 8;
        for (int i = 0; i < 8; i++) {
            crc <<= 1;
            if (crc & 0x1000000) crc ^= 0x1974F0B;
        }
    }
    return crc;
}
static uint32_t crc_payload(const uint8_t *p, size_t n)
{
    static const uint8_t seed[4] = {0xFA, 0x2D, 0x55, 0xCA};
    return crc32(crc32(0, seed, 4), p, n);
}
static void put_segment(struct buf *out, const uint8_t *p, size_t n, int self_contained)
{
    uint64_t header = n | (uint64_t)self_contained << 17;
    header |= (uint64_t)crc24(header, 3) << 24;
    uint32_t crc = crc_payload(p, n);
    put(out, &header, 6); // little-endian, as is this machine
    put(out, p, n);
    put(out, &crc, 4);
}
static void put_segments(struct buf *out, struct buf *frames)
{
    while (frames->r < frames->w) {
        size_t n = 0, left = frames->w - frames->r, next;
        const uint8_t *p = frames->p + frames->r;
        while (n < left && n + (next = HEADER + be32(p + n + 5)) <= SEGMENT_MAX) n += next;
        if (n) {
            put_segment(out, p, n, 1);
            frames->r += n;
            continue;
        }
        size_t whole = HEADER + be32(p + 5);
        for (size_t o = 0; o < whole; o += SEGMENT_MAX)
            put_segment(out, p + o, whole - o < SEGMENT_MAX ? whole - o : SEGMENT_MAX, 0);
        frames->r += whole;
    }
}

// -- connections: each client has its own connection to the real server --------------------------------------------------------
struct conn {
    int fd, is_upstream, segments, dead, armed;
    struct conn *peer;
    struct buf in, frames_in, frames_out, out;
    uint64_t *pending;
};
static int ep;

static void arm(struct conn *c, int want_write)
{
    if (c->armed == want_write || c->dead) return;
    c->armed = want_write;
    struct epoll_event e = {EPOLLIN | (want_write ? EPOLLOUT : 0), {.ptr = c}};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void flush(struct conn *c)
{
    if (c->segments) put_segments(&c->out, &c->frames_out);
    else if (c->frames_out.r < c->frames_out.w) {
        put(&c->out, c->frames_out.p + c->frames_out.r, c->frames_out.w - c->frames_out.r);
        c->frames_out.r = c->frames_out.w;
    }
    while (c->out.r < c->out.w) {
        ssize_t n = write(c->fd, c->out.p + c->out.r, c->out.w - c->out.r);
        if (n < 0) {
            if (errno == EAGAIN) arm(c, 1);
            else c->dead = 1;
            return;
        }
        c->out.r += n;
    }
    arm(c, 0);
}
static void refuse_version(struct conn *c, const uint8_t *frame)
{
    static const char text[] = "Invalid or unsupported protocol version; supported versions are (3/v3, 4/v4, 5/v5)";
    uint8_t head[15] = {0x85, 0, frame[2], frame[3], 0, 0, 0, 0, 6 + sizeof text - 1, 0, 0, 0, 0x0A, 0, sizeof text - 1};
    put(&c->frames_out, head, sizeof head);
    put(&c->frames_out, text, sizeof text - 1);
}
static void from_client(struct conn *c, const uint8_t *frame, uint32_t len)
{
    if ((frame[0] & 0x7f) > 5) {
        refuse_version(c, frame);
        return;
    }
    uint64_t key = key_of(frame, len);
    struct answer *a = key ? lookup(key) : NULL;
    if (!a) {
        c->pending[be16(frame + 2) & 0x7fff] = key;
        put(&c->peer->frames_out, frame, HEADER + len);
        return;
    }
    uint8_t head[HEADER] = {frame[0] | 0x80, a->flags, frame[2], frame[3], OP_RESULT};
    uint32_t n = htonl(a->len);
    memcpy(head + 5, &n, 4);
    put(&c->frames_out, head, HEADER);
    put(&c->frames_out, a->body, a->len);
}
static void from_upstream(struct conn *c, const uint8_t *frame, uint32_t len)
{
    uint32_t stream = be16(frame + 2);
    if (stream < 0x8000) {
        remember(c->peer->pending[stream], frame, len);
        c->peer->pending[stream] = 0;
    }
    put(&c->peer->frames_out, frame, HEADER + len);
    if ((frame[0] & 0x7f) == 5 && (frame[4] == OP_READY || frame[4] == OP_AUTHENTICATE) && !c->segments) {
        flush(c->peer); // the answer to STARTUP is the last unsegmented frame
        c->segments = c->peer->segments = 1;
    }
}
static void unwrap_segments(struct conn *c)
{
    for (;;) {
        size_t n = c->in.w - c->in.r, len;
        uint8_t *p = c->in.p + c->in.r;
        if (n < 6 || n < 10 + (len = (p[0] | p[1] << 8 | p[2] << 16) & 0x1ffff)) return;
        put(&c->frames_in, p + 6, len);
        c->in.r += 10 + len;
    }
}
static void received(struct conn *c)
{
    for (;;) {
        if (c->segments) unwrap_segments(c);
        struct buf *b = c->segments ? &c->frames_in : &c->in;
        size_t n = b->w - b->r;
        uint32_t len;
        if (n < HEADER || n < HEADER + (size_t)(len = be32(b->p + b->r + 5))) break;
        b->r += HEADER + len;
        (c->is_upstream ? from_upstream : from_client)(c, b->p + b->r - HEADER - len, len);
    }
    flush(c);
    flush(c->peer);
}
static int tcp(int port, int listening)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (listening ? bind(fd, (void *)&a, sizeof a) || listen(fd, 1024) : connect(fd, (void *)&a, sizeof a)) {
        perror("cqlsink");
        exit(1);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}
static struct conn *watch(int fd, int is_upstream)
{
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->is_upstream = is_upstream;
    struct epoll_event e = {EPOLLIN, {.ptr = c}};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    return c;
}
static void accepted(int listener, int upstream_port)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct conn *client = watch(fd, 0), *upstream = watch(tcp(upstream_port, 0), 1);
    client->peer = upstream;
    upstream->peer = client;
    client->pending = calloc(32768, sizeof *client->pending);
}
static void hang_up(struct conn *c) // the structs stay: a later event of this turn may still name them
{
    if (c->fd < 0) return;
    c->dead = c->peer->dead = 1;
    close(c->fd);
    close(c->peer->fd);
    c->fd = c->peer->fd = -1;
}
int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: cqlsink LISTEN_PORT UPSTREAM_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    ep = epoll_create1(0);
    int listener = tcp(atoi(argv[1]), 1);
    struct epoll_event e = {EPOLLIN, {.ptr = NULL}}, events[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;)
        for (int i = 0, n = epoll_wait(ep, events, 256, -1); i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!c) {
                accepted(listener, atoi(argv[2]));
                continue;
            }
            if (c->dead) continue;
            if (events[i].events & EPOLLOUT) flush(c);
            if (!(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            need(&c->in, 262144);
            ssize_t r = read(c->fd, c->in.p + c->in.w, c->in.cap - c->in.w);
            if (r > 0) {
                c->in.w += r;
                received(c);
            } else if (r == 0 || errno != EAGAIN) hang_up(c);
        }
}
