#include "net/stream.h"
#include "base/alloc.h"
#include "base/reentry.h"
#include "base/state.h"
#include "base/str.h"
#include "net/dial.h"
#include "net/resolve.h"
#include "net/send_queue.h"
#include "net/tls.h"
#include "net/tls_trust.h"
#include "net/tunnel.h"
#include "net/wire.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BACKLOG_RETRY_MS 20   /* a unix listener whose backlog is full */
#define ATTEMPT_MS       2000 /* for each address but the last; a lost SYN is repeated in 1 s */

enum stream_state {
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_HANDSHAKING,
    STREAM_TUNNELLING,
    STREAM_OPEN,
    STREAM_ENDED,
    STREAM_FREED,
};

struct stream {
    struct loop *loop;
    struct address address;
    struct tunnel *tunnel; /* until it is open; then, and without a proxy, NULL */
    const struct stream_handler *handler;
    void *owner;

    struct resolve *resolve;
    struct addrinfo *list;
    struct addrinfo *next; /* to be tried after the current one fails */

    struct wire wire;
    struct reentry entry;
    struct loop_timer timer; /* of the next step while connecting, or of a report: see `later` */
    void (*later)(struct stream *s);
    struct tls_trust *trust;      /* NULL: the loop's */
    struct tls_trust *used_trust; /* of the handshake */

    struct send_queue output;
    enum stream_state state;
    int code; /* of an end that is still to be reported */
    bool is_insecure;
    bool is_paused;
    char message[700];
};

#define ENDS (STATE_TO(STREAM_ENDED) | STATE_TO(STREAM_FREED))

static const struct state_row states[] = {
    STATE_ROW(STREAM_RESOLVING, "resolving", STATE_TO(STREAM_CONNECTING) | ENDS),
    STATE_ROW(STREAM_CONNECTING,
              "connecting",
              STATE_TO(STREAM_HANDSHAKING) | STATE_TO(STREAM_TUNNELLING) | STATE_TO(STREAM_OPEN) |
                  ENDS),
    STATE_ROW(STREAM_HANDSHAKING,
              "handshaking",
              STATE_TO(STREAM_TUNNELLING) | STATE_TO(STREAM_OPEN) | ENDS),
    STATE_ROW(STREAM_TUNNELLING,
              "tunnelling",
              STATE_TO(STREAM_HANDSHAKING) | STATE_TO(STREAM_OPEN) | ENDS),
    STATE_ROW(STREAM_OPEN, "open", ENDS),
    STATE_ROW(STREAM_ENDED, "ended", STATE_TO(STREAM_FREED)),
    STATE_ROW(STREAM_FREED, "freed", 0),
};
static const struct state_machine machine = STATE_MACHINE("stream", states);

static void set_state(struct stream *s, enum stream_state state)
{
    state_check(&machine, s->address.display, s->state, state);
    s->state = state;
}

static void release(struct stream *s)
{
    loop_timer_stop(&s->timer);
    resolve_cancel(TAKE_PTR(s->resolve));
    tunnel_free(TAKE_PTR(s->tunnel));
    wire_close(&s->wire, s->state == STREAM_OPEN);
}

static void destroy(void *object)
{
    struct stream *s = object;

    if (s->list)
        freeaddrinfo(s->list);
    send_queue_done(&s->output);
    free(s);
}

static void enter(struct stream *s)
{
    reentry_enter(&s->entry);
}

static void leave(struct stream *s)
{
    reentry_leave(&s->entry, s->state == STREAM_FREED, destroy, s);
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
    send_queue_break(&s->output);
    set_state(s, STREAM_ENDED);
    s->code = code;
    str_copy(s->message, sizeof(s->message), message);
}

static void end(struct stream *s, int code, const char *message)
{
    if (s->state >= STREAM_ENDED)
        return;
    set_ended(s, code, message);
    if (reentry_is_inside(&s->entry)) {
        report_end(s);
    } else {
        do_later(s, 0, report_end);
    }
}

/* The address of the other end of the wire. */
static const struct address *to_dial(const struct stream *s)
{
    return s->tunnel ? tunnel_proxy(s->tunnel) : &s->address;
}

static void end_with(struct stream *s, int code, const char *doing, const char *why)
{
    char message[700];

    (void)snprintf(message, sizeof(message), "%s %s%s: %s", doing, s->tunnel ? "proxy " : "",
                   to_dial(s)->display, why);
    end(s, code, message);
}

static void end_errno(struct stream *s, int code, const char *doing)
{
    end_with(s, code, doing, error_text(code));
}

static void end_tls(struct stream *s)
{
    char text[256];

    if (s->state == STREAM_HANDSHAKING && s->wire.ssl) {
        tls_trust_explain(s->used_trust, s->wire.ssl, text, sizeof(text));
    } else {
        (void)tls_error_text(text, sizeof(text));
    }
    end_with(s, -EPROTO, "TLS with", text);
}

static void on_io(struct loop_io *io, uint32_t events);
static void receive_rest(struct stream *s);

/* The events to wait for follow from the state alone. */
static void update_watch(struct stream *s)
{
    bool is_open = s->state == STREAM_OPEN;
    bool is_tunnelling = s->state == STREAM_TUNNELLING;
    bool wants_read = s->state == STREAM_HANDSHAKING || is_tunnelling || (is_open && !s->is_paused);
    bool wants_write = s->state == STREAM_CONNECTING ||
                       (is_open && send_queue_is_waiting(&s->output)) ||
                       (is_tunnelling && tunnel_wants_write(s->tunnel));
    int r;

    if (s->state >= STREAM_ENDED || s->wire.fd < 0)
        return;
    if (is_open && wants_read && wire_has_input(&s->wire))
        do_later(s, 0, receive_rest);
    r = wire_watch(&s->wire, s->loop, wants_read, wants_write, on_io);
    if (r < 0) {
        /* Never reported from here: this may be inside a call of the owner's. */
        set_ended(s, r, error_text(r));
        do_later(s, 0, report_end);
    }
}

/* Sending */

static void flush_and_report(struct stream *s)
{
    bool had_any = s->output.queue.size > 0;

    send_queue_flush(&s->output, &s->wire);
    if (had_any && !s->output.queue.size && s->handler->on_drain)
        s->handler->on_drain(s->owner);
}

/* Receiving */

static bool take(struct wire *w, char *data, size_t size)
{
    struct stream *s = CONTAINER_OF(w, struct stream, wire);

    s->handler->on_data(s->owner, data, size);
    return s->state == STREAM_OPEN && !s->is_paused;
}

static void receive(struct stream *s)
{
    int r;

    if (s->state != STREAM_OPEN || s->is_paused)
        return;
    r = wire_receive(&s->wire, s->loop, take);
    if (r == -EPROTO && s->wire.ssl) {
        end_tls(s);
    } else if (r < 0) {
        end_errno(s, r, "read from");
    } else if (r == 0) {
        end(s, 0, "");
    }
}

/* No event comes for input that TLS with a proxy has read already. */
static void receive_rest(struct stream *s)
{
    receive(s);
    update_watch(s);
}

/* Connecting */

static void opened(struct stream *s)
{
    set_state(s, STREAM_OPEN);
    send_queue_flush(&s->output, &s->wire);
    if (reentry_is_inside(&s->entry))
        s->handler->on_open(s->owner);
}

static void start_tls(struct stream *s);

/* The wire leads to the server. */
static void reached(struct stream *s)
{
    if (s->address.is_tls) {
        start_tls(s);
    } else {
        opened(s);
    }
}

static void tunnel(struct stream *s)
{
    char why[256], message[700];
    int r = tunnel_run(s->tunnel, &s->wire, why, sizeof(why));

    if (r == -EAGAIN)
        return;
    if (r < 0) {
        (void)snprintf(message, sizeof(message), "connect through proxy %s: %s",
                       to_dial(s)->display, why);
        end(s, r, message);
        return;
    }
    tunnel_free(TAKE_PTR(s->tunnel));
    reached(s);
}

static void shaken(struct stream *s)
{
    if (!s->tunnel) {
        opened(s);
        return;
    }
    set_state(s, STREAM_TUNNELLING);
    tunnel(s);
}

static void handshake(struct stream *s)
{
    switch (wire_handshake(&s->wire)) {
    case 0: shaken(s); return;
    case -EAGAIN: return;
    case -ECONNRESET: end_errno(s, -ECONNRESET, "TLS with"); return;
    default: end_tls(s); return;
    }
}

static struct tls_trust *find_trust(const struct stream *s, struct error *err)
{
    if (s->tunnel)
        return loop_proxy_trust(s->loop, err);
    return s->trust ? s->trust : loop_tls_trust(s->loop, err);
}

static void start_tls(struct stream *s)
{
    struct error err = ERROR_INIT;
    SSL *ssl;

    s->used_trust = find_trust(s, &err);
    if (!s->used_trust) {
        end(s, err.code, err.msg);
        return;
    }
    ssl = tls_trust_dial(s->used_trust, s->wire.fd, to_dial(s)->host, s->is_insecure && !s->tunnel);
    if (!ssl || wire_start_tls(&s->wire, ssl) < 0) {
        SSL_free(ssl);
        end_tls(s);
        return;
    }
    set_state(s, STREAM_HANDSHAKING);
    handshake(s);
}

static void connected(struct stream *s)
{
    loop_timer_stop(&s->timer);
    if (to_dial(s)->is_tls) {
        start_tls(s);
    } else {
        shaken(s);
    }
}

static int attempt(struct stream *s)
{
    int r;

    wire_close(&s->wire, false);
    if (s->address.is_unix) {
        r = dial_unix(&s->wire.fd, s->address.host);
    } else {
        r = dial_tcp(&s->wire.fd, s->next->ai_addr, s->next->ai_addrlen, to_dial(s)->port);
        s->next = s->next->ai_next;
    }
    if (r == 0)
        connected(s);
    return r == -EINPROGRESS ? 0 : r;
}

static void dial_again(struct stream *s);
static void dial_other(struct stream *s);

/*
 * Dials until something works or is under way; `r` is why the last attempt failed, 0 for none yet.
 */
static void dial_next(struct stream *s, int r)
{
    loop_timer_stop(&s->timer); /* of the attempt before: each one has its own time */
    do {
        if (r == -EAGAIN && s->address.is_unix) {
            wire_close(&s->wire, false);
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

/* A dead address does not answer: the next one must be tried before the owner's deadline. */
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

    if (getsockopt(s->wire.fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
        code = errno;
    if (code != 0) {
        dial_next(s, -code);
    } else {
        connected(s);
    }
}

static void serve(struct stream *s, uint32_t events)
{
    if (events & (uint32_t)EPOLLOUT)
        flush_and_report(s);
    /* Hang-ups and errors are found out by reading, after what arrived before them. */
    if (events & ~(uint32_t)EPOLLOUT || s->wire.wants_tls_write)
        receive(s);
}

static void on_io(struct loop_io *io, uint32_t events)
{
    struct stream *s = CONTAINER_OF(io, struct stream, wire.io);

    enter(s);
    if (s->state == STREAM_CONNECTING) {
        finish_connect(s);
    } else if (s->state == STREAM_HANDSHAKING) {
        handshake(s);
    } else if (s->state == STREAM_TUNNELLING) {
        tunnel(s);
    } else {
        serve(s, events);
    }
    update_watch(s);
    leave(s); /* s may be gone now */
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
        s->list = s->next = resolve_numeric(to_dial(s)->host);
        if (!s->list) {
            r = resolve_start(&s->resolve, s->loop, to_dial(s)->host, on_resolved, s);
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
    if (o->proxy)
        s->tunnel = tunnel_new(o->proxy, o->address, loop_user_agent(o->loop));
    s->handler = o->handler;
    s->owner = o->owner;
    s->is_insecure = o->is_insecure;
    s->trust = o->trust;
    s->wire.fd = -1;
    send_queue_init(&s->output, o->max_queue, s->address.display);
    start(s);
    return s;
}

void stream_free(struct stream *s)
{
    if (!s || s->state == STREAM_FREED)
        return;
    enter(s);
    release(s);
    set_state(s, STREAM_FREED);
    leave(s);
}

static void flush_now(struct stream *s)
{
    if (s->state != STREAM_OPEN)
        return;
    send_queue_flush(&s->output, &s->wire);
    update_watch(s);
}

int stream_write(struct stream *s, const void *data, size_t size)
{
    int r = send_queue_append(&s->output, data, size);

    if (r == 0)
        flush_now(s);
    return r;
}

int stream_shutdown(struct stream *s)
{
    int r = send_queue_end(&s->output);

    if (r == 0)
        flush_now(s);
    return r;
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

void stream_explain_wait(const struct stream *s, char *text, size_t size)
{
    if (s->tunnel) {
        (void)snprintf(text, size, "connect through proxy %s to %s", to_dial(s)->display,
                       s->address.display);
    } else {
        (void)snprintf(text, size, "connect %s", s->address.display);
    }
}

size_t stream_queued(const struct stream *s)
{
    return send_queue_queued(&s->output);
}

int stream_fd(const struct stream *s)
{
    return s->wire.fd;
}
