// echo: a Cassandra node as far as a benchmark needs one (native protocol v4). Every statement has one bind marker and one row,
// whose column `token` is the bound value: each answer shows whose it is. A statement with "slow" in its text is answered
// DELAY_MS later.
// usage: echo ADDRESS PORT DELAY_MS      (port 0: any; prints "ready PORT"; SIGUSR1: prints connections accepted, open now, and
// statements answered)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 9, READ_BYTES = 65536, ID_BYTES = 16 };
enum { OP_ERROR, OP_STARTUP, OP_READY, OP_OPTIONS = 5, OP_SUPPORTED, OP_QUERY, OP_RESULT, OP_PREPARE, OP_EXECUTE, OP_REGISTER };

struct bytes {
    uint8_t *base;
    size_t from, to, room;
};

struct client {
    int fd;              // -1: closed
    unsigned generation; // of the slot: a delayed answer for an earlier one is dropped
    struct bytes in, out;
};

struct delayed {
    struct delayed *next;
    struct client *client;
    unsigned generation;
    int64_t due_ms;
    size_t length;
    uint8_t frame[];
};

static struct client *clients[65536];
static struct delayed *first, **last = &first;
static int64_t delay_ms;
static unsigned long accepted, open_now, answered;
static volatile sig_atomic_t is_asked;

static void on_signal(int number)
{
    (void)number;
    is_asked = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void set32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24), at[1] = (uint8_t)(value >> 16), at[2] = (uint8_t)(value >> 8), at[3] = (uint8_t)value;
}

static void reserve(struct bytes *bytes, size_t more)
{
    if (bytes->from == bytes->to) bytes->from = bytes->to = 0;
    if (bytes->room - bytes->to >= more) return;
    memmove(bytes->base, bytes->base + bytes->from, bytes->to - bytes->from);
    bytes->to -= bytes->from;
    bytes->from = 0;
    if (bytes->room - bytes->to >= more) return;
    bytes->room = (bytes->room + more) * 2;
    bytes->base = realloc(bytes->base, bytes->room);
    if (bytes->base == NULL) abort();
}

static void put(struct bytes *bytes, const void *from, size_t length)
{
    reserve(bytes, length);
    memcpy(bytes->base + bytes->to, from, length);
    bytes->to += length;
}

// An answer to the request: now, or later.
static void answer(struct client *client, const uint8_t *request, int opcode, const void *body, size_t length, int is_slow)
{
    uint8_t header[HEADER] = {0x84, 0, request[2], request[3], (uint8_t)opcode};
    set32(header + 5, (uint32_t)length);
    answered += opcode == OP_RESULT;
    if (!is_slow) {
        put(&client->out, header, HEADER);
        put(&client->out, body, length);
        return;
    }
    struct delayed *later = malloc(sizeof *later + HEADER + length);
    if (later == NULL) abort();
    *later = (struct delayed){NULL, client, client->generation, now_ms() + delay_ms, HEADER + length};
    memcpy(later->frame, header, HEADER);
    memcpy(later->frame + HEADER, body, length);
    *last = later;
    last = &later->next;
}

// v4 section 4.2.5.4: one marker, one column, both text; the id is "f" or "s" and zeros.
static void answer_prepare(struct client *client, const uint8_t *request, size_t length)
{
    static const char shape[] = "\0\0\0\1\0\0\0\1\0\1b\0\1t\0\5token\0\15"; // flags, columns, keyspace, table, name, text
    uint8_t body[256] = {0, 0, 0, 4, 0, ID_BYTES};
    size_t at = 6 + ID_BYTES;
    body[6] = memmem(request + HEADER, length, "slow", 4) != NULL ? 's' : 'f';
    memcpy(body + at, shape, 8);
    at += 8 + 4; // no partition key
    memcpy(body + at, shape + 8, sizeof shape - 1 - 8);
    at += sizeof shape - 1 - 8;
    memcpy(body + at, shape, sizeof shape - 1);
    at += sizeof shape - 1;
    answer(client, request, OP_RESULT, body, at, 0);
}

// The row is the first value: behind the id, the consistency, the flags and the number of values.
static void answer_execute(struct client *client, const uint8_t *request)
{
    static const char head[] = "\0\0\0\2\0\0\0\1\0\0\0\1\0\1b\0\1t\0\5token\0\15\0\0\0\1";
    const uint8_t *value = request + HEADER + 2 + ID_BYTES + 2 + 1 + 2;
    uint32_t length = get32(value);
    uint8_t *body = malloc(sizeof head + 4 + length);
    if (body == NULL) abort();
    memcpy(body, head, sizeof head - 1);
    memcpy(body + sizeof head - 1, value, 4 + length);
    answer(client, request, OP_RESULT, body, sizeof head - 1 + 4 + length, request[HEADER + 2] == 's');
    free(body);
}

static void serve(struct client *client, const uint8_t *request, size_t length)
{
    static const char old[] = "\0\0\0\12\0\53Invalid or unsupported protocol version (9)";
    if (request[0] != 4) {
        answer(client, request, OP_ERROR, old, sizeof old - 1, 0);
        return;
    }
    switch (request[4]) {
    case OP_OPTIONS: answer(client, request, OP_SUPPORTED, "\0", 2, 0); break;
    case OP_PREPARE: answer_prepare(client, request, length); break;
    case OP_EXECUTE: answer_execute(client, request); break;
    case OP_QUERY: answer(client, request, OP_RESULT, "\0\0\0\1", 4, 0); break;
    default: answer(client, request, OP_READY, "", 0, 0); break;
    }
}

static void drop(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    client->in.from = client->in.to = client->out.from = client->out.to = 0;
    open_now--;
}

static void flush(struct client *client)
{
    struct bytes *out = &client->out;
    while (client->fd >= 0 && out->from < out->to) {
        ssize_t sent = send(client->fd, out->base + out->from, out->to - out->from, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) usleep(100);
        else if (sent < 0) drop(client);
        else out->from += (size_t)sent;
    }
}

static void receive(struct client *client)
{
    struct bytes *in = &client->in;
    reserve(in, READ_BYTES);
    ssize_t got = recv(client->fd, in->base + in->to, in->room - in->to, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) drop(client);
        return;
    }
    in->to += (size_t)got;
    while (in->to - in->from >= HEADER) {
        size_t length = get32(in->base + in->from + 5);
        if (in->to - in->from < HEADER + length) break;
        serve(client, in->base + in->from, length);
        in->from += HEADER + length;
    }
    flush(client);
}

static void accept_one(int listener, int poll)
{
    int yes = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0 || fd >= 65536) return;
    if (clients[fd] == NULL) clients[fd] = calloc(1, sizeof **clients);
    if (clients[fd] == NULL) abort();
    clients[fd]->fd = fd;
    clients[fd]->generation++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    accepted++;
    open_now++;
}

static void send_due(void)
{
    int64_t now = now_ms();
    while (first != NULL && first->due_ms <= now) {
        struct delayed *later = first;
        first = later->next;
        if (first == NULL) last = &first;
        if (later->client->fd >= 0 && later->client->generation == later->generation) {
            put(&later->client->out, later->frame, later->length);
            if (first == NULL || first->client != later->client || first->due_ms > now) flush(later->client);
        }
        free(later);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    if (argc != 4) return 2;
    delay_ms = atoi(argv[3]);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &at.sin_addr);
    int yes = 1, poll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) {
        perror("echo");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    signal(SIGUSR1, on_signal);
    socklen_t at_size = sizeof at;
    getsockname(listener, (struct sockaddr *)&at, &at_size);
    printf("ready %d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int wait_ms = first == NULL ? -1 : (int)(first->due_ms > now_ms() ? first->due_ms - now_ms() : 0);
        int count = epoll_wait(poll, events, 256, wait_ms);
        if (is_asked) {
            is_asked = 0;
            printf("accepted %lu open %lu answered %lu\n", accepted, open_now, answered);
            fflush(stdout);
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) accept_one(listener, poll);
            else receive(clients[events[i].data.fd]);
        }
        send_due();
    }
}
