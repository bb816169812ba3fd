/*
 *   resolver_ask -> questions -> (c-ares) -> answers -> delivery, in a turn -> cqlua_lookup_done
 *
 * c-ares may answer from within any call to it, also from within ares_getaddrinfo: so answers are only noted there,
 * and told in a turn. It cannot drop a single question: a forgotten one stays until its answer comes, or until only
 * forgotten ones are left: then the channel goes.
 */
#include "io/resolver.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "io/dns_socket.h"

enum {
    TRY_MS = 2000, /* the first wait for a server: a dead one leaves time for the next within connect_timeout */
    TRIES = 3,
    TIMEOUT_MIN_US = 1000,
    ADDRESSES_MAX = LIMIT_CONTACT_POINTS, /* of one name */
    REASON_MAX = 512,
};

struct question {
    struct list link; /* in questions, then in answers */
    struct resolver *resolver;
    struct cqlua_lookup *lookup; /* NULL: forgotten */
    struct ares_addrinfo *info;  /* the answer; NULL: none */
    int status;                  /* c-ares' */
    size_t size;                 /* of this struct with its name */
    char name[];                 /* NUL-terminated */
};

struct dns_socket {
    struct loop_watch watch;
    struct list link; /* in sockets */
    struct resolver *resolver;
};

/* --- sockets and time of c-ares -------------------------------------------------------------------------------------------- */

static struct dns_socket *find_socket(struct resolver *resolver, int fd)
{
    for (struct list *link = resolver->sockets.next; link != &resolver->sockets; link = link->next) {
        struct dns_socket *socket = container_of(link, struct dns_socket, link);
        if (socket->watch.fd == fd) return socket;
    }
    return NULL;
}

static void drop_socket(struct dns_socket *socket)
{
    struct resolver *resolver = socket->resolver;
    loop_watch(resolver->loop, &socket->watch, socket->watch.fd, 0);
    list_remove(&socket->link);
    memory_free(resolver->memory, socket, sizeof *socket);
}

static void set_timeout(struct resolver *resolver)
{
    struct timeval wait;
    loop_alarm_clear(&resolver->timeout);
    if (resolver->channel == NULL || ares_timeout(resolver->channel, NULL, &wait) == NULL) return;
    int64_t wait_us = (int64_t)wait.tv_sec * 1000000 + wait.tv_usec;
    if (wait_us < TIMEOUT_MIN_US) wait_us = TIMEOUT_MIN_US;
    loop_alarm_set(resolver->loop, &resolver->timeout, loop_now_us(resolver->loop) + wait_us);
}

static void on_socket_ready(struct loop_watch *watch, int events, int64_t now_us)
{
    struct resolver *resolver = container_of(watch, struct dns_socket, watch)->resolver;
    int fd = watch->fd; /* the watch may go in the call */
    (void)now_us;
    ares_process_fd(resolver->channel, events & CQLUA_READ ? fd : ARES_SOCKET_BAD, events & CQLUA_WRITE ? fd : ARES_SOCKET_BAD);
    set_timeout(resolver);
}

static void on_timeout(struct loop_alarm *alarm, int64_t now_us)
{
    struct resolver *resolver = container_of(alarm, struct resolver, timeout);
    (void)now_us;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timeout(resolver);
}

/* c-ares opened, uses or (neither readable nor writable) closes a socket. Where there is no memory to watch it, the
 * question ends by c-ares' own time. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = arg;
    struct dns_socket *socket = find_socket(resolver, fd);
    int events = (readable ? CQLUA_READ : 0) | (writable ? CQLUA_WRITE : 0);
    if (socket == NULL && events != 0) {
        socket = memory_zero(resolver->memory, sizeof *socket);
        if (socket == NULL) return;
        socket->watch.ready = on_socket_ready;
        socket->watch.fd = fd;
        socket->resolver = resolver;
        list_append(&resolver->sockets, &socket->link);
    }
    if (socket == NULL) return;
    if (events == 0) drop_socket(socket);
    else (void)loop_watch(resolver->loop, &socket->watch, fd, events);
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

/* Gives 1, or 0 for what is no address. */
static size_t to_address(const struct sockaddr *from, struct cqlua_address *address)
{
    memset(address, 0, sizeof *address);
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)from;
        address->len = 4;
        memcpy(address->bytes, &v4->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)from;
        address->len = 16;
        address->scope_id = v6->sin6_scope_id;
        memcpy(address->bytes, &v6->sin6_addr, 16);
    }
    return address->len > 0;
}

static void tell(const struct question *question, int64_t now_us)
{
    struct cqlua_address addresses[ADDRESSES_MAX];
    char reason[REASON_MAX];
    size_t count = 0;
    const struct ares_addrinfo_node *node = question->info == NULL ? NULL : question->info->nodes;
    for (; node != NULL && count < ADDRESSES_MAX; node = node->ai_next) count += to_address(node->ai_addr, &addresses[count]);
    if (count > 0) {
        cqlua_lookup_done(question->lookup, addresses, count, NULL, now_us);
        return;
    }
    int status = question->status == ARES_SUCCESS ? ARES_ENODATA : question->status;
    snprintf(reason, sizeof reason, "the name %s has no address: %s", question->name, ares_strerror(status));
    cqlua_lookup_done(question->lookup, NULL, 0, reason, now_us);
}

static void free_question(struct question *question)
{
    if (question->info != NULL) ares_freeaddrinfo(question->info);
    memory_free(question->resolver->memory, question, question->size);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *question = arg;
    (void)timeouts;
    question->status = status;
    question->info = info;
    list_remove(&question->link);
    list_append(&question->resolver->answers, &question->link);
    loop_alarm_soon(question->resolver->loop, &question->resolver->delivery);
}

static bool is_wanted(const struct list *questions)
{
    for (struct list *link = questions->next; link != questions; link = link->next)
        if (container_of(link, struct question, link)->lookup != NULL) return true;
    return false;
}

/* Ends the channel: c-ares answers what is open, closes its sockets, and both are noted by the functions above. */
static void end_channel(struct resolver *resolver)
{
    ares_channel channel = resolver->channel;
    if (channel == NULL) return;
    loop_alarm_clear(&resolver->timeout);
    ares_destroy(channel);
    resolver->channel = NULL;
}

static void drop_answers(struct resolver *resolver)
{
    for (struct list *link; (link = list_take(&resolver->answers)) != NULL;)
        free_question(container_of(link, struct question, link));
}

static size_t count_answers(const struct resolver *resolver)
{
    size_t count = 0;
    for (struct list *link = resolver->answers.next; link != &resolver->answers; link = link->next) count++;
    return count;
}

/* Tells the answers that were there when it began: a name that is asked for again meanwhile, and fails at once,
 * comes in the next round. */
static void deliver(struct loop_alarm *alarm, int64_t now_us)
{
    struct resolver *resolver = container_of(alarm, struct resolver, delivery);
    for (size_t left = count_answers(resolver); left > 0; left--) {
        struct question *question = container_of(list_take(&resolver->answers), struct question, link);
        if (question->lookup != NULL) tell(question, now_us);
        free_question(question);
    }
    if (is_wanted(&resolver->questions) || is_wanted(&resolver->answers)) return;
    end_channel(resolver);
    drop_answers(resolver);
    loop_alarm_clear(&resolver->delivery);
}

/* --- questions ------------------------------------------------------------------------------------------------------------- */

static int open_channel(struct resolver *resolver)
{
    struct ares_options options;
    memset(&options, 0, sizeof options);
    options.timeout = TRY_MS;
    options.tries = TRIES;
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = resolver;
    int status = ares_init_options(&resolver->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        resolver->channel = NULL;
        return status == ARES_ENOMEM ? CQLUA_ENO_MEMORY : CQLUA_ECONNECT_FAILED;
    }
    ares_set_socket_functions(resolver->channel, &dns_socket_functions, NULL);
    if (resolver->servers[0] != '\0') (void)ares_set_servers_ports_csv(resolver->channel, resolver->servers);
    return 0;
}

static struct question *new_question(struct resolver *resolver, struct cqlua_lookup *lookup, const char *name)
{
    size_t size = sizeof(struct question) + strlen(name) + 1;
    struct question *question = memory_zero(resolver->memory, size);
    if (question == NULL) return NULL;
    question->resolver = resolver;
    question->lookup = lookup;
    question->size = size;
    memcpy(question->name, name, strlen(name) + 1);
    list_append(&resolver->questions, &question->link);
    return question;
}

int resolver_ask(struct resolver *resolver, struct cqlua_lookup *lookup, const char *name)
{
    int rc = resolver->channel == NULL ? open_channel(resolver) : 0;
    if (rc < 0) return rc;
    struct question *question = new_question(resolver, lookup, name);
    if (question == NULL) {
        loop_alarm_soon(resolver->loop, &resolver->delivery); /* for the channel, if it was opened in vain */
        return CQLUA_ENO_MEMORY;
    }
    struct ares_addrinfo_hints hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(resolver->channel, question->name, NULL, &hints, on_answer, question);
    set_timeout(resolver);
    return 0;
}

static void forget_in(struct list *questions, const struct cqlua_lookup *lookup)
{
    for (struct list *link = questions->next; link != questions; link = link->next) {
        struct question *question = container_of(link, struct question, link);
        if (question->lookup == lookup) question->lookup = NULL;
    }
}

void resolver_forget(struct resolver *resolver, struct cqlua_lookup *lookup)
{
    forget_in(&resolver->questions, lookup);
    forget_in(&resolver->answers, lookup);
    loop_alarm_soon(resolver->loop, &resolver->delivery);
}

void resolver_use_server(struct resolver *resolver, const char *server)
{
    snprintf(resolver->servers, sizeof resolver->servers, "%s", server);
}

void resolver_init(struct resolver *resolver, struct cqlua_loop *loop, struct memory *memory)
{
    memset(resolver, 0, sizeof *resolver);
    resolver->loop = loop;
    resolver->memory = memory;
    list_init(&resolver->questions);
    list_init(&resolver->answers);
    list_init(&resolver->sockets);
    loop_alarm_init(&resolver->timeout, on_timeout);
    loop_alarm_init(&resolver->delivery, deliver);
}

void resolver_dispose(struct resolver *resolver)
{
    end_channel(resolver);
    drop_answers(resolver);
    loop_alarm_clear(&resolver->delivery);
}
