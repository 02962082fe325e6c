/*
 * TLS servers handshake here, and a client that speaks plain HTTP to them is found out: OpenSSL
 * names the error, and the sock goes on without TLS so that the owner can say what is wrong.
 */

#include "net/sock.h"
#include "base/alloc.h"
#include "base/reentry.h"
#include "base/state.h"
#include "base/str.h"
#include "net/strangers.h"
#include "net/tls.h"
#include "net/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum sock_state { SOCK_HANDSHAKING, SOCK_OPEN, SOCK_LOST, SOCK_FREED };

/* Apart from the sock, because most sockets that are open for long are trusted. */
struct sock_stranger {
    struct stranger stranger;
    struct sock *sock;
};

struct sock {
    struct loop *loop;
    struct wire wire;
    struct reentry entry;
    enum sock_state state;
    const struct sock_ops *ops;
    void *owner;
    struct sock_group *group;
    struct sock_stranger *stranger;  /* NULL: trusted */
    struct loop_timer refused_timer; /* runs: the kernel has refused a watch, for refused_code */
    int refused_code;
    bool is_paused;
    bool wants_write;
};

static const struct state_row states[] = {
    STATE_ROW(SOCK_HANDSHAKING,
              "handshaking",
              STATE_TO(SOCK_OPEN) | STATE_TO(SOCK_LOST) | STATE_TO(SOCK_FREED)),
    STATE_ROW(SOCK_OPEN, "open", STATE_TO(SOCK_LOST) | STATE_TO(SOCK_FREED)),
    STATE_ROW(SOCK_LOST, "lost", STATE_TO(SOCK_FREED)),
    STATE_ROW(SOCK_FREED, "freed", 0),
};
static const struct state_machine machine = STATE_MACHINE("sock", states);

static void set_state(struct sock *s, enum sock_state state)
{
    state_check(&machine, NULL, s->state, state);
    s->state = state;
}

static bool is_alive(const struct sock *s)
{
    return s->state < SOCK_LOST;
}

static void enter(struct sock *s)
{
    reentry_enter(&s->entry);
}

static void leave(struct sock *s)
{
    reentry_leave(&s->entry, s->state == SOCK_FREED, free, s);
}

/* Closes; the owner learns of it from others, if at all. */
static void release(struct sock *s, enum sock_state next)
{
    bool is_open = s->state == SOCK_OPEN;
    bool was_alive = is_alive(s);
    struct sock_group *g = s->group;

    set_state(s, next);
    if (!was_alive)
        return;
    loop_timer_stop(&s->refused_timer);
    sock_trust(s); /* it cannot make way any more */
    wire_close(&s->wire, is_open);
    g->n_open--;
    if (!g->n_open && g->on_empty)
        g->on_empty(g); /* g may be gone now */
}

static void lose(struct sock *s, int code)
{
    enter(s);
    release(s, SOCK_LOST);
    s->ops->on_closed(s->owner, code);
    leave(s); /* s may be gone now */
}

static void on_evict(struct stranger *stranger)
{
    lose(CONTAINER_OF(stranger, struct sock_stranger, stranger)->sock, -ECONNRESET);
}

static void become_stranger(struct sock *s, struct strangers *strangers)
{
    char address[SOCK_ADDRESS_SIZE];

    sock_address(s->wire.fd, address);
    s->stranger = xcalloc(1, sizeof(*s->stranger));
    s->stranger->sock = s;
    stranger_add(strangers, &s->stranger->stranger, address, on_evict);
}

void sock_trust(struct sock *s)
{
    struct sock_stranger *stranger = s ? TAKE_PTR(s->stranger) : NULL;

    if (!stranger)
        return;
    stranger_remove(&stranger->stranger);
    free(stranger);
}

/* The watch */

static void on_io(struct loop_io *io, uint32_t events);

static void on_refused(struct loop_timer *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, refused_timer);

    lose(s, s->refused_code); /* s may be gone now */
}

/* The events to wait for follow from the state alone. */
static int try_watch(struct sock *s)
{
    bool is_handshaking = s->state == SOCK_HANDSHAKING;

    return wire_watch(&s->wire, s->loop, !s->is_paused || is_handshaking,
                      s->wants_write && !is_handshaking, on_io);
}

static void update_watch(struct sock *s)
{
    int r = is_alive(s) ? try_watch(s) : 0;

    if (r == 0)
        return;
    s->refused_code = r;
    loop_timer_start(s->loop, &s->refused_timer, 0, on_refused);
}

/* Input */

static bool take(struct wire *w, char *data, size_t size)
{
    struct sock *s = CONTAINER_OF(w, struct sock, wire);

    s->ops->on_data(s->owner, (unsigned char *)data, size);
    return is_alive(s) && !s->is_paused;
}

static void receive(struct sock *s)
{
    if (!is_alive(s) || s->is_paused)
        return;
    if (wire_receive(&s->wire, s->loop, take) <= 0)
        lose(s, -ECONNRESET);
}

static void handshake(struct sock *s)
{
    int r = wire_handshake(&s->wire);

    if (r == -EAGAIN)
        return;
    if (r == -EPROTO && s->ops->on_plain && tls_peer_speaks_http()) {
        set_state(s, SOCK_OPEN);
        SSL_free(TAKE_PTR(s->wire.ssl));
        s->ops->on_plain(s->owner);
    } else if (r < 0) {
        lose(s, -ECONNRESET);
    } else {
        set_state(s, SOCK_OPEN);
        receive(s); /* data may have come with the last part of the handshake */
    }
}

static void serve(struct sock *s, uint32_t events)
{
    if (events & (uint32_t)EPOLLOUT && s->wants_write) {
        s->wants_write = false;
        s->ops->on_writable(s->owner);
    }
    /* Hang-ups and errors are found out by reading, after what arrived before them. */
    if (events & ~(uint32_t)EPOLLOUT || s->wire.wants_tls_write)
        receive(s);
}

static void on_io(struct loop_io *io, uint32_t events)
{
    struct sock *s = CONTAINER_OF(io, struct sock, wire.io);

    enter(s);
    if (s->state == SOCK_HANDSHAKING) {
        handshake(s);
    } else {
        serve(s, events);
    }
    update_watch(s);
    leave(s); /* s may be gone now */
}

/* Life cycle */

int sock_new(struct sock **ret, const struct sock_options *o)
{
    struct sock *s = xcalloc(1, sizeof(*s));
    int r;

    s->loop = o->loop;
    s->wire.fd = o->fd;
    s->ops = o->ops;
    s->owner = o->owner;
    s->group = o->group;
    s->state = o->tls ? SOCK_HANDSHAKING : SOCK_OPEN;
    s->group->n_open++;
    if (o->tls)
        s->wire.ssl = tls_server_new(o->tls, o->fd);
    r = o->tls && !s->wire.ssl ? -ENOMEM : try_watch(s);
    if (r < 0) {
        sock_free(s);
        return r;
    }
    if (s->group->strangers)
        become_stranger(s, s->group->strangers);
    *ret = s;
    return 0;
}

void sock_free(struct sock *s)
{
    if (!s || s->state == SOCK_FREED)
        return;
    enter(s);
    release(s, SOCK_FREED);
    leave(s);
}

void sock_adopt(struct sock *s, const struct sock_ops *ops, void *owner)
{
    s->ops = ops;
    s->owner = owner;
}

/* Output and settings */

ssize_t sock_write(struct sock *s, const void *data, size_t size)
{
    ssize_t n;

    if (!is_alive(s))
        return -ENOTCONN;
    if (s->state == SOCK_HANDSHAKING)
        return 0;
    n = wire_send(&s->wire, data, size);
    return n == -EAGAIN ? 0 : n;
}

void sock_want_write(struct sock *s)
{
    s->wants_write = true;
    update_watch(s);
}

void sock_end(struct sock *s)
{
    if (!is_alive(s))
        return;
    if (s->wire.ssl && s->state == SOCK_OPEN)
        (void)SSL_shutdown(s->wire.ssl); /* close_notify, the half-close of TLS */
    (void)shutdown(s->wire.fd, SHUT_WR); /* a dead socket shows when reading */
}

void sock_pause(struct sock *s, bool is_paused)
{
    s->is_paused = is_paused;
    update_watch(s);
}

bool sock_is_tls(const struct sock *s)
{
    return s->wire.ssl != NULL;
}

bool sock_is_handshaking(const struct sock *s)
{
    return s->state == SOCK_HANDSHAKING;
}

int sock_fd(const struct sock *s)
{
    return s->wire.fd;
}

void sock_address(int fd, char ret[SOCK_ADDRESS_SIZE])
{
    static const char mapped[] = "::ffff:";
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof(a);
    const void *ip = &((const struct sockaddr_in *)&a)->sin_addr;
    char text[SOCK_ADDRESS_SIZE] = "";

    if (getpeername(fd, (struct sockaddr *)&a, &size) == 0) {
        if (a.ss_family == AF_INET6)
            ip = &((const struct sockaddr_in6 *)&a)->sin6_addr;
        if (!inet_ntop(a.ss_family, ip, text, sizeof(text)))
            text[0] = '\0';
    }
    str_copy(ret, SOCK_ADDRESS_SIZE, str_starts_with(text, mapped) ? text + strlen(mapped) : text);
}
