/* Faults 48 to 67 as a C program meets them: each lie once as the answer to a query, a prepared statement, a batch and a page,
 * on v4 and v5, plain and with lz4; every cell that still comes is read by every getter. Each request ends once, with a typed
 * error that says where and why; the session holds no more than what was received, and the next good query works. ctest:
 * timeout=120 */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/frame.h"
#include "protocol/lz4.h"
#include "protocol/segment.h"
#include "protocol/spec.h"
#include "wire/support/bench.h"

/* --- lies ------------------------------------------------------------------------------------------------------------------- */

enum { V4 = 1, V4_LZ4 = 2, V5 = 4, V5_LZ4 = 8, ALL = 15 };
static const struct way {
    int version, lz4;
} ways[] = {{4, 0}, {4, 1}, {5, 0}, {5, 1}};

/* What is said of an answer, and of the error that it leads to. */
struct refused {
    struct lie lie;
    int ways;         /* 0: all */
    int code;         /* 0: PROTOCOL */
    bool is_query;    /* only as the answer to a query */
    const char *said; /* in the error's message; NULL: anything */
};

/* RESULT (v5 section 4.2.5.2): kind, flags, columns. */
#define ROWS "\0\0\0\2"
#define GLOBAL "\0\0\0\1"
#define ONE "\0\0\0\1"
#define MOST "\177\377\377\377"
#define LEAST "\200\0\0\0"
#define MINUS "\377\377\377\377"
#define TABLE "\0\2ks\0\1t"
#define COLUMN TABLE "\0\1v" /* its type follows */
#define INT "\0\11"
#define CELL ONE "x"
#define LIST "\0\40"

static const struct refused fault_52[] = {
    {.lie = {.head = BYTES(ROWS GLOBAL MOST COLUMN INT ONE "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL MINUS COLUMN INT ONE "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL "\0\1\0\0" COLUMN INT ONE "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL "\0\0\0\2" COLUMN INT ONE "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS "\0\0\0\0" MOST COLUMN INT ONE "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS "\0\0\0\4" MOST ONE "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN INT MOST "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN INT MINUS "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN INT LEAST "\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN INT "\0\0\0\3\0\0\0\4\0\0\0\7")}},
    {.lie = {.head = BYTES(ROWS GLOBAL MOST COLUMN INT MOST)}},
    {.lie = {.head = BYTES(ROWS)}},
};

static const struct refused fault_53[] = {
    {.lie = {.head = BYTES(ROWS "\0\0\0\0\0\0\0\0" MOST)}},
    {.lie = {.head = BYTES(ROWS "\0\0\0\0\0\0\0\0" ONE)}},
    {.lie = {.head = BYTES(ROWS "\0\0\0\4\0\0\0\0\0\0\0\11")}},
};

static const struct refused fault_54[] = {
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN), .unit = BYTES(LIST), .times = 2000000, .tail = BYTES(INT ONE CELL)}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN), .unit = BYTES(LIST), .times = 33, .tail = BYTES(INT ONE CELL)}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN), .unit = BYTES("\0\41" INT), .times = 1000, .tail = BYTES(INT ONE CELL)}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN), .unit = BYTES("\0\61\0\1"), .times = 500000, .tail = BYTES(INT ONE CELL)}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN "\0\61\377\377" INT ONE CELL)}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN "\0\60\0\2ks\0\3udt\377\377\0\1f" INT ONE CELL)}},
};

static const struct refused fault_56[] = {
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN "\0\15" ONE "\0\0\0\5abcd")}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN "\0\15" ONE MOST "abcd")}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN "\0\15\0\0\0\50"),
             .unit = BYTES("\0\0\0\2ok"),
             .times = 39,
             .tail = BYTES(MOST "abcd")}},
};

static const struct refused fault_61[] = {
    {.lie = {.head = BYTES("\0\0\0\0")}},
    {.lie = {.head = BYTES("\0\0\0\6")}},
    {.lie = {.head = BYTES(MINUS)}},
    {.lie = {.head = BYTES(MOST)}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN "\0\143" ONE CELL)}},
    {.lie = {.head = BYTES(ROWS GLOBAL ONE COLUMN "\377\377" ONE CELL)}},
    {.lie = {.head = BYTES(ROWS "\0\0\0\20" ONE COLUMN INT ONE CELL)}},
    {.lie = {.head = BYTES(ROWS MINUS ONE COLUMN INT ONE CELL)}},
    {.lie = {.head = BYTES("\0\0\0\5\0\7CREATED\0\6GALAXY\0\1x")}},
    {.lie = {.head = BYTES(ROWS "\0\0\0\3" ONE "\0\0\0\0" COLUMN INT ONE CELL)}}, /* fault 16: an empty paging state */
    {.lie = {.head = BYTES("\0\0\167\167\0\7unknown"), .opcode = HEADER}, .code = CQLUA_ESERVER_ERROR, .said = "unknown"},
    {.lie = {.head = BYTES(MOST "\0\7unknown"), .opcode = HEADER}, .code = CQLUA_ESERVER_ERROR, .said = "unknown"},
    {.lie = {.head = BYTES("\0\0\0\12"), .opcode = HEADER}},
    {.lie = {.head = BYTES("\0\0\21\0\0\4slow\0\1"), .opcode = HEADER}}, /* a write timeout without its fields */
    {.lie = {.opcode = HEADER}},
};

static const struct refused fault_63[] = {
    {.lie = {.flags = 8, .head = BYTES("\377\377" ROWS GLOBAL ONE COLUMN INT ONE "\0\0\0\4\0\0\0\7")}},
    {.lie = {.flags = 8, .head = BYTES("\377\377")}},
    {.lie = {.flags = 8, .head = BYTES("\0\2\0\3one")}},
    {.lie = {.flags = 8, .head = BYTES("")}},
    {.lie = {.flags = 4, .head = BYTES("\0\1\0\3key" MOST ROWS)}},
    {.lie = {.flags = 4, .head = BYTES("\377\377" ROWS)}},
    {.lie = {.flags = 4, .head = BYTES("\0\1\377\377key")}},
    {.lie = {.flags = 2, .head = BYTES("")}},
    {.lie = {.flags = 2, .head = BYTES("ttttttttttttttt")}},
    {.lie = {.flags = 14, .head = BYTES("\0")}},
};

/* Faults 48, 50, 62, 64, 4 and 6: the header. */
static const struct refused fault_48[] = {
    {.lie = {.length = UINT32_MAX}, .said = "the server announced a message of -1 bytes"},
    {.lie = {.length = INT64_C(1) << 31}, .said = "the server announced a message of -2147483648 bytes"},
    {.lie = {.length = INT32_MAX}, .ways = V4 | V4_LZ4, .code = CQLUA_EFRAME_TOO_LARGE},
    {.lie = {.length = 700 << 20}, .ways = V4 | V4_LZ4, .code = CQLUA_EFRAME_TOO_LARGE},
    {.lie = {.length = 700 << 20}, .ways = V5 | V5_LZ4, .said = "ends inside a message"},
    {.lie = {.length = 200 << 20}, .ways = V4 | V4_LZ4, .code = CQLUA_ETIMEOUT}, /* fault 49: it never comes */
    {.lie = {.length = 200 << 20}, .ways = V5 | V5_LZ4, .said = "ends inside a message"},
};

static const struct refused fault_50[] = {
    {.lie = {.flags = 1}, .ways = V4 | V5, .said = "compressed"},
    {.lie = {.flags = 1}, .ways = V5_LZ4, .said = "compressed"}, /* below the segments nothing may be */
};

static const struct refused fault_62[] = {
    {.lie = {.version = 0x83}}, {.lie = {.version = 0x86}}, {.lie = {.version = 0x04}},   {.lie = {.version = 0x05}},
    {.lie = {.version = 0x81}}, {.lie = {.version = 0x82}}, {.lie = {.version = HEADER}}, {.lie = {.version = 0x7F}},
    {.lie = {.version = 0xFF}}, {.lie = {.version = 0x90}},
};

static const struct refused fault_64[] = {
    {.lie = {.opcode = 2}},    {.lie = {.opcode = 3}},    {.lie = {.opcode = 0x0E}},   {.lie = {.opcode = 0x10}},
    {.lie = {.opcode = 6}},    {.lie = {.opcode = 1}},    {.lie = {.opcode = 7}},      {.lie = {.opcode = 0x77}},
    {.lie = {.opcode = 0xFF}}, {.lie = {.opcode = 0x0C}}, {.lie = {.stream = 20000}},  {.lie = {.stream = 32767}},
    {.lie = {.stream = -1}},   {.lie = {.stream = -2}},   {.lie = {.stream = -32768}},
};

/* Fault 10: only where no metadata is known. */
static const struct refused fault_10[] = {{.lie = {.head = BYTES(ROWS "\0\0\0\4" ONE ONE "\0\0\0\4\0\0\0\7")}, .is_query = true}};

/* --- one of them ------------------------------------------------------------------------------------------------------------ */

static const char text[] = "INSERT lie";
enum kind { QUERY, EXECUTE, BATCH, PAGE, KINDS };

/* `prime`: whose next page it is that a page asks for. */
static void ask(struct bench *bench, struct question *question, enum kind kind, int64_t prime, int code)
{
    uint8_t state[16] = {0};                                  /* as the server has them */
    int32_t timeout_ms = code == CQLUA_ETIMEOUT ? 150 : 5000; /* only what is to time out does not wait for long */
    struct cqlua_statement st;
    struct cqlua_batch batch;
    struct cqlua_prepared *prepared = cqlua_session_prepared(bench->session, text, sizeof text - 1);
    if (kind == EXECUTE) cqlua_statement_init(&st, prepared);
    else cqlua_statement_init_text(&st, text);
    st.options.timeout_ms = timeout_ms;
    st.options.idempotent = CQLUA_NO;
    store_u64(state, (uint64_t)prime);
    if (kind == PAGE) st.options.paging_state = slice(state, sizeof state);
    if (kind != BATCH) assert_true(cqlua_execute(bench->session, &st, bench_answered, question) > 0);
    else {
        cqlua_batch_init(&batch, bench->session, CQLUA_BATCH_LOGGED);
        batch.options.timeout_ms = timeout_ms;
        assert_int_equal(cqlua_batch_add(&batch, &st), 0);
        assert_true(cqlua_batch_execute(&batch, bench_answered, question) > 0);
        cqlua_batch_dispose(&batch);
    }
    cqlua_statement_dispose(&st);
    bench_step_until(bench, bench->ended + 1);
}

static int64_t prime_lie(struct bench *bench, const struct question *question, const struct lie *lie)
{
    struct cqlua_prime prime;
    cqlua_prime_init(&prime);
    uint8_t *body = lie_put(lie, &prime);
    int64_t id = bench_prime(bench, question, text, &prime);
    free(body);
    return id;
}

/* What the error says (rule f); or the cell that does not decode. */
static void assert_refused(const struct bench *bench, const struct question *question, const struct refused *refused)
{
    int code = refused->code == 0 ? CQLUA_EPROTOCOL : refused->code;
    if (question->code == 0 && code == CQLUA_EPROTOCOL) {
        assert_int_equal(question->worst, CQLUA_EPROTOCOL);
        return;
    }
    if (question->code != code) fail_msg("%s: %s", cqlua_strerror(question->code), question->message);
    assert_string_equal(question->node, cqlua_server_contact_points(bench->server));
    assert_int_equal(question->may_have_executed, 1);
    assert_int_equal(question->attempts, 1);
    if (refused->said != NULL && strstr(question->message, refused->said) == NULL) fail_msg("\"%s\"", question->message);
}

/* What is prepared once: its answer is a good one, unless a lie comes first. */
static void on_prepared(void *arg, struct cqlua_prepared *prepared, const struct cqlua_error *error)
{
    assert_null(error);
    ++*(int *)arg;
    cqlua_prepared_unref(prepared);
}

static void begin(struct bench *bench, const struct way *way, int32_t heartbeat_ms)
{
    struct cqlua_options options;
    struct cqlua_prime prime;
    static const struct cqlua_server_column column = {"token", "int"};
    int done = 0;
    bench_begin(bench, way->version, way->lz4, NULL);
    bench_options(bench, &options);
    options.heartbeat_interval_ms = options.heartbeat_timeout_ms = heartbeat_ms; /* 0: the default */
    bench_open(bench, &options);
    cqlua_prime_init(&prime);
    prime.query = text;
    prime.columns = &column;
    prime.columns_count = 1;
    assert_true(cqlua_server_prime(bench->server, &prime) > 0);
    assert_true(cqlua_prepare(bench->session, text, on_prepared, &done) > 0);
    for (int i = 0; i < BENCH_STEPS && done == 0; i++) cqlua_loop_step(bench->loop, 5, 0);
    assert_int_equal(done, 1);
    bench_assert_well(bench);
    bench_most_held = bench_held;
}

/* Each lie in each of its ways; which kind of request it answers goes round. */
static void refuse(const struct refused *lies, size_t count, int32_t heartbeat_ms)
{
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        struct bench bench;
        begin(&bench, &ways[w], heartbeat_ms);
        size_t held = bench_held;
        for (size_t i = 0; i < count; i++) {
            if (lies[i].ways != 0 && !(lies[i].ways & 1 << w)) continue;
            struct question question = bench_question(&bench);
            int64_t prime = prime_lie(&bench, &question, &lies[i].lie);
            ask(&bench, &question, lies[i].is_query ? QUERY : (enum kind)((i + w) % KINDS), prime, lies[i].code);
            assert_refused(&bench, &question, &lies[i]);
            bench_assert_well(&bench);
        }
        assert_true(bench_most_held - held < 16 << 20); /* whatever was announced: twice the largest body is 8 MB */
        bench_step(&bench, 20);
        assert_true(bench_held < held + (1 << 20));
        bench_end(&bench);
    }
}
#define REFUSE(lies) refuse(lies, sizeof(lies) / sizeof(lies)[0], 0)

static void fault_48_lengths(void **state)
{
    (void)state;
    refuse(fault_48, sizeof fault_48 / sizeof fault_48[0], 100); /* what swallows answers is found by heartbeats */
}

static void fault_50_flags_of_compression(void **state)
{
    (void)state;
    REFUSE(fault_50);
}

static void fault_52_counts(void **state)
{
    (void)state;
    REFUSE(fault_52);
    REFUSE(fault_10);
}

static void fault_53_rows_without_columns(void **state)
{
    (void)state;
    REFUSE(fault_53);
}

static void fault_54_nesting(void **state)
{
    (void)state;
    REFUSE(fault_54);
}

static void fault_56_values_longer_than_the_frame(void **state)
{
    (void)state;
    REFUSE(fault_56);
}

static void fault_61_unknown_numbers(void **state)
{
    (void)state;
    REFUSE(fault_61);
}

static void fault_62_versions(void **state)
{
    (void)state;
    REFUSE(fault_62);
}

static void fault_63_what_stands_before_the_body(void **state)
{
    (void)state;
    REFUSE(fault_63);
}

static void fault_64_opcodes_and_streams(void **state)
{
    (void)state;
    REFUSE(fault_64);
}

/* A body may end nowhere but at its end. */
static void fault_52_every_end(void **state)
{
    static const char whole[] = ROWS "\0\0\0\3"
                                     "\0\0\0\3"
                                     "\0\0\0\4next" TABLE "\0\5token" INT "\0\1l" LIST "\0\15"
                                     "\0\1u"
                                     "\0\60\0\2ks\0\1u\0\2\0\1a" INT "\0\1b\0\15" ONE "\0\0\0\4\0\0\0\1"
                                     "\0\0\0\11" ONE CELL "\0\0\0\15\0\0\0\4\0\0\0\1" ONE "y";
    struct refused lies[sizeof whole - 2];
    (void)state;
    for (size_t len = 1; len < sizeof whole - 1; len++) lies[len - 1] = (struct refused){.lie = {.head = slice(whole, len)}};
    REFUSE(lies);
}

/* --- PREPARE ---------------------------------------------------------------------------------------------------------------- */

#define ID "\0\2id"
#define NO_COLUMNS "\0\0\0\4\0\0\0\0"
#define MARKER TABLE "\0\1m"

/* Behind the statement's id (v5: and its metadata's): flags, markers, how many are of the key, where they stand; then columns. */
static const struct lie preparations[] = {
    {.head = BYTES("")},
    {.head = BYTES("\0\0\0\0" MOST)},
    {.head = BYTES("\0\0\0\0" MOST "\0\0\0\0" NO_COLUMNS)},
    {.head = BYTES("\0\0\0\0\0\0\0\0" MOST NO_COLUMNS)},
    {.head = BYTES("\0\0\0\0\0\0\0\0" MINUS NO_COLUMNS)},
    {.head = BYTES(GLOBAL ONE ONE "\0\7" MARKER INT NO_COLUMNS)},
    {.head = BYTES("\0\0\0\0\0\0\0\0\0\0\0\0" ONE MOST)},
    {.head = BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\3")},
    {.head = BYTES(GLOBAL ONE "\0\0\0\0" MARKER), .unit = BYTES(LIST), .times = 100000, .tail = BYTES(NO_COLUMNS)},
};

struct preparing {
    struct cqlua_prepared *prepared;
    int ended, code;
};

static void on_lie(void *arg, struct cqlua_prepared *prepared, const struct cqlua_error *error)
{
    struct preparing *preparing = arg;
    preparing->prepared = prepared;
    preparing->code = error == NULL ? 0 : error->code;
    preparing->ended++;
}

/* The body stands behind `head`, which has the kind of result and the ids. */
static void refuse_prepared(struct bench *bench, struct cqlua_slice head, const struct lie *rest)
{
    struct preparing preparing = {0};
    struct cqlua_prime prime;
    struct lie lie = *rest;
    uint8_t start[64];
    memcpy(start, head.base, head.len);
    if (rest->head.len > 0) memcpy(start + head.len, rest->head.base, rest->head.len);
    lie.head = slice(start, head.len + rest->head.len);
    cqlua_prime_init(&prime);
    uint8_t *body = lie_put(&lie, &prime);
    prime.pattern = "%prepared%";
    prime.opcode = OP_PREPARE;
    prime.frame_opcode = OP_RESULT;
    prime.times = 1;
    assert_true(cqlua_server_prime(bench->server, &prime) > 0);
    free(body);
    assert_true(cqlua_prepare(bench->session, "SELECT prepared WHERE m = ?", on_lie, &preparing) > 0);
    for (int i = 0; i < BENCH_STEPS && preparing.ended == 0; i++) cqlua_loop_step(bench->loop, 5, 0);
    assert_int_equal(preparing.ended, 1);
    assert_null(preparing.prepared);
    assert_int_equal(preparing.code, CQLUA_EPROTOCOL);
    bench_assert_well(bench);
}

static void fault_52_statements_that_are_prepared(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        struct bench bench;
        struct cqlua_slice head = {"\0\0\0\4" ID ID, ways[w].version == 5 ? 12 : 8};
        begin(&bench, &ways[w], 0);
        size_t held = bench_held;
        for (size_t i = 0; i < sizeof preparations / sizeof preparations[0]; i++) refuse_prepared(&bench, head, &preparations[i]);
        for (char kind = 0; kind < 7; kind++)
            if (kind != 4) refuse_prepared(&bench, slice((char[]){0, 0, 0, kind, 0, 2, 'i', 'd'}, 8), &(struct lie){0});
        assert_true(bench_most_held - held < 2 << 20);
        bench_end(&bench);
    }
}

/* --- bytes in the frame's place --------------------------------------------------------------------------------------------- */

enum content { WHOLE, HALF, NOTHING, GARBAGE, TWICE };

/* What stands in an answer's place on the wire: below v5 a frame whose body claims to be compressed, else a segment. */
struct raw {
    int ways;
    const char *packed; /* a frame's body: [int] the length it becomes, and the block */
    size_t packed_len;
    enum content content;
    bool is_part, is_packed, has_bad_crc24, has_bad_crc32;
    int32_t excess;        /* is_packed: the length announced is so much too large */
    uint32_t uncompressed; /* not 0: announced, whatever it is */
    int code;
};

static const struct raw fault_51[] = {
    {.ways = V4_LZ4, .packed = "", .packed_len = 0},
    {.ways = V4_LZ4, .packed = "\0\0\0", .packed_len = 3},
    {.ways = V4_LZ4, .packed = MINUS "ab", .packed_len = 6},
    {.ways = V4_LZ4, .packed = "\13\353\302\0ab", .packed_len = 6}, /* 200,000,000 */
    {.ways = V4_LZ4, .packed = MOST "ab", .packed_len = 6, .code = CQLUA_EFRAME_TOO_LARGE},
    {.ways = V4_LZ4, .packed = "\0\0\3\350garbagegarbage", .packed_len = 18},
    {.ways = V4_LZ4, .packed = "\0\1\0\0\37a\1\0\377\377\377\377", .packed_len = 12},
    {.ways = V4_LZ4, .packed = "\0\0\0\24\20a\0\0\120bbbbb", .packed_len = 14},   /* a match at distance 0, */
    {.ways = V4_LZ4, .packed = "\0\0\0\24\20a\11\11\120bbbbb", .packed_len = 14}, /* before the beginning */
    {.ways = V4_LZ4, .packed = "\0\0\0\11", .packed_len = 4},
    {.ways = V5_LZ4, .is_packed = true, .excess = -1},
    {.ways = V5_LZ4, .is_packed = true, .excess = 1},
    {.ways = V5_LZ4, .is_packed = true, .uncompressed = 131071},
    {.ways = V5_LZ4, .is_packed = true, .uncompressed = 1},
    {.ways = V5_LZ4, .content = GARBAGE, .uncompressed = 100},
    {.ways = V5_LZ4, .content = NOTHING, .uncompressed = 100},
};

static const struct raw fault_65[] = {
    {.ways = V5 | V5_LZ4, .has_bad_crc24 = true}, {.ways = V5 | V5_LZ4, .has_bad_crc32 = true},
    {.ways = V5 | V5_LZ4, .content = NOTHING},    {.ways = V5 | V5_LZ4, .content = NOTHING, .is_part = true},
    {.ways = V5 | V5_LZ4, .content = GARBAGE},    {.ways = V5 | V5_LZ4, .content = GARBAGE, .is_part = true},
    {.ways = V5 | V5_LZ4, .content = HALF},       {.ways = V5 | V5_LZ4, .content = TWICE, .is_part = true},
};

enum { RAW = 512 };

static size_t make_frame(uint8_t *out, int version, int16_t stream, int flags, const void *body, size_t len)
{
    frame_header_encode(out, &(struct frame_header){.version = (uint8_t)version,
                                                    .is_response = true,
                                                    .flags = (uint8_t)flags,
                                                    .stream = stream,
                                                    .opcode = OP_RESULT,
                                                    .length = (uint32_t)len});
    memcpy(out + FRAME_HEADER, body, len);
    return FRAME_HEADER + len;
}

static size_t make_content(uint8_t *out, const struct raw *raw, int16_t stream)
{
    static const char rows[] = ROWS GLOBAL ONE COLUMN INT ONE "\0\0\0\4\0\0\0\7";
    if (raw->content == NOTHING) return 0;
    if (raw->content == GARBAGE) return (size_t)snprintf((char *)out, RAW, "garbage that is no frame");
    size_t len = make_frame(out, 5, stream, 0, rows, sizeof rows - 1);
    if (raw->content == HALF) return len / 2;
    if (raw->content == TWICE) memcpy(out + len, out, len), len *= 2;
    return len;
}

static size_t make_segment(uint8_t *out, const struct raw *raw, int lz4, int16_t stream)
{
    uint8_t content[RAW], packed[RAW];
    size_t len = make_content(content, raw, stream), size = segment_header_size(lz4);
    struct segment_header header = {.payload = (uint32_t)len, .is_self_contained = !raw->is_part};
    if (raw->is_packed) {
        header.payload = (uint32_t)lz4_compress(content, len, packed, sizeof packed);
        header.uncompressed = (uint32_t)((int32_t)len + raw->excess);
        memcpy(content, packed, header.payload);
    }
    if (raw->uncompressed != 0) header.uncompressed = raw->uncompressed;
    segment_header_encode(out, lz4, &header);
    memcpy(out + size, content, header.payload);
    segment_trailer_encode(out + size + header.payload, out + size, header.payload);
    if (raw->has_bad_crc24) out[size - 1] ^= 1;
    if (raw->has_bad_crc32) out[size + header.payload] ^= 1;
    return size + header.payload + SEGMENT_TRAILER;
}

/* Ids are used first-in first-out: the next request's is the one behind the last. */
static int16_t next_stream(struct bench *bench)
{
    struct cqlua_received last;
    cqlua_server_clear(bench->server);
    bench_assert_well(bench);
    size_t count = cqlua_server_received_count(bench->server);
    assert_int_equal(cqlua_server_received(bench->server, count - 1, &last), 0);
    return (int16_t)((last.stream + 1) % 32768);
}

static void refuse_raw(const struct raw *raws, size_t count)
{
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        struct bench bench;
        begin(&bench, &ways[w], 0);
        size_t held = bench_held;
        for (size_t i = 0; i < count; i++) {
            if (!(raws[i].ways & 1 << w)) continue;
            uint8_t bytes[2 * RAW];
            struct cqlua_prime prime;
            struct question question = bench_question(&bench);
            int16_t stream = next_stream(&bench);
            size_t len = ways[w].version == 5 ? make_segment(bytes, &raws[i], ways[w].lz4, stream)
                                              : make_frame(bytes, 4, stream, 1, raws[i].packed, raws[i].packed_len);
            cqlua_prime_init(&prime);
            prime.raw = slice(bytes, len);
            int64_t id = bench_prime(&bench, &question, text, &prime);
            ask(&bench, &question, (enum kind)((i + w) % KINDS), id, raws[i].code);
            assert_refused(&bench, &question, &(struct refused){.code = raws[i].code});
            bench_assert_well(&bench);
        }
        assert_true(bench_most_held - held < 1 << 20);
        bench_end(&bench);
    }
}

static void fault_51_what_is_no_lz4(void **state)
{
    (void)state;
    refuse_raw(fault_51, sizeof fault_51 / sizeof fault_51[0]);
}

static void fault_65_segments(void **state)
{
    (void)state;
    refuse_raw(fault_65, sizeof fault_65 / sizeof fault_65[0]);
}

/* --- values ----------------------------------------------------------------------------------------------------------------- */

/* A cell of this type; PROTOCOL: it does not decode; NULL: it is null; 0: it does. */
static const struct cell {
    const char *type;
    struct cqlua_slice bytes;
    int code;
} cells[] = {
    /* fault 55: counts and lengths */
    {"list<int>", BYTES(MOST), CQLUA_EPROTOCOL},
    {"list<int>", BYTES(MINUS), CQLUA_EPROTOCOL},
    {"list<int>", BYTES("\0\0"), CQLUA_EPROTOCOL},
    {"list<int>", BYTES("\0\0\0\2\0\0\0\4\0\0\0\1"), CQLUA_EPROTOCOL},
    {"list<int>", BYTES(ONE "\0\0\0\5\0\0\0\1"), CQLUA_EPROTOCOL},
    {"list<int>", BYTES(ONE MOST), CQLUA_EPROTOCOL},
    {"set<text>", BYTES(ONE "\0\0\0\11abc"), CQLUA_EPROTOCOL},
    {"set<text>", BYTES("\0\0\0\3" ONE "a" ONE "b"), CQLUA_EPROTOCOL},
    {"map<int, int>", BYTES(ONE "\0\0\0\4\0\0\0\1"), CQLUA_EPROTOCOL},
    {"map<int, int>", BYTES(MOST), CQLUA_EPROTOCOL},
    {"list<frozen<list<int>>>", BYTES(ONE "\0\0\0\4" MOST), CQLUA_EPROTOCOL},
    {"map<text, frozen<map<int, int>>>", BYTES(ONE ONE "k\0\0\0\4" MOST), CQLUA_EPROTOCOL},
    {"list<int>", BYTES("\0\0\0\0"), 0},
    /* fault 57: widths */
    {"int", BYTES("abc"), CQLUA_EPROTOCOL},
    {"int", BYTES("abcde"), CQLUA_EPROTOCOL},
    {"smallint", BYTES("a"), CQLUA_EPROTOCOL},
    {"tinyint", BYTES("ab"), CQLUA_EPROTOCOL},
    {"bigint", BYTES("abcdefg"), CQLUA_EPROTOCOL},
    {"counter", BYTES("abcd"), CQLUA_EPROTOCOL},
    {"boolean", BYTES("\1\1"), CQLUA_EPROTOCOL},
    {"float", BYTES("abc"), CQLUA_EPROTOCOL},
    {"double", BYTES("abcdefghi"), CQLUA_EPROTOCOL},
    {"timestamp", BYTES("abcd"), CQLUA_EPROTOCOL},
    {"date", BYTES("abc"), CQLUA_EPROTOCOL},
    {"time", BYTES("abcdefg"), CQLUA_EPROTOCOL},
    {"time", BYTES("\0\0\116\224\221\117\0\0"), CQLUA_EPROTOCOL}, /* a day is over then */
    {"uuid", BYTES("uuuuuuuuuuuuuuu"), CQLUA_EPROTOCOL},
    {"timeuuid", BYTES("uuuuuuuuuuuuuuuuu"), CQLUA_EPROTOCOL},
    {"inet", BYTES("abcdefg"), CQLUA_EPROTOCOL},
    {"inet", BYTES("iiiiiiiiiiiiiiiii"), CQLUA_EPROTOCOL},
    {"decimal", BYTES("\0\0"), CQLUA_EPROTOCOL},
    {"duration", BYTES("\0"), CQLUA_EPROTOCOL},
    {"duration", BYTES("\377\377"), CQLUA_EPROTOCOL},
    {"vector<float, 3>", BYTES("vvvvvvvvvvv"), CQLUA_EPROTOCOL},
    {"vector<float, 3>", BYTES("vvvvvvvvvvvvv"), CQLUA_EPROTOCOL},
    {"vector<text, 2>", BYTES("\1a"), CQLUA_EPROTOCOL},
    {"vector<text, 2>", BYTES("\310"), CQLUA_EPROTOCOL},
    {"list<int>", BYTES(ONE "\0\0\0\3abc"), CQLUA_EPROTOCOL},
    {"int", BYTES(""), CQLUA_NULL},
    {"bigint", BYTES(""), CQLUA_NULL},
    {"boolean", BYTES(""), CQLUA_NULL},
    {"double", BYTES(""), CQLUA_NULL},
    {"timestamp", BYTES(""), CQLUA_NULL},
    {"uuid", BYTES(""), CQLUA_NULL},
    {"inet", BYTES(""), CQLUA_NULL},
    {"varint", BYTES(""), CQLUA_NULL},
    {"decimal", BYTES(""), CQLUA_NULL},
    /* fault 58: scales */
    {"decimal", BYTES(MOST "\1"), 0},
    {"decimal", BYTES(LEAST "\1"), 0},
    {"list<decimal>", BYTES(ONE "\0\0\0\5" LEAST "\177"), 0},
    /* fault 59: fewer fields, and fields that go on too long */
    {"tuple<int, text>", BYTES("\0\0\0\4\0\0\0\7"), 0},
    {"tuple<int, text>", BYTES("\0\0\0\4\0\0\0\7" ONE "x" ONE "y"), CQLUA_EPROTOCOL},
    {"tuple<int, text>", BYTES("\0\0\0\11abc"), CQLUA_EPROTOCOL},
    {"tuple<int, text>", BYTES("\0\0"), CQLUA_EPROTOCOL},
    {"pair (a int, b text)", BYTES("\0\0\0\4\0\0\0\7"), 0},
    {"pair (a int, b text)", BYTES("\0\0\0\4\0\0\0\7" ONE "x" ONE "y"), 0}, /* a field that was added since */
    {"pair (a int, b text)", BYTES("\0\0\0\4\0\0\0\7\0\0\0\144x"), CQLUA_EPROTOCOL},
    {"pair (a int, b text)", BYTES("\0\0\0\3abc"), CQLUA_EPROTOCOL},
    /* fault 60: any bytes are a text */
    {"text", BYTES("a\0\377\376b\33[31m"), 0},
    {"list<text>", BYTES(ONE "\0\0\0\2\377\376"), 0},
    {"text", BYTES(""), 0}, /* fault 18: not null */
};

struct seen {
    struct question question;
    int first; /* what the cell's own getter says */
    uint32_t row;
};

static void on_cell(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    struct seen *seen = arg;
    struct cqlua_value value;
    bench_answered(&seen->question, result, error);
    if (error != NULL) return;
    struct cqlua_rows rows = cqlua_result_rows(result);
    while (cqlua_rows_next(&rows)) {
        seen->row++;
        seen->first = cqlua_row_value(&rows, 1, &value);
    }
}

/* The cell stands in the last of 20 rows, the others are null. */
static void prime_cell(struct bench *bench, const struct question *question, const struct cell *cell)
{
    const struct cqlua_server_column columns[] = {{"token", "int"}, {"v", cell->type}};
    struct cqlua_prime prime;
    struct cqlua_statement row;
    cqlua_prime_init(&prime);
    prime.query = text;
    prime.columns = columns;
    prime.columns_count = 2;
    prime.times = 1;
    int64_t id = cqlua_server_prime(bench->server, &prime);
    if (id <= 0) fail_msg("%s", cqlua_server_failure(bench->server));
    struct cqlua_prepared *markers = cqlua_server_row_markers(bench->server, id);
    cqlua_statement_init(&row, markers);
    cqlua_bind_i32(&row, 0, question->token);
    cqlua_bind_null(&row, 1);
    for (int i = 0; i < 19; i++) assert_int_equal(cqlua_server_row(bench->server, id, &row, NULL), 0);
    const struct cqlua_slice raw[] = {{NULL, 0}, cell->bytes};
    assert_int_equal(cqlua_server_row(bench->server, id, &row, raw), 0);
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
}

/* The read fails, and nothing else: the result is there, the connection stays open. */
static void fault_57_cells_of_every_type(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        struct bench bench;
        begin(&bench, &ways[w], 0);
        for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
            struct seen seen = {.question = bench_question(&bench)};
            struct cqlua_statement st;
            prime_cell(&bench, &seen.question, &cells[i]);
            cqlua_statement_init_text(&st, text);
            assert_true(cqlua_execute(bench.session, &st, on_cell, &seen) > 0);
            cqlua_statement_dispose(&st);
            bench_step_until(&bench, bench.ended + 1);
            assert_true(seen.question.is_own && seen.row == 20);
            int expected = cells[i].code == CQLUA_EPROTOCOL ? CQLUA_EPROTOCOL : 0;
            bool is_null = seen.first == CQLUA_NULL;
            if (seen.question.worst != expected || is_null != (cells[i].code == CQLUA_NULL))
                fail_msg("%s, the %zuth cell: %d, %d", cells[i].type, i, seen.question.worst, seen.first);
        }
        assert_int_equal(cqlua_server_connections(bench.server, 0), 1);
        bench_assert_well(&bench);
        bench_end(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_48_lengths),
        cmocka_unit_test(fault_50_flags_of_compression),
        cmocka_unit_test(fault_51_what_is_no_lz4),
        cmocka_unit_test(fault_52_counts),
        cmocka_unit_test(fault_52_every_end),
        cmocka_unit_test(fault_52_statements_that_are_prepared),
        cmocka_unit_test(fault_53_rows_without_columns),
        cmocka_unit_test(fault_54_nesting),
        cmocka_unit_test(fault_56_values_longer_than_the_frame),
        cmocka_unit_test(fault_57_cells_of_every_type),
        cmocka_unit_test(fault_61_unknown_numbers),
        cmocka_unit_test(fault_62_versions),
        cmocka_unit_test(fault_63_what_stands_before_the_body),
        cmocka_unit_test(fault_64_opcodes_and_streams),
        cmocka_unit_test(fault_65_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
