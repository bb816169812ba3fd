/* The wheel, the map and the stream ids beside models too simple to be wrong, over random steps from seeds. */
#include "base/map.h"
#include "base/random.h"
#include "base/wheel.h"
#include "connection/streams.h"
#include "support/heap.h"

/* --- the wheel: each timer's time beside it ----------------------------------------------------------------------- */

enum { TIMERS = 200, TICK = LIMIT_TICK_US };

struct timers {
    struct wheel wheel;
    struct timer timers[TIMERS];
    int64_t due_us[TIMERS]; /* -1: not armed */
    bool is_late[TIMERS];   /* its time had passed when it was armed */
    int64_t now_us;
};

static int64_t random_delay(struct random *random)
{
    static const int64_t most_us[] = {TICK, 100000, 8192000, 30000000, INT64_C(600) * 1000000};
    return (int64_t)random_below(random, (uint64_t)most_us[random_below(random, 5)]);
}

static void arm_one(struct timers *t, struct random *random)
{
    size_t i = random_below(random, TIMERS);
    t->is_late[i] = random_below(random, 20) == 0;
    t->due_us[i] = t->is_late[i] ? t->now_us - random_delay(random) : t->now_us + random_delay(random);
    if (t->due_us[i] < 0) t->due_us[i] = 0;
    wheel_arm(&t->wheel, &t->timers[i], t->due_us[i]);
}

static void advance(struct timers *t, struct random *random)
{
    int64_t last = 0;
    t->now_us += random_below(random, 30) == 0 ? random_delay(random) : (int64_t)random_below(random, 3 * TICK);
    wheel_advance(&t->wheel, t->now_us);
    for (struct timer *timer; (timer = wheel_take(&t->wheel)) != NULL; last = timer->tick) {
        size_t i = (size_t)(timer - t->timers);
        assert_int_equal(timer->kind, i % 7);
        assert_true(t->due_us[i] >= 0 && t->due_us[i] <= t->now_us); /* never early, never twice */
        assert_true(timer->tick >= last);
        t->due_us[i] = -1;
    }
    for (size_t i = 0; i < TIMERS; i++) /* at most a tick late */
        if (t->due_us[i] >= 0 && !t->is_late[i]) assert_true(t->due_us[i] + TICK > t->now_us);
}

static void agrees(const struct timers *t)
{
    size_t armed = 0;
    int64_t first_us = INT64_MAX;
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(timer_is_armed(&t->timers[i]), t->due_us[i] >= 0);
        if (t->due_us[i] < 0) continue;
        armed++;
        if (t->due_us[i] < first_us) first_us = t->due_us[i];
    }
    assert_int_equal(t->wheel.armed, armed);
    int64_t due_us = wheel_due(&t->wheel);
    if (armed == 0) assert_true(due_us == INT64_MAX);
    else assert_true(due_us < (first_us > t->now_us ? first_us : t->now_us) + TICK + 1);
}

static void Q4_timers_agree_with_their_times(void **state)
{
    (void)state;
    static struct timers t;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        t.now_us = (int64_t)random_below(&random, UINT64_C(1) << 40);
        wheel_init(&t.wheel, t.now_us);
        for (size_t i = 0; i < TIMERS; i++) {
            timer_init(&t.timers[i], (uint8_t)(i % 7));
            t.due_us[i] = -1;
        }
        for (int step = 0; step < 3000; step++) {
            size_t i = random_below(&random, TIMERS);
            switch (random_below(&random, 4)) {
            case 0: advance(&t, &random); break;
            case 1:
                wheel_cancel(&t.wheel, &t.timers[i]);
                t.due_us[i] = -1;
                break;
            default: arm_one(&t, &random);
            }
            agrees(&t);
        }
    }
}

/* --- the map: which elements are in it ---------------------------------------------------------------------------- */

enum { ELEMENTS = 2000 };

struct element {
    struct map_entry entry;
    uint16_t key; /* several elements have the same */
    bool is_in;
};

static uint64_t hash_of(const struct map *map, uint16_t key)
{
    return key % 10 == 0 ? 42 : map_hash(map, slice(&key, sizeof key), slice(NULL, 0)); /* some collide */
}

static void finds_all_of(const struct map *map, const struct element *elements, uint16_t key)
{
    size_t expected = 0, found = 0;
    for (size_t i = 0; i < ELEMENTS; i++) expected += elements[i].is_in && elements[i].key == key;
    for (struct map_entry *entry = map_find(map, hash_of(map, key)); entry != NULL; entry = map_find_next(entry)) {
        const struct element *element = container_of(entry, struct element, entry);
        assert_true(element->is_in);
        found += element->key == key;
    }
    assert_int_equal(found, expected);
}

static void a_map_agrees_with_a_list(void **state)
{
    (void)state;
    static struct element elements[ELEMENTS];
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct heap heap;
        struct map map;
        struct random random = {seed};
        size_t count = 0;
        heap_init(&heap);
        map_init(&map, heap.memory, random_next(&random));
        for (size_t i = 0; i < ELEMENTS; i++) elements[i] = (struct element){.key = (uint16_t)random_below(&random, 700)};
        for (int step = 0; step < 20000; step++) {
            struct element *element = &elements[random_below(&random, ELEMENTS)];
            if (element->is_in) map_remove(&map, &element->entry);
            else assert_int_equal(map_add(&map, &element->entry, hash_of(&map, element->key)), 0);
            count = element->is_in ? count - 1 : count + 1;
            element->is_in = !element->is_in;
            assert_int_equal(map.count, count);
            if (step % 50 == 0) finds_all_of(&map, elements, (uint16_t)random_below(&random, 720));
        }
        for (uint16_t key = 0; key < 720; key++) finds_all_of(&map, elements, key);
        map_dispose(&map);
        heap_dispose(&heap);
    }
}

/* --- stream ids: what each is ------------------------------------------------------------------------------------- */

struct attempt {
    int32_t id;
};

enum kind { REST, TAKEN, ORPHAN };

struct ids {
    struct streams streams;
    struct attempt attempts[LIMIT_STREAMS]; /* by id */
    uint8_t kinds[LIMIT_STREAMS];
    uint32_t used, orphans;
};

static void take(struct ids *ids)
{
    if (ids->used == LIMIT_STREAMS) {
        assert_int_equal(streams_take(&ids->streams, ids->attempts), -1);
        return;
    }
    int32_t next = ids->streams.rest[ids->streams.oldest];
    assert_int_equal(streams_take(&ids->streams, &ids->attempts[next]), next);
    assert_int_equal(ids->kinds[next], REST);
    ids->kinds[next] = TAKEN;
    ids->used++;
}

static void orphan(struct ids *ids, int32_t id)
{
    if (ids->kinds[id] != TAKEN) return;
    streams_orphan(&ids->streams, id);
    ids->kinds[id] = ORPHAN;
    ids->orphans++;
}

static void answer(struct ids *ids, int32_t id)
{
    static const enum streams_release expected[] = {STREAM_RESTING, STREAM_ORPHAN, STREAM_ATTEMPT};
    struct attempt *attempt = NULL;
    enum kind kind = ids->kinds[id];
    assert_int_equal(streams_release(&ids->streams, id, &attempt), expected[kind == REST ? 0 : kind == ORPHAN ? 1 : 2]);
    if (kind == TAKEN) assert_ptr_equal(attempt, &ids->attempts[id]);
    else assert_null(attempt);
    ids->used -= kind != REST;
    ids->orphans -= kind == ORPHAN;
    ids->kinds[id] = REST;
}

static void fault_1_stream_ids_agree_with_what_each_is(void **state)
{
    (void)state;
    static struct ids ids;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct heap heap;
        struct random random = {seed};
        uint64_t takes = 1 + seed; /* of seed 4 all ids are used up */
        heap_init(&heap);
        memset(&ids, 0, sizeof ids);
        assert_int_equal(streams_init(&ids.streams, heap.memory), 0);
        for (int step = 0; step < 200000; step++) {
            int32_t id = (int32_t)random_below(&random, LIMIT_STREAMS);
            uint64_t what = random_below(&random, takes + 2);
            if (what == 0) answer(&ids, id);
            else if (what == 1) orphan(&ids, id);
            else take(&ids);
            if (step % 5000 == 0) streams_age(&ids.streams);
            assert_int_equal(ids.streams.used, ids.used);
            assert_int_equal(streams_orphans(&ids.streams), ids.orphans);
            assert_int_equal(streams_peek(&ids.streams, id) != NULL, ids.kinds[id] == TAKEN);
        }
        streams_dispose(&ids.streams);
        heap_dispose(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(Q4_timers_agree_with_their_times),
        cmocka_unit_test(a_map_agrees_with_a_list),
        cmocka_unit_test(fault_1_stream_ids_agree_with_what_each_is),
    };
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
