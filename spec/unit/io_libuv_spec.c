/* The public adapter for libuv, on a loop of the user's. */
#include <arpa/inet.h>
#include <cqlua/libuv.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io_fake.h"

static uv_loop_t uv;
static struct cqlua_loop *loop;
static struct cqlua_session session;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&uv), 0);
    loop = cqlua_libuv(&uv);
    fake_session(&session, loop);
    return loop == NULL ? -1 : 0;
}

static void free_loop(void)
{
    loop_leave(loop, &session.member); /* a turn is owed */
    cqlua_loop_free(loop);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0); /* touches nothing that is freed, and closes the rest */
}

static int tear_down(void **state)
{
    (void)state;
    free_loop();
    return uv_loop_close(&uv); /* UV_EBUSY: a handle is left */
}

/* --- turns ----------------------------------------------------------------------------------------------------------------- */

static void close_after_three(struct cqlua_session *self)
{
    self->is_closed = self->turns >= 3;
    self->due_us = self->is_closed ? INT64_MAX : self->turned_at_us + 20000;
}

static void the_users_loop_ends_when_everything_is_closed(void **state)
{
    (void)state;
    session.on_turn = close_after_three;
    int64_t began_us = clock_monotonic_us();
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0); /* 0: no handle is active */
    assert_int_equal(session.turns, 3);
    assert_in_range(clock_monotonic_us() - began_us, 40000, 2000000);
    assert_int_equal(cqlua_loop_run(loop), CQLUA_EUNSUPPORTED);
}

static void a_stale_timer_does_not_keep_the_users_loop(void **state)
{
    (void)state;
    session.due_us = clock_monotonic_us() + 30000000;
    uv_run(&uv, UV_RUN_NOWAIT);
    session.due_us = INT64_MAX; /* closed meanwhile */
    fake_submit(&session, 0);
    int64_t began_us = clock_monotonic_us();
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_in_range(clock_monotonic_us() - began_us, 0, 1000000);
}

static void a_deadline_is_met_soon_after_its_time(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        int64_t due_us = session.due_us = clock_monotonic_us() + 15000;
        int turns = session.turns;
        fake_submit(&session, 0);
        while (session.turned_at_us < due_us) uv_run(&uv, UV_RUN_ONCE);
        assert_in_range(session.turned_at_us - due_us, 0, 500000); /* on a busy machine */
        assert_in_range(session.turns - turns, 1, 4);
        session.due_us = INT64_MAX;
    }
}

/* --- what is submitted anywhere in an iteration ----------------------------------------------------------------------------- */

static int64_t submitted_at_us;

static void submit(void)
{
    submitted_at_us = clock_monotonic_us();
    fake_submit(&session, 1);
}

static void submit_in_prepare(uv_prepare_t *prepare)
{
    uv_prepare_stop(prepare);
    submit();
}

static void submit_in_check(uv_check_t *check)
{
    uv_check_stop(check);
    submit();
}

static void submit_in_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    submit();
}

static void submit_in_timer(uv_timer_t *timer)
{
    (void)timer;
    submit();
}

static void submit_in_async(uv_async_t *async)
{
    uv_close((uv_handle_t *)async, NULL);
    submit();
}

static void submit_in_close(uv_handle_t *handle)
{
    (void)handle;
    submit();
}

static void wake(uv_timer_t *timer)
{
    (void)timer;
}

static void stop(struct cqlua_session *self)
{
    (void)self;
    uv_stop(&uv);
}

static void assert_sent_before_the_loop_sleeps(void)
{
    uv_timer_t timer;
    int dispatched = session.dispatched;
    session.on_completion = stop;
    uv_timer_init(&uv, &timer);
    uv_timer_start(&timer, wake, 800, 0); /* what the loop would sleep for */
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(session.dispatched, dispatched + 1);
    assert_in_range(session.turned_at_us - submitted_at_us, 0, 500000); /* not when the timer woke it */
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
}

static void a_turn_is_made_before_the_loop_sleeps_after_a_prepare_or_check_callback(void **state)
{
    uv_prepare_t prepare;
    uv_check_t check;
    (void)state;
    uv_prepare_init(&uv, &prepare);
    uv_prepare_start(&prepare, submit_in_prepare);
    assert_sent_before_the_loop_sleeps();
    uv_check_init(&uv, &check);
    uv_check_start(&check, submit_in_check);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_sent_before_the_loop_sleeps();
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_close((uv_handle_t *)&check, submit_in_close);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_sent_before_the_loop_sleeps();
}

static void a_turn_is_made_before_the_loop_sleeps_after_any_other_callback(void **state)
{
    uv_idle_t idle;
    uv_timer_t timer;
    uv_async_t async;
    (void)state;
    uv_idle_init(&uv, &idle);
    uv_idle_start(&idle, submit_in_idle);
    assert_sent_before_the_loop_sleeps();
    uv_timer_init(&uv, &timer);
    uv_timer_start(&timer, submit_in_timer, 5, 0);
    assert_sent_before_the_loop_sleeps();
    uv_async_init(&uv, &async, submit_in_async);
    uv_async_send(&async);
    assert_sent_before_the_loop_sleeps();
    uv_close((uv_handle_t *)&idle, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&uv, UV_RUN_NOWAIT);
}

/* --- sockets --------------------------------------------------------------------------------------------------------------- */

struct reader {
    struct loop_watch watch;
    int reads, events;
    int turns_seen; /* of the session, when it was read */
};

static void drain(struct loop_watch *watch, int events, int64_t now_us)
{
    struct reader *reader = (struct reader *)watch;
    char bytes[16];
    assert_true(now_us > 0);
    if (events & CQLUA_READ) reader->reads += read(watch->fd, bytes, sizeof bytes) > 0;
    reader->events = events;
    reader->turns_seen = session.turns;
}

static void watch(struct reader *reader, int fd, int events)
{
    memset(reader, 0, sizeof *reader);
    reader->watch.ready = drain;
    assert_int_equal(loop_watch(loop, &reader->watch, fd, events), 0);
}

static void watch_pipe(struct reader *reader, int ends[2])
{
    assert_int_equal(pipe(ends), 0);
    watch(reader, ends[0], CQLUA_READ);
}

static void unwatch_pipe(struct reader *reader, const int ends[2])
{
    loop_watch(loop, &reader->watch, ends[0], 0);
    close(ends[0]);
    close(ends[1]);
}

static void all_sockets_ready_in_one_wait_are_read_before_one_turn(void **state)
{
    struct reader readers[5];
    int ends[5][2];
    (void)state;
    for (int i = 0; i < 5; i++) watch_pipe(&readers[i], ends[i]);
    uv_run(&uv, UV_RUN_NOWAIT);
    int turns = session.turns;
    for (int i = 0; i < 5; i++) assert_int_equal(write(ends[i][1], "x", 1), 1);
    uv_run(&uv, UV_RUN_ONCE);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(readers[i].reads, 1);
        assert_int_equal(readers[i].turns_seen, turns);
        unwatch_pipe(&readers[i], ends[i]);
    }
    assert_int_equal(session.turns, turns + 1);
}

static void assert_read_before_a_deadline(int64_t stall_us)
{
    struct reader reader;
    int ends[2];
    watch_pipe(&reader, ends);
    session.due_us = clock_monotonic_us() + 5000;
    fake_submit(&session, 0);
    uv_run(&uv, UV_RUN_NOWAIT);
    int turns = session.turns;
    assert_int_equal(write(ends[1], "x", 1), 1);
    sleep_us(stall_us);
    while (session.turns == turns) uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(reader.reads, 1);
    assert_int_equal(reader.turns_seen, turns);
    session.due_us = INT64_MAX;
    unwatch_pipe(&reader, ends);
}

static void after_a_stall_sockets_are_read_before_deadlines_fire(void **state)
{
    (void)state;
    assert_read_before_a_deadline(12000); /* too short for the loop to notice */
    assert_read_before_a_deadline(60000);
}

static void what_is_watched_may_change(void **state)
{
    struct reader reader;
    int ends[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    watch(&reader, ends[0], CQLUA_READ);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(reader.events, 0);
    assert_int_equal(loop_watch(loop, &reader.watch, ends[0], CQLUA_READ | CQLUA_WRITE), 0);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(reader.events, CQLUA_WRITE);
    assert_int_equal(loop_watch(loop, &reader.watch, ends[0], CQLUA_READ), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(reader.events, CQLUA_READ);
    assert_int_equal(reader.reads, 1);
    unwatch_pipe(&reader, ends);
}

/* Two sockets are ready in one wait; the first to be told ends both watches, and another takes over their numbers. */
static struct reader pair[2], heir;
static int pair_ends[2][2], heir_ends[2];

static void end_both(struct loop_watch *told, int events, int64_t now_us)
{
    (void)events, (void)now_us;
    ((struct reader *)told)->reads++;
    unwatch_pipe(&pair[0], pair_ends[0]);
    unwatch_pipe(&pair[1], pair_ends[1]);
    watch_pipe(&heir, heir_ends);
}

static void a_watch_that_ended_is_not_told_of_what_was_collected_before(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        watch_pipe(&pair[i], pair_ends[i]);
        pair[i].watch.ready = end_both;
        assert_int_equal(write(pair_ends[i][1], "x", 1), 1);
    }
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(pair[0].reads + pair[1].reads, 1);
    assert_true(heir_ends[0] == pair_ends[0][0] || heir_ends[0] == pair_ends[1][0]);
    assert_int_equal(heir.events, 0);
    assert_int_equal(write(heir_ends[1], "x", 1), 1);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(heir.reads, 1);
    unwatch_pipe(&heir, heir_ends);
}

/* A datagram that nobody took leaves an error at the socket, which lives on: as one of c-ares does. */
static void a_sockets_error_is_found_by_reading_and_the_socket_stays_watched(void **state)
{
    struct reader reader;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, own;
    socklen_t len = sizeof own;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), peer = socket(AF_INET, SOCK_DGRAM, 0);
    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    assert_int_equal(bind(peer, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(peer, (struct sockaddr *)&address, &len), 0);
    close(peer);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    watch(&reader, fd, CQLUA_READ);
    assert_int_equal(send(fd, "x", 1, 0), 1); /* refused by the machine itself */
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(reader.events, CQLUA_READ);
    assert_int_equal(reader.reads, 0);
    peer = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(peer, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(sendto(peer, "x", 1, 0, (struct sockaddr *)&own, sizeof own), 1);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(reader.reads, 1);
    loop_watch(loop, &reader.watch, fd, 0);
    close(fd);
    close(peer);
}

/* --- processes ------------------------------------------------------------------------------------------------------------- */

static void fault_42_a_child_leaves_the_parents_watches_alone(void **state)
{
    struct reader reader;
    int ends[2], status = 1;
    (void)state;
    watch_pipe(&reader, ends);
    uv_run(&uv, UV_RUN_NOWAIT);
    pid_t pid = fork();
    if (pid == 0) {
        cqlua_loop_turn(loop);
        loop_watch(loop, &reader.watch, ends[0], 0); /* the kernel's record of it is the parent's too */
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(reader.reads, 1);
    unwatch_pipe(&reader, ends);
}

static void no_thread_and_no_descriptor_is_left(void **state)
{
    uv_loop_t other;
    struct cqlua_session own;
    (void)state;
    int descriptors = count_descriptors();
    assert_int_equal(uv_loop_init(&other), 0);
    struct cqlua_loop *on_other = cqlua_libuv(&other);
    fake_session(&own, on_other);
    own.on_turn = close_after_three;
    uv_run(&other, UV_RUN_DEFAULT);
    assert_int_equal(count_threads(), 1);
    loop_leave(on_other, &own.member);
    cqlua_loop_free(on_other);
    uv_run(&other, UV_RUN_NOWAIT); /* once is enough */
    assert_int_equal(uv_loop_close(&other), 0);
    assert_int_equal(count_descriptors(), descriptors);
}

#define SPEC(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest specs[] = {
        SPEC(the_users_loop_ends_when_everything_is_closed),
        SPEC(a_stale_timer_does_not_keep_the_users_loop),
        SPEC(a_deadline_is_met_soon_after_its_time),
        SPEC(a_turn_is_made_before_the_loop_sleeps_after_a_prepare_or_check_callback),
        SPEC(a_turn_is_made_before_the_loop_sleeps_after_any_other_callback),
        SPEC(all_sockets_ready_in_one_wait_are_read_before_one_turn),
        SPEC(after_a_stall_sockets_are_read_before_deadlines_fire),
        SPEC(what_is_watched_may_change),
        SPEC(a_watch_that_ended_is_not_told_of_what_was_collected_before),
        SPEC(a_sockets_error_is_found_by_reading_and_the_socket_stays_watched),
        SPEC(fault_42_a_child_leaves_the_parents_watches_alone),
        cmocka_unit_test(no_thread_and_no_descriptor_is_left),
    };
    return cmocka_run_group_tests_name("libuv", specs, NULL, NULL);
}
