#include "fault/support/tcp_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/frame.h"
#include "protocol/request.h"
#include "protocol/response.h"

enum { PEERS = 64, VERSION = 4 };

struct peer {
    int fd; /* -1: none */
    struct buffer input, output;
};

static struct memory *memory; /* the child's */

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void put_reply(struct peer *peer, const struct frame_header *asked, uint8_t opcode, struct buffer *body)
{
    uint8_t *at = buffer_add(&peer->output, FRAME_HEADER);
    frame_header_encode(at, &(struct frame_header){VERSION, true, 0, asked->stream, opcode, (uint32_t)body->len});
    put_raw(&peer->output, body->base, body->len);
}

static struct column_spec text_column(void)
{
    return (struct column_spec){slice_of("ks"), slice_of("t"), slice_of("token"), {.id = TYPE_VARCHAR}};
}

static void put_row(struct buffer *body, struct cqlua_slice text)
{
    struct column_spec column = text_column();
    struct buffer cells;
    buffer_init(&cells, memory, INT32_MAX);
    put_bytes(&cells, text);
    encode_result_rows(body, &(struct rows_encoding){
                                 .columns = &column, .columns_count = 1, .rows_count = 1, .body = slice(cells.base, cells.len)});
    buffer_dispose(&cells);
}

static void reset(struct peer *peer)
{
    struct linger at_once = {1, 0};
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(peer->fd);
    peer->fd = -1;
}

static void reply(struct peer *peer, const struct frame_header *asked, const struct request_message *request)
{
    struct column_spec column = text_column();
    struct buffer body;
    uint8_t opcode = OP_RESULT;
    buffer_init(&body, memory, INT32_MAX);
    switch (request->opcode) {
    case OP_OPTIONS:
        opcode = OP_SUPPORTED;
        encode_supported(&body, NULL, 0);
        break;
    case OP_QUERY: put_row(&body, request->text); break;
    case OP_EXECUTE: put_row(&body, request->id); break;
    case OP_PREPARE:
        encode_result_prepared(&body, VERSION,
                               &(struct prepared_encoding){.id = request->text, .columns = &column, .columns_count = 1});
        break;
    case OP_BATCH: encode_result_void(&body); break;
    default: opcode = OP_READY; break; /* STARTUP, REGISTER */
    }
    put_reply(peer, asked, opcode, &body);
    buffer_dispose(&body);
}

static void answer(struct peer *peer, const struct frame_header *asked, struct cqlua_slice body)
{
    struct request_message request;
    if (decode_request(asked->version, asked->flags, asked->opcode, body, &request) != 0) abort();
    if (slice_equal(request.text, slice_of("NEVER"))) return;
    if (slice_equal(request.text, slice_of("CLOSE"))) reset(peer);
    else reply(peer, asked, &request);
}

/* --- connections ----------------------------------------------------------------------------------------------------------- */

static void take_frames(struct peer *peer)
{
    struct buffer *in = &peer->input;
    while (peer->fd >= 0 && in->len >= FRAME_HEADER) {
        struct frame_header header = frame_header_decode(in->base);
        size_t whole = FRAME_HEADER + (size_t)header.length;
        if (in->len < whole) break;
        answer(peer, &header, slice(in->base + FRAME_HEADER, header.length));
        buffer_consume(in, whole);
    }
}

static void serve(struct peer *peer)
{
    uint8_t bytes[4096];
    ssize_t got = recv(peer->fd, bytes, sizeof bytes, 0);
    if (got <= 0) {
        close(peer->fd);
        peer->fd = -1;
        return;
    }
    put_raw(&peer->input, bytes, (size_t)got);
    take_frames(peer);
    if (peer->fd >= 0 && peer->output.len > 0) (void)send(peer->fd, peer->output.base, peer->output.len, MSG_NOSIGNAL);
    peer->output.len = 0;
}

static void welcome(struct peer *peers, int listener)
{
    int fd = accept(listener, NULL, NULL);
    for (int i = 0; i < PEERS && fd >= 0; i++) {
        if (peers[i].fd >= 0) continue;
        peers[i].fd = fd;
        peers[i].input.len = peers[i].output.len = 0;
        return;
    }
    abort(); /* connections are not closed */
}

static void run(int listener)
{
    static struct peer peers[PEERS];
    memory = memory_new(NULL);
    for (int i = 0; i < PEERS; i++) {
        peers[i].fd = -1;
        buffer_init(&peers[i].input, memory, INT32_MAX);
        buffer_init(&peers[i].output, memory, INT32_MAX);
    }
    for (;;) {
        struct pollfd polled[PEERS + 1] = {{listener, POLLIN, 0}};
        for (int i = 0; i < PEERS; i++) polled[i + 1] = (struct pollfd){peers[i].fd, POLLIN, 0};
        if (poll(polled, PEERS + 1, -1) < 0) abort();
        for (int i = 0; i < PEERS; i++)
            if (polled[i + 1].revents != 0) serve(&peers[i]);
        if (polled[0].revents != 0) welcome(peers, listener);
    }
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

void tcp_server_start(struct tcp_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 512), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server->contact_point, sizeof server->contact_point, "127.0.0.1:%d", ntohs(address.sin_port));
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlives its spec */
        run(listener);
    }
    close(listener);
}

void tcp_server_stop(struct tcp_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}
