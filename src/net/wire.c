#include "net/wire.h"
#include "net/tls.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READS_PER_TURN 4

int wire_watch(struct wire *w, struct loop *loop, bool wants_read, bool wants_write, loop_io_fn fn)
{
    uint32_t events = 0;

    if (wants_read)
        events |= (uint32_t)EPOLLIN;
    if (wants_write || w->wants_tls_write)
        events |= (uint32_t)EPOLLOUT;
    if (!events) {
        /* The kernel reports a hang-up even when nothing is asked for, and would spin. */
        loop_io_stop(&w->io);
        return 0;
    }
    return w->io.loop ? loop_io_set(&w->io, events)
                      : loop_io_start(loop, &w->io, w->fd, events, fn);
}

int wire_start_tls(struct wire *w, SSL *ssl)
{
    int r = w->ssl ? tls_nest(ssl, w->ssl) : 0;

    if (r < 0)
        return r;
    w->outer = w->ssl;
    w->ssl = ssl;
    return 0;
}

int wire_handshake(struct wire *w)
{
    return tls_handshake(w->ssl, &w->wants_tls_write);
}

ssize_t wire_send(struct wire *w, const void *data, size_t size)
{
    ssize_t n;

    if (w->ssl)
        return tls_send(w->ssl, data, size);
    do {
        n = send(w->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t wire_read(struct wire *w, char *data, size_t size)
{
    ssize_t n;

    if (w->ssl)
        return tls_receive(w->ssl, data, size, &w->wants_tls_write);
    n = recv(w->fd, data, size, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

/* One record of the proxy's TLS may hold several of the server's. */
bool wire_has_input(const struct wire *w)
{
    return w->outer && SSL_pending(w->outer) > 0;
}

int wire_receive(struct wire *w,
                 struct loop *loop,
                 bool (*take)(struct wire *w, char *data, size_t size))
{
    size_t size;
    char *data = loop_scratch(loop, &size);

    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = wire_read(w, data, size);

        if (n == -EAGAIN || n == -EINTR)
            return 1;
        if (n <= 0)
            return (int)n;
        if (!take(w, data, (size_t)n))
            return 1;
        /*
         * A short read has emptied the socket; to ask again would only cost. TLS reads one record
         * each.
         */
        if ((size_t)n < size && !w->ssl)
            return 1;
    }
    return 1;
}

void wire_close(struct wire *w, bool is_open)
{
    loop_io_stop(&w->io);
    if (w->ssl && is_open)
        (void)SSL_shutdown(w->ssl); /* best effort: the socket may be full or dead */
    SSL_free(TAKE_PTR(w->ssl));
    w->outer = NULL;
    closep(&w->fd);
    w->fd = -1;
}
