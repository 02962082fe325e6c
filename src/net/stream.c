#include "net/stream.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "net/dial.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "net/tls_trust.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READS_PER_TURN      4
#define BACKLOG_RETRY_MS    20 /* a unix listener whose backlog is full */
#define ATTEMPT_MS          2000 /* for an address that is not the last; a lost SYN is repeated after 1 s */
#define KEPT_QUEUE          ((size_t)16 * 1024)
#define CONSUME_LARGE_QUEUE ((size_t)256 * 1024)

enum stream_state {
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_HANDSHAKING,
    STREAM_OPEN,
    STREAM_ENDED,
};

struct stream {
    struct loop *loop;
    struct address address;
    const struct stream_handler *handler;
    void *owner;

    struct resolve *resolve;
    struct addrinfo *list;
    struct addrinfo *next; /* to be tried after the current one fails */

    struct loop_io io;
    struct loop_timer timer; /* what must happen soon, but not now: see `later` */
    void (*later)(struct stream *s);
    SSL *ssl;
    struct tls_trust *trust;

    struct buf queue;
    size_t sent; /* of the queue's front */

    enum stream_state state;
    int fd;
    int code; /* of an end that is still to be reported */
    bool is_insecure;
    bool is_read_blocked_by_write; /* TLS wants to write before it can read on */
    bool is_shutdown;
    bool is_write_dead;
    bool is_paused;
    bool is_busy; /* a handler may be running: leave() frees */
    bool is_freed;
    char message[700];
};

static void set_state(struct stream *s, enum stream_state state)
{
    assert(state > s->state || (s->state == STREAM_CONNECTING && state == STREAM_CONNECTING));
    s->state = state;
}

static void release(struct stream *s)
{
    loop_timer_stop(&s->timer);
    loop_io_stop(&s->io);
    resolve_cancel(TAKE_PTR(s->resolve));
    if (s->ssl && s->state == STREAM_OPEN)
        (void)SSL_shutdown(s->ssl); /* the peer may not tell an end from a cut without it */
    SSL_free(TAKE_PTR(s->ssl));
    closep(&s->fd);
    s->fd = -1;
}

static void destroy(struct stream *s)
{
    release(s);
    if (s->list)
        freeaddrinfo(s->list);
    buf_done(&s->queue);
    free(s);
}

/* Every entry from the loop is wrapped in enter() and leave(): the stream may be freed in between. */
static void enter(struct stream *s)
{
    assert(!s->is_busy);
    s->is_busy = true;
}

static void leave(struct stream *s)
{
    s->is_busy = false;
    if (s->is_freed)
        destroy(s);
}

static void on_later(struct loop_timer *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, timer);

    enter(s);
    s->later(s);
    leave(s);
}

static void do_later(struct stream *s, uint64_t delay_ms, void (*fn)(struct stream *s))
{
    s->later = fn;
    loop_timer_start(s->loop, &s->timer, delay_ms, on_later);
}

static void report_end(struct stream *s)
{
    s->handler->on_end(s->owner, s->code, s->message);
}

static void set_ended(struct stream *s, int code, const char *message)
{
    release(s);
    set_state(s, STREAM_ENDED);
    s->code = code;
    str_copy(s->message, sizeof(s->message), message);
}

static void end(struct stream *s, int code, const char *message)
{
    if (s->is_freed || s->state == STREAM_ENDED)
        return;
    set_ended(s, code, message);
    if (s->is_busy) {
        report_end(s);
    } else {
        do_later(s, 0, report_end);
    }
}

static void end_with(struct stream *s, int code, const char *doing, const char *why)
{
    char message[700];

    (void)snprintf(message, sizeof(message), "%s %s: %s", doing, s->address.display, why);
    end(s, code, message);
}

static void end_errno(struct stream *s, int code, const char *doing)
{
    end_with(s, code, doing, error_text(code));
}

static void end_tls(struct stream *s)
{
    char text[256];

    if (s->state == STREAM_HANDSHAKING && s->ssl) {
        tls_trust_explain(s->trust, s->ssl, text, sizeof(text));
    } else {
        (void)tls_error_text(text, sizeof(text));
    }
    end_with(s, -EPROTO, "TLS with", text);
}

static void on_io(struct loop_io *io, uint32_t events);

/* The events to wait for follow from the state alone. */
static void update_watch(struct stream *s)
{
    bool wants_write = s->state == STREAM_CONNECTING || s->is_read_blocked_by_write ||
                       (s->state == STREAM_OPEN && s->queue.size > s->sent && !s->is_write_dead);
    bool wants_read = s->state == STREAM_HANDSHAKING || (s->state == STREAM_OPEN && !s->is_paused);
    uint32_t events = (wants_read ? (uint32_t)EPOLLIN : 0) | (wants_write ? (uint32_t)EPOLLOUT : 0);

    if (s->is_freed || s->fd < 0)
        return;
    /* A hang-up is reported even when nothing is asked for, and would spin: so no watch at all then. */
    if (events == 0) {
        loop_io_stop(&s->io);
    } else if (s->io.loop) {
        loop_io_set(&s->io, events);
    } else {
        int r = loop_io_start(s->loop, &s->io, s->fd, events, on_io);

        if (r < 0) {
            /* Never reported from here: this may be inside a call of the owner's. */
            set_ended(s, r, error_text(r));
            do_later(s, 0, report_end);
        }
    }
}

/* Sending */

static void finish_output(struct stream *s)
{
    if (s->queue.capacity > KEPT_QUEUE) {
        buf_done(&s->queue);
    } else {
        buf_clear(&s->queue);
    }
    s->sent = 0;
    if (!s->is_shutdown || s->is_write_dead)
        return;
    if (s->ssl) {
        /* close_notify, the half-close of TLS; the answer is read as EOF */
        (void)SSL_shutdown(s->ssl);
    } else {
        (void)shutdown(s->fd, SHUT_WR); /* a peer that is gone already shows when reading */
    }
    s->is_write_dead = true;
}

static void flush(struct stream *s)
{
    while (s->sent < s->queue.size && !s->is_write_dead) {
        ssize_t n = tls_or_plain_send(s->ssl, s->fd, s->queue.data + s->sent,
                                      s->queue.size - s->sent);

        if (n == -EAGAIN || n == -EINTR)
            break;
        if (n < 0) {
            s->is_write_dead = true;
            break;
        }
        s->sent += (size_t)n;
    }
    if (s->sent == s->queue.size || s->is_write_dead) {
        finish_output(s);
    } else if (s->sent >= CONSUME_LARGE_QUEUE) {
        buf_consume(&s->queue, s->sent);
        s->sent = 0;
    }
}

static void flush_and_tell(struct stream *s)
{
    bool had_any = s->queue.size > 0;

    flush(s);
    if (had_any && !s->queue.size && s->handler->on_drain)
        s->handler->on_drain(s->owner);
}

/* Receiving */

static void receive(struct stream *s)
{
    size_t size;
    char *data = loop_scratch(s->loop, &size);

    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = tls_or_plain_receive(s->ssl, s->fd, data, size, &s->is_read_blocked_by_write);

        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n == -EPROTO && s->ssl) {
            end_tls(s);
            return;
        }
        if (n < 0) {
            end_errno(s, (int)n, "read from");
            return;
        }
        if (n == 0) {
            end(s, 0, "");
            return;
        }
        s->handler->on_data(s->owner, data, (size_t)n);
        if (s->is_freed || s->state == STREAM_ENDED || s->is_paused)
            return;
        /* A short read has emptied the socket; asking again would only cost. TLS reads one record each. */
        if ((size_t)n < size && !s->ssl)
            return;
    }
}

/* Connecting */

static void opened(struct stream *s)
{
    set_state(s, STREAM_OPEN);
    flush(s);
    if (s->is_busy)
        s->handler->on_open(s->owner);
}

static void handshake(struct stream *s)
{
    switch (tls_handshake(s->ssl, &s->is_read_blocked_by_write)) {
    case 0: opened(s); return;
    case -EAGAIN: return;
    case -ECONNRESET: end_errno(s, -ECONNRESET, "TLS with"); return;
    default: end_tls(s); return;
    }
}

static void start_tls(struct stream *s)
{
    struct error err = ERROR_INIT;

    if (!s->trust)
        s->trust = loop_tls_trust(s->loop, &err);
    if (!s->trust) {
        end(s, err.code, err.msg);
        return;
    }
    s->ssl = tls_trust_dial(s->trust, s->fd, s->address.host, s->is_insecure);
    if (!s->ssl) {
        end_tls(s);
        return;
    }
    set_state(s, STREAM_HANDSHAKING);
    handshake(s);
}

static void connected(struct stream *s)
{
    loop_timer_stop(&s->timer);
    if (s->address.is_tls) {
        start_tls(s);
    } else {
        opened(s);
    }
}

static int attempt(struct stream *s)
{
    int r;

    loop_io_stop(&s->io);
    closep(&s->fd);
    s->fd = -1;
    if (s->address.is_unix) {
        r = dial_unix(&s->fd, s->address.host);
    } else {
        r = dial_tcp(&s->fd, s->next->ai_addr, s->next->ai_addrlen, s->address.port);
        s->next = s->next->ai_next;
    }
    if (r == 0)
        connected(s);
    return r == -EINPROGRESS ? 0 : r;
}

static void dial_again(struct stream *s);
static void dial_other(struct stream *s);

/* Dials until something works or is under way; `r` is why the last attempt failed, 0 for none yet. */
static void dial_next(struct stream *s, int r)
{
    do {
        if (r == -EAGAIN && s->address.is_unix) {
            closep(&s->fd);
            s->fd = -1;
            do_later(s, BACKLOG_RETRY_MS, dial_again);
            return;
        }
        if (r < 0 && !s->next) {
            end_errno(s, r, "connect");
            return;
        }
        r = attempt(s);
    } while (r < 0);
    if (s->state == STREAM_CONNECTING && s->next)
        do_later(s, ATTEMPT_MS, dial_other);
    update_watch(s);
}

/* A dead address says nothing: the next one must get its turn before the owner's deadline. */
static void dial_other(struct stream *s)
{
    dial_next(s, -ETIMEDOUT);
}

static void dial_again(struct stream *s)
{
    dial_next(s, 0);
}

static void finish_connect(struct stream *s)
{
    int code = 0;
    socklen_t size = sizeof(code);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
        code = errno;
    if (code != 0) {
        dial_next(s, -code);
    } else {
        connected(s);
    }
}

static void on_io(struct loop_io *io, uint32_t events)
{
    struct stream *s = CONTAINER_OF(io, struct stream, io);

    enter(s);
    if (s->state == STREAM_CONNECTING) {
        finish_connect(s);
    } else if (s->state == STREAM_HANDSHAKING) {
        handshake(s);
    } else {
        if (events & (uint32_t)EPOLLOUT)
            flush_and_tell(s);
        /* Hang-ups and errors are found out by reading, after what arrived before them. */
        if (!s->is_freed && !s->is_paused &&
            (events & ~(uint32_t)EPOLLOUT || s->is_read_blocked_by_write))
            receive(s);
    }
    update_watch(s);
    leave(s);
}

static void on_resolved(void *owner, int code, const char *text, struct addrinfo *list)
{
    struct stream *s = owner;

    enter(s);
    s->resolve = NULL;
    s->list = s->next = list;
    if (code < 0 || !list) {
        end_with(s, -EHOSTUNREACH, "resolve", text);
    } else {
        set_state(s, STREAM_CONNECTING);
        dial_next(s, 0);
    }
    leave(s);
}

static void start(struct stream *s)
{
    int r;

    if (!s->address.is_unix) {
        s->list = s->next = resolve_numeric(s->address.host);
        if (!s->list) {
            r = resolve_start(&s->resolve, s->loop, s->address.host, on_resolved, s);
            if (r < 0)
                end_errno(s, r, "resolve");
            return;
        }
    }
    set_state(s, STREAM_CONNECTING);
    dial_next(s, 0);
}

struct stream *stream_open(const struct stream_options *o)
{
    struct stream *s = xcalloc(1, sizeof(*s));

    s->loop = o->loop;
    s->address = *o->address;
    s->handler = o->handler;
    s->owner = o->owner;
    s->is_insecure = o->is_insecure;
    s->trust = o->trust;
    s->fd = -1;
    buf_init(&s->queue, o->max_queue);
    start(s);
    return s;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    s->is_freed = true;
    if (!s->is_busy) {
        destroy(s);
    } else {
        release(s); /* leave() does the rest */
    }
}

int stream_write(struct stream *s, const void *data, size_t size)
{
    if (s->is_shutdown)
        return -EPIPE;
    if (s->is_write_dead || s->state == STREAM_ENDED)
        return 0;
    if (s->sent > 0 && size > s->queue.max - s->queue.size) {
        buf_consume(&s->queue, s->sent);
        s->sent = 0;
    }
    if (buf_append(&s->queue, data, size) < 0)
        return -ENOBUFS;
    if (s->state == STREAM_OPEN) {
        flush(s);
        update_watch(s);
    }
    return 0;
}

int stream_shutdown(struct stream *s)
{
    if (s->is_shutdown)
        return -EPIPE;
    s->is_shutdown = true;
    if (s->state == STREAM_OPEN) {
        flush(s);
        update_watch(s);
    }
    return 0;
}

void stream_pause(struct stream *s, bool is_paused)
{
    s->is_paused = is_paused;
    update_watch(s);
}

bool stream_is_open(const struct stream *s)
{
    return s->state == STREAM_OPEN;
}

size_t stream_queued(const struct stream *s)
{
    return s->queue.size - s->sent;
}

int stream_fd(const struct stream *s)
{
    return s->fd;
}
