#include "net/resolve.h"
#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* Shared by the request and the thread; the last of the two frees it. */
struct lookup {
    _Atomic int refs;
    int done_fd;
    char *host;
    int code; /* of getaddrinfo */
    struct addrinfo *list;
};

struct resolve {
    struct lookup *lookup;
    struct loop_io io;
    resolve_fn fn;
    void *owner;
};

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) > 1)
        return;
    if (l->list)
        freeaddrinfo(l->list);
    closep(&l->done_fd);
    free(l->host);
    free(l);
}

static void *lookup_run(void *arg)
{
    struct lookup *l = arg;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    uint64_t one = 1;

    l->code = getaddrinfo(l->host, NULL, &hints, &l->list);
    if (l->code == EAI_NONAME || l->code == EAI_ADDRFAMILY) {
        /* AI_ADDRCONFIG hides "localhost" from a machine that has nothing but loopback. */
        const struct addrinfo any = {.ai_socktype = SOCK_STREAM};

        l->code = getaddrinfo(l->host, NULL, &any, &l->list);
    }
    (void)!write(l->done_fd, &one, sizeof(one)); /* cannot fail: a fresh eventfd has room */
    lookup_unref(l);
    return NULL;
}

static void on_done(struct loop_io *io, uint32_t events)
{
    struct resolve *r = CONTAINER_OF(io, struct resolve, io);
    resolve_fn fn = r->fn;
    void *owner = r->owner;
    uint64_t count;
    int code;
    struct addrinfo *list;

    (void)events;
    /* The read orders the thread's writes before the reads below. */
    if (read(r->lookup->done_fd, &count, sizeof(count)) < 0)
        return;
    code = r->lookup->code;
    list = TAKE_PTR(r->lookup->list);
    resolve_cancel(r);
    fn(owner, code == 0 ? 0 : -ENOENT, code == 0 ? "" : gai_strerror(code), list);
}

static int spawn(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    sigset_t old;
    int r;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    /* Signals belong to the loop's signalfd. */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, &attr, lookup_run, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}

int resolve_start(
    struct resolve **ret, struct loop *loop, const char *host, resolve_fn fn, void *owner)
{
    _cleanup_(resolve_cancelp) struct resolve *r = xcalloc(1, sizeof(*r));
    int code;

    r->fn = fn;
    r->owner = owner;
    r->lookup = xcalloc(1, sizeof(*r->lookup));
    r->lookup->refs = 1;
    r->lookup->host = xstrdup(host);
    r->lookup->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (r->lookup->done_fd < 0)
        return -errno;
    code = loop_io_start(loop, &r->io, r->lookup->done_fd, EPOLLIN, on_done);
    if (code < 0)
        return code;
    r->lookup->refs = 2;
    code = spawn(r->lookup);
    if (code < 0) {
        r->lookup->refs = 1;
        return code;
    }
    *ret = TAKE_PTR(r);
    return 0;
}

void resolve_cancel(struct resolve *r)
{
    if (!r)
        return;
    loop_io_stop(&r->io);
    lookup_unref(r->lookup);
    free(r);
}

struct addrinfo *resolve_numeric(const char *host)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *list = NULL;

    return getaddrinfo(host, NULL, &hints, &list) == 0 ? list : NULL;
}
