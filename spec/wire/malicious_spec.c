/* A server that lies, as a C program meets it: bodies with mutated bytes, of which every cell is read by every getter. Each
 * request ends once, with its own answer or a typed error; afterwards nothing is held. From one seed: CQLUA_TEST_SEED. */
#include <stdio.h>
#include <stdlib.h>

#include "wire/support/bench.h"

enum { AT_ONCE = 16, ROUNDS = 60, BODY = 256 };

static uint32_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

static size_t put(uint8_t *body, size_t at, const char *bytes, size_t len)
{
    memcpy(body + at, bytes, len);
    return at + len;
}

static size_t put_int(uint8_t *body, size_t at, int32_t value)
{
    for (int i = 0; i < 4; i++) body[at + (size_t)i] = (uint8_t)((uint32_t)value >> (24 - 8 * i));
    return at + 4;
}

/* RESULT (v5 section 4.2.5.2): rows of token int, l list<int>, t tuple<int, text>, d decimal. */
static size_t make_body(uint8_t *body, int32_t token)
{
    static const char head[] =
        "\0\0\0\2\0\0\0\1\0\0\0\4\0\1k\0\1t\0\5token\0\11\0\1l\0\40\0\11\0\1t\0\61\0\2\0\11\0\15\0\1d\0\6\0\0\0\2";
    static const char rest[] = "\0\0\0\14\0\0\0\1\0\0\0\4\0\0\0\7"  /* l */
                               "\0\0\0\15\0\0\0\4\0\0\0\1\0\0\0\1x" /* t */
                               "\0\0\0\5\0\0\0\2\173";              /* d */
    size_t at = put(body, 0, head, sizeof head - 1);
    for (int row = 0; row < 2; row++) {
        at = put_int(body, put_int(body, at, 4), token);
        at = put(body, at, rest, sizeof rest - 1);
    }
    return at;
}

static void mutate(uint8_t *body, size_t *len, struct cqlua_prime *prime)
{
    static const int32_t lies[] = {-1, -2, 0, INT32_MAX, INT32_MIN, 65535, 5};
    switch (random_below(9)) {
    case 0:
    case 1: body[random_below((uint32_t)*len)] = (uint8_t)random_below(256); break;
    case 2:
    case 3: put_int(body, random_below((uint32_t)*len - 3), lies[random_below(7)]); break;
    case 4: *len = random_below((uint32_t)*len); break;
    case 5: prime->frame_flags = (int)random_below(256); break;
    case 6: prime->frame_length = random_below(600); break;
    case 7: prime->truncate = random_below(100); break;
    default: prime->corrupt = random_below(60); break;
    }
}

static void prime_answer(struct bench *bench, const char *text, int32_t token, int is_mutated)
{
    uint8_t body[BODY];
    struct cqlua_prime prime;
    size_t len = make_body(body, token);
    cqlua_prime_init(&prime);
    prime.query = text;
    prime.times = 1;
    if (is_mutated) mutate(body, &len, &prime);
    prime.body = (struct cqlua_slice){body, len};
    assert_true(cqlua_server_prime(bench->server, &prime) > 0);
}

/* --- the storm -------------------------------------------------------------------------------------------------------------- */

static void one_round(struct bench *bench)
{
    struct question questions[AT_ONCE];
    int ended = bench->ended;
    for (int i = 0; i < AT_ONCE; i++) {
        char text[64];
        questions[i] = bench_question(bench);
        bench_text(&questions[i], text);
        prime_answer(bench, text, questions[i].token, random_below(8) == 0);
        bench_ask(bench, &questions[i], text, 150);
    }
    bench_step_until(bench, ended + AT_ONCE);
    bench_assert_well(bench);
    cqlua_server_unprime(bench->server, 0);
    cqlua_server_clear(bench->server);
}

/* Below v5 a length that lies swallows what follows, until heartbeats end that. */
static void storm(int version, int lz4)
{
    struct bench bench;
    struct cqlua_options options;
    const char *given = getenv("CQLUA_TEST_SEED");
    seed = given == NULL ? 7 : (uint32_t)atoi(given);
    bench_begin(&bench, version, lz4, NULL);
    bench_options(&bench, &options);
    options.heartbeat_interval_ms = options.heartbeat_timeout_ms = 200;
    bench_open(&bench, &options);
    for (int round = 0; round < ROUNDS; round++) one_round(&bench);
    assert_in_range(bench.own, ROUNDS * AT_ONCE / 4, ROUNDS * (AT_ONCE + 1));
    assert_in_range(bench_most_held, 1, 8 << 20); /* whatever the lengths said */
    bench_end(&bench);
}

static void fault_52_a_storm_of_mutated_answers_in_v4(void **state)
{
    (void)state;
    storm(4, 0);
}

static void fault_51_a_storm_of_mutated_answers_in_v4_with_lz4(void **state)
{
    (void)state;
    storm(4, 1);
}

static void fault_57_a_storm_of_mutated_answers_in_v5(void **state)
{
    (void)state;
    storm(5, 0);
}

static void fault_65_a_storm_of_mutated_answers_in_v5_with_lz4(void **state)
{
    (void)state;
    storm(5, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_52_a_storm_of_mutated_answers_in_v4),
        cmocka_unit_test(fault_51_a_storm_of_mutated_answers_in_v4_with_lz4),
        cmocka_unit_test(fault_57_a_storm_of_mutated_answers_in_v5),
        cmocka_unit_test(fault_65_a_storm_of_mutated_answers_in_v5_with_lz4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
