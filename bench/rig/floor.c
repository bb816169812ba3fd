// The floor: raw frames by hand, no driver. Prepares the select, then keeps CONCURRENCY requests in flight; what this costs no
// client can undercut.
// usage: floor PORT OPS CONCURRENCY
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 9, WARM_UP = 2000, OP_STARTUP = 1, OP_PREPARE = 9, OP_RESULT = 8, OP_EXECUTE = 10 };

struct output {
    size_t len;
    uint8_t bytes[1 << 20];
};

static int fd;
static uint8_t in[1 << 20];
static size_t in_start, in_end;
static struct output out;
static uint8_t statement_id[64];
static int statement_id_len;

static void frame(int stream, int opcode, const void *body, size_t len)
{
    uint8_t *p = out.bytes + out.len;
    uint32_t length = htonl((uint32_t)len);
    memcpy(p, (uint8_t[]){4, 0, (uint8_t)(stream >> 8), (uint8_t)stream, (uint8_t)opcode}, 5);
    memcpy(p + 5, &length, 4);
    memcpy(p + HEADER, body, len);
    out.len += HEADER + len;
}

static void flush(void)
{
    if (out.len > 0 && write(fd, out.bytes, out.len) != (ssize_t)out.len) {
        perror("write");
        exit(1);
    }
    out.len = 0;
}

// The next whole frame that was read, or NULL.
static uint8_t *next(void)
{
    uint32_t length;
    if (in_end - in_start < HEADER) return NULL;
    memcpy(&length, in + in_start + 5, 4);
    length = ntohl(length);
    if (in_end - in_start < HEADER + length) return NULL;
    in_start += HEADER + length;
    return in + in_start - HEADER - length;
}

static void fill(void)
{
    if (in_start == in_end) {
        in_start = in_end = 0;
    } else if (sizeof in - in_end < 65536) {
        memmove(in, in + in_start, in_end - in_start);
        in_end -= in_start;
        in_start = 0;
    }
    ssize_t n = read(fd, in + in_end, sizeof in - in_end);
    if (n <= 0) {
        perror("read");
        exit(1);
    }
    in_end += (size_t)n;
}

static uint8_t *answer(void)
{
    uint8_t *p;
    flush();
    while ((p = next()) == NULL) fill();
    return p;
}

static void prepare(void)
{
    static const char startup[] = "\0\1\0\013CQL_VERSION\0\0053.0.0";
    static const char select[] = "SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?";
    uint8_t body[256];
    uint32_t length = htonl(sizeof select - 1);
    frame(0, OP_STARTUP, startup, sizeof startup - 1);
    answer();
    memcpy(body, &length, 4);
    memcpy(body + 4, select, sizeof select - 1);
    frame(0, OP_PREPARE, body, 4 + sizeof select - 1);
    uint8_t *prepared = answer();
    statement_id_len = prepared[13] << 8 | prepared[14];
    memcpy(statement_id, prepared + 15, (size_t)statement_id_len);
}

static void execute(int stream, int id)
{
    // consistency LOCAL_ONE; flags: values, skip metadata, page size; one value of 4 bytes; page size 5,000
    static const uint8_t before[] = {0, 10, 1 | 2 | 4, 0, 1, 0, 0, 0, 4}, after[] = {0, 0, 0x13, 0x88};
    uint8_t body[128] = {0, (uint8_t)statement_id_len}, *p = body + 2;
    uint32_t value = htonl((uint32_t)id);
    p = (uint8_t *)memcpy(p, statement_id, (size_t)statement_id_len) + statement_id_len;
    p = (uint8_t *)memcpy(p, before, sizeof before) + sizeof before;
    p = (uint8_t *)memcpy(p, &value, 4) + 4;
    p = (uint8_t *)memcpy(p, after, sizeof after) + sizeof after;
    frame(stream, OP_EXECUTE, body, (size_t)(p - body));
}

static double cpu_us(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int take_answers(void)
{
    int count = 0;
    for (uint8_t *p; (p = next()) != NULL; count++)
        if (p[4] != OP_RESULT) {
            fprintf(stderr, "floor: answered with opcode %d\n", p[4]);
            exit(1);
        }
    return count;
}

static void connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    int ops = atoi(argv[2]), concurrency = atoi(argv[3]), sent = 0, done = 0, warm = 0;
    double cpu_start = 0, start = 0;
    connect_to(atoi(argv[1]));
    prepare();
    while (done < ops + WARM_UP) {
        for (; sent < ops + WARM_UP && sent - done < concurrency; sent++) execute(sent % concurrency, sent % 1000);
        flush();
        fill();
        done += take_answers();
        if (warm == 0 && done >= WARM_UP) {
            warm = done;
            cpu_start = cpu_us();
            start = now_s();
        }
    }
    double cpu = cpu_us() - cpu_start, wall = now_s() - start;
    int measured = done - warm;
    printf("{\"peer\":\"raw floor\",\"wl\":\"read\",\"ops\":%d,\"ops_s\":%.0f,\"cpu_us\":%.2f}\n", measured, measured / wall,
           cpu / measured);
    return 0;
}
