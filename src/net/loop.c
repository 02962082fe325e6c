#include "net/loop.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "net/timer_heap.h"
#include "net/tls_trust.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#define BATCH   64 /* watched descriptors served per turn */
#define PARKED  UINT64_MAX
#define SCRATCH ((size_t)64 * 1024) /* more than one TLS record */

struct loop {
    bool is_stopped;
    char *ca_file, *pins, *user_agent;
    struct tls_trust *trust;
    struct tls_trust *proxy_trust;
    char *scratch;

    int epoll_fd;
    struct epoll_event *batch; /* being dispatched */
    size_t n_batch;

    struct timer_heap timers;
    uint64_t armed_ns; /* setting of the timerfd, or PARKED */
    int timer_fd;
    struct loop_io timer_io;

    int signal_fd;
    struct loop_io signal_io;
    loop_signal_fn on_signal;
    void *signal_owner;
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Timers */

static void arm(struct loop *loop)
{
    const struct loop_timer *first = timer_heap_first(&loop->timers);
    uint64_t due_ns = first ? first->due_ns : PARKED;
    struct itimerspec when = {0};

    /*
     * An early wake-up is harmless, so the timerfd is only ever moved forward in time by
     * on_timer().
     */
    if (due_ns >= loop->armed_ns)
        return;
    when.it_value.tv_sec = (time_t)(due_ns / NS_PER_S);
    when.it_value.tv_nsec = (long)(due_ns % NS_PER_S);
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        loop->armed_ns = due_ns;
}

static void on_timer(struct loop_io *io, uint32_t events)
{
    struct loop *loop = CONTAINER_OF(io, struct loop, timer_io);
    uint64_t now = now_ns();
    uint64_t expirations;
    struct loop_timer *t;

    (void)events;
    if (read(loop->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
        log_debug(NULL, "timerfd: %s", error_text(-errno));
    loop->armed_ns = PARKED;
    /*
     * Strictly before `now`: a timer that a callback starts with no delay waits for the next turn.
     */
    while ((t = timer_heap_first(&loop->timers)) && t->due_ns < now) {
        timer_heap_remove(&loop->timers, t);
        t->fn(t);
    }
    arm(loop);
}

void loop_timer_start(struct loop *loop, struct loop_timer *t, uint64_t delay_ms, loop_timer_fn fn)
{
    uint64_t now = now_ns();
    uint64_t delay_ns;

    if (__builtin_mul_overflow(delay_ms, NS_PER_MS, &delay_ns) ||
        __builtin_add_overflow(now, delay_ns, &t->due_ns) || t->due_ns > INT64_MAX)
        t->due_ns = INT64_MAX;
    t->loop = loop;
    t->fn = fn;
    timer_heap_put(&loop->timers, t);
    arm(loop);
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->place > 0)
        timer_heap_remove(&t->loop->timers, t);
}

bool loop_timer_is_running(const struct loop_timer *t)
{
    return t->place > 0;
}

/* Watches */

int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn fn)
{
    struct epoll_event e = {.events = events, .data.ptr = io};

    assert(!io->loop);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
        return -errno;
    *io = (struct loop_io){.loop = loop, .fn = fn, .fd = fd, .events = events};
    return 0;
}

int loop_io_set(struct loop_io *io, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = io};

    if (!io->loop || io->events == events)
        return 0;
    if (epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &e) < 0)
        return -errno;
    io->events = events;
    return 0;
}

void loop_io_stop(struct loop_io *io)
{
    struct loop *loop = io->loop;

    if (!loop)
        return;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL) < 0)
        log_debug(NULL, "epoll: descriptor %d: %s", io->fd, error_text(-errno));
    for (size_t i = 0; i < loop->n_batch; i++) {
        if (loop->batch[i].data.ptr == io)
            loop->batch[i].data.ptr = NULL;
    }
    io->loop = NULL;
}

/* Signals */

static void on_signal(struct loop_io *io, uint32_t events)
{
    struct loop *loop = CONTAINER_OF(io, struct loop, signal_io);
    struct signalfd_siginfo info;

    (void)events;
    if (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        loop->on_signal(loop->signal_owner, (int)info.ssi_signo);
}

int loop_on_signals(struct loop *loop, const int *signals, size_t n, loop_signal_fn fn, void *owner)
{
    sigset_t set;
    int r;

    assert(loop->signal_fd < 0);
    sigemptyset(&set);
    for (size_t i = 0; i < n; i++)
        sigaddset(&set, signals[i]);
    r = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (r != 0)
        return -r;
    loop->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (loop->signal_fd < 0)
        return -errno;
    loop->on_signal = fn;
    loop->signal_owner = owner;
    return loop_io_start(loop, &loop->signal_io, loop->signal_fd, EPOLLIN, on_signal);
}

/* Life cycle */

static int open_descriptors(struct loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0)
        return -errno;
    return loop_io_start(loop, &loop->timer_io, loop->timer_fd, EPOLLIN, on_timer);
}

/* OpenSSL writes to peers that have closed, which must not end the process. */
static void ignore_broken_pipes(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGPIPE, &ignore, NULL);
}

int loop_new(struct loop **ret, const struct loop_options *o, struct error *err)
{
    _cleanup_(loop_freep) struct loop *loop = xcalloc(1, sizeof(*loop));
    int r;

    loop->ca_file = xstrdup(o->ca_file);
    loop->pins = xstrdup(o->pins);
    loop->user_agent = xstrdup(o->user_agent);
    loop->epoll_fd = loop->timer_fd = loop->signal_fd = -1;
    loop->armed_ns = PARKED;
    ignore_broken_pipes();
    r = open_descriptors(loop);
    if (r < 0)
        return error_set(err, r, "event loop: %s", error_text(r));
    *ret = TAKE_PTR(loop);
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    assert(loop->timers.n == 0);
    timer_heap_done(&loop->timers);
    tls_trust_free(loop->trust);
    tls_trust_free(loop->proxy_trust);
    closep(&loop->epoll_fd);
    closep(&loop->timer_fd);
    closep(&loop->signal_fd);
    free(loop->scratch);
    free(loop->ca_file);
    free(loop->pins);
    free(loop->user_agent);
    free(loop);
}

void loop_turn(struct loop *loop)
{
    struct epoll_event events[BATCH];
    int n;

    assert(!loop->batch); /* a callback must not turn the loop that has called it */
    n = epoll_wait(loop->epoll_fd, events, BATCH, -1);
    if (n <= 0)
        return;
    loop->batch = events;
    loop->n_batch = (size_t)n;
    for (size_t i = 0; i < (size_t)n; i++) {
        struct loop_io *io = events[i].data.ptr;

        /* A watch that was stopped by an earlier callback of this turn has been blanked. */
        if (io)
            io->fn(io, events[i].events);
    }
    loop->batch = NULL;
    loop->n_batch = 0;
}

void loop_run(struct loop *loop)
{
    while (!loop->is_stopped)
        loop_turn(loop);
    loop->is_stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}

char *loop_scratch(struct loop *loop, size_t *ret_size)
{
    if (!loop->scratch)
        loop->scratch = xmalloc(SCRATCH);
    *ret_size = SCRATCH;
    return loop->scratch;
}

struct tls_trust *loop_tls_trust(struct loop *loop, struct error *err)
{
    const struct tls_trust_options o = {.ca_file = loop->ca_file, .pins = loop->pins};

    if (!loop->trust && tls_trust_new(&loop->trust, &o, err) < 0)
        return NULL;
    return loop->trust;
}

struct tls_trust *loop_proxy_trust(struct loop *loop, struct error *err)
{
    if (!loop->proxy_trust &&
        tls_trust_new(&loop->proxy_trust, &(struct tls_trust_options){0}, err) < 0)
        return NULL;
    return loop->proxy_trust;
}

const char *loop_user_agent(const struct loop *loop)
{
    return loop->user_agent;
}
