#include "net/sock.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/strangers.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READS_PER_TURN 4

/* Apart from the sock, because most that are open for long have been trusted long ago. */
struct sock_stranger {
    struct stranger stranger;
    struct sock *sock;
};

static void on_io(struct loop_io *io, uint32_t events);

/* The events to wait for follow from the state alone. */
static void update_watch(struct sock *s)
{
    bool wants_read = !s->is_paused || s->is_handshaking;
    bool wants_write = (s->wants_write && !s->is_handshaking) || s->wants_tls_write;
    uint32_t events = (wants_read ? (uint32_t)EPOLLIN : 0) | (wants_write ? (uint32_t)EPOLLOUT : 0);

    if (!events) {
        /* A hang-up is reported even when nothing is asked for, and would spin: no watch at all then. */
        loop_io_stop(&s->io);
    } else if (s->io.loop) {
        loop_io_set(&s->io, events);
    } else {
        int r = loop_io_start(s->loop, &s->io, s->fd, events, on_io);

        assert(r == 0); /* fails only for want of kernel memory or of watches: as for xmalloc() */
    }
}

static void leave_place(struct sock *s)
{
    if (s->ret_is_gone)
        *s->ret_is_gone = true;
    s->ret_is_gone = NULL;
    loop_io_stop(&s->io);
}

static void lose(struct sock *s);

static void on_evict(struct stranger *stranger)
{
    lose(CONTAINER_OF(stranger, struct sock_stranger, stranger)->sock);
}

static void become_stranger(struct sock *s, struct strangers *strangers)
{
    char address[SOCK_ADDRESS_SIZE];

    sock_address(s->fd, address);
    s->stranger = xcalloc(1, sizeof(*s->stranger));
    s->stranger->sock = s;
    stranger_add(strangers, &s->stranger->stranger, address, on_evict);
}

void sock_trust(struct sock *s)
{
    struct sock_stranger *stranger = TAKE_PTR(s->stranger);

    if (!stranger)
        return;
    stranger_remove(&stranger->stranger);
    free(stranger);
}

void sock_init(struct sock *s,
               struct loop *loop,
               int fd,
               const struct sock_ops *ops,
               struct sock_group *group,
               SSL_CTX *tls)
{
    *s = (struct sock){.loop = loop, .fd = fd, .ops = ops, .group = group};
    group->n_open++;
    if (group->strangers)
        become_stranger(s, group->strangers);
    if (tls) {
        s->ssl = tls_server_new(tls, fd);
        assert(s->ssl); /* fails only for want of memory: as for xmalloc() */
        s->is_handshaking = true;
    }
    update_watch(s);
}

void sock_move(struct sock *to, struct sock *from, const struct sock_ops *ops)
{
    leave_place(from);
    *to = *from;
    to->ops = ops;
    if (to->stranger)
        to->stranger->sock = to;
    from->fd = -1;
    from->ssl = NULL;
    from->stranger = NULL;
    from->loop = NULL;
    update_watch(to);
}

void sock_close(struct sock *s)
{
    struct sock_group *g = s->group;

    if (!s->loop)
        return;
    leave_place(s);
    sock_trust(s); /* there is nobody left to make way */
    s->loop = NULL;
    if (s->ssl && !s->is_handshaking)
        (void)SSL_shutdown(s->ssl); /* the peer may not tell an end from a cut without it */
    SSL_free(TAKE_PTR(s->ssl));
    close(s->fd);
    s->fd = -1;
    g->n_open--;
    if (!g->n_open && g->on_empty)
        g->on_empty(g); /* g may be gone now */
}

static void lose(struct sock *s)
{
    const struct sock_ops *ops = s->ops;

    sock_close(s);
    ops->on_closed(s); /* s is gone now */
}

/* False: s is gone. */
static bool receive(struct sock *s, const bool *is_gone)
{
    size_t size;
    char *data = loop_scratch(s->loop, &size);

    for (int i = 0; i < READS_PER_TURN && !s->is_paused; i++) {
        ssize_t n = tls_or_plain_receive(s->ssl, s->fd, data, size, &s->wants_tls_write);

        if (n == -EAGAIN || n == -EINTR)
            return true;
        if (n <= 0) {
            lose(s);
            return false;
        }
        s->ops->on_data(s, (unsigned char *)data, (size_t)n);
        if (*is_gone)
            return false;
        /* A short read has emptied the socket; asking again would only cost. TLS reads one record each. */
        if ((size_t)n < size && !s->ssl)
            return true;
    }
    return true;
}

/* False: s is gone. */
static bool handshake(struct sock *s, const bool *is_gone)
{
    int r = tls_handshake(s->ssl, &s->wants_tls_write);

    if (r == -EAGAIN)
        return true;
    if (r == -EPROTO && s->ops->on_plain && tls_peer_speaks_http()) {
        s->is_handshaking = false;
        SSL_free(TAKE_PTR(s->ssl));
        s->ops->on_plain(s);
        return !*is_gone;
    }
    if (r < 0) {
        lose(s);
        return false;
    }
    s->is_handshaking = false;
    return s->is_paused || receive(s, is_gone); /* what came with the handshake's last words */
}

static void on_io(struct loop_io *io, uint32_t events)
{
    struct sock *s = CONTAINER_OF(io, struct sock, io);
    bool is_gone = false;

    s->ret_is_gone = &is_gone;
    if (s->is_handshaking) {
        if (!handshake(s, &is_gone))
            return;
        s->ret_is_gone = NULL;
        update_watch(s);
        return;
    }
    if (events & (uint32_t)EPOLLOUT && s->wants_write) {
        s->wants_write = false;
        s->ops->on_writable(s);
        if (is_gone)
            return;
    }
    /* Hang-ups and errors are found out by reading, after what arrived before them. */
    if ((events & ~(uint32_t)EPOLLOUT || s->wants_tls_write) && !s->is_paused &&
        !receive(s, &is_gone))
        return;
    s->ret_is_gone = NULL;
    update_watch(s);
}

ssize_t sock_write(struct sock *s, const void *data, size_t size)
{
    ssize_t n;

    if (!s->loop)
        return -ENOTCONN;
    if (s->is_handshaking)
        return 0;
    n = tls_or_plain_send(s->ssl, s->fd, data, size);
    return n == -EAGAIN ? 0 : n;
}

bool sock_is_tls(const struct sock *s)
{
    return s->ssl != NULL;
}

bool sock_is_handshaking(const struct sock *s)
{
    return s->is_handshaking;
}

void sock_want_write(struct sock *s)
{
    if (!s->loop)
        return;
    s->wants_write = true;
    update_watch(s);
}

void sock_end(struct sock *s)
{
    if (!s->loop)
        return;
    if (s->ssl && !s->is_handshaking)
        (void)SSL_shutdown(s->ssl); /* close_notify, the half-close of TLS */
    (void)shutdown(s->fd, SHUT_WR); /* a dead socket shows when reading */
}

void sock_pause(struct sock *s, bool is_paused)
{
    if (!s->loop)
        return;
    s->is_paused = is_paused;
    update_watch(s);
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
