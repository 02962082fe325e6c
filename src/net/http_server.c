#include "net/http_server.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "net/http_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BACKLOG           1024
#define ACCEPT_BURST      64
#define ACCEPT_BACKOFF_MS 100 /* when descriptors have run out */
#define HEAD_TIMEOUT_MS   10000
#define STALL_TIMEOUT_MS  30000
#define STREAM_STALL_MS   (UINT64_C(5) * 60 * 1000)
#define LEAST_RATE        16
#define CROWD_REPORT_MS   60000

struct http_server {
    struct http_site site;
    size_t max_connections;
    int fd;
    uint16_t port;
    struct loop_io io;
    struct loop_timer backoff;
    void (*on_crowd)(void *owner, const struct http_crowd *crowd);
    struct http_crowd crowd;
    uint64_t crowd_reported_ms; /* 0: never */
};

static void on_backoff_over(struct loop_timer *t)
{
    struct http_server *s = CONTAINER_OF(t, struct http_server, backoff);

    if (loop_io_set(&s->io, EPOLLIN) < 0)
        loop_timer_start(s->site.loop, t, ACCEPT_BACKOFF_MS, on_backoff_over);
}

/* A client that fills the server must not fill the log, too. */
static void report_crowd(struct http_server *s, const char *peer)
{
    uint64_t now_ms = time_monotonic_ms();

    if (!s->on_crowd || (s->crowd_reported_ms && now_ms - s->crowd_reported_ms < CROWD_REPORT_MS))
        return;
    s->crowd_reported_ms = now_ms;
    s->crowd.peer = peer;
    s->on_crowd(s->site.owner, &s->crowd);
    s->crowd = (struct http_crowd){0};
}

/* Out of descriptors, memory or watches: the longest waiting stranger makes way. */
static void on_exhausted(struct http_server *s, int error)
{
    log_debug(NULL, "cannot accept: %s", error_text(error));
    s->crowd.error = error;
    if (strangers_evict_oldest(&s->site.strangers))
        s->crowd.n_evicted++;
    /* It stays readable and would spin; when this fails, it does for a while. */
    (void)loop_io_set(&s->io, 0);
    loop_timer_start(s->site.loop, &s->backoff, ACCEPT_BACKOFF_MS, on_backoff_over);
    report_crowd(s, "");
}

/* False: there is no room for another connection. */
static bool make_room(struct http_server *s, const char *peer)
{
    bool is_evicted = strangers_make_room(&s->site.strangers, peer);
    bool has_room = s->site.socks.n_open < s->max_connections;

    if (!has_room && strangers_evict_oldest(&s->site.strangers))
        has_room = is_evicted = true;
    s->crowd.n_evicted += is_evicted;
    s->crowd.n_refused += !has_room;
    if (is_evicted || !has_room)
        report_crowd(s, peer);
    return has_room;
}

static void on_acceptable(struct loop_io *io, uint32_t events)
{
    struct http_server *s = CONTAINER_OF(io, struct http_server, io);

    (void)events;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        char peer[SOCK_ADDRESS_SIZE];
        int on = 1, r;

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                on_exhausted(s, -errno);
            return;
        }
        sock_address(fd, peer);
        if (!make_room(s, peer)) {
            close(fd);
            continue;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only costs latency */
        r = http_conn_open(&s->site, fd);
        if (r < 0) {
            on_exhausted(s, r);
            return;
        }
    }
}

/* The address to bind: "" is all of IPv6 and IPv4, or IPv4 alone where there is no IPv6. */
static int make_address(const char *host, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return (int)sizeof(*v4);
    }
    if (!*host || inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return (int)sizeof(*v6);
    }
    return -EINVAL;
}

static int listen_on(const char *host, uint16_t port)
{
    _cleanup_close_ int fd = -1;
    struct sockaddr_storage address;
    int size = make_address(host, port, &address);
    int on = 1, off = 0;

    if (size < 0)
        return size;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (!*host && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&address, (socklen_t)size) < 0)
        return -errno;
    if (listen(fd, BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static uint16_t bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t size = sizeof(address);

    if (getsockname(fd, &address.any, &size) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static int open_listener(struct http_server *s, const char *host, uint16_t port, struct error *err)
{
    s->fd = listen_on(host, port);
    if (s->fd == -EAFNOSUPPORT && !*host)
        s->fd = listen_on("0.0.0.0", port);
    if (s->fd < 0) {
        return error_set(err, s->fd, "listen on %s:%u: %s", *host ? host : "*", port,
                         error_text(s->fd));
    }
    s->port = bound_port(s->fd);
    return 0;
}

int http_server_open(struct http_server **ret,
                     struct loop *loop,
                     const struct http_server_options *o,
                     struct error *err)
{
    _cleanup_(http_server_closep) struct http_server *s = xcalloc(1, sizeof(*s));
    int r;

    s->fd = -1;
    s->site.loop = loop;
    s->site.handler = o->handler;
    s->site.owner = o->owner;
    s->site.head_timeout_ms = o->head_timeout_ms ? o->head_timeout_ms : HEAD_TIMEOUT_MS;
    s->site.stall_timeout_ms = o->stall_timeout_ms ? o->stall_timeout_ms : STALL_TIMEOUT_MS;
    s->site.stream_stall_ms = o->stream_stall_ms ? o->stream_stall_ms : STREAM_STALL_MS;
    s->site.least_rate = o->least_rate ? o->least_rate : LEAST_RATE;
    s->max_connections = o->max_connections;
    s->on_crowd = o->on_crowd;
    strangers_init(&s->site.strangers, (o->max_connections + 1) / 2);
    s->site.socks.strangers = &s->site.strangers;
    list_init(&s->site.conns);
    http_server_set_tls(s, o->tls);

    r = open_listener(s, o->host, o->port, err);
    if (r < 0)
        return r;
    r = loop_io_start(loop, &s->io, s->fd, EPOLLIN, on_acceptable);
    if (r < 0)
        return error_set(err, r, "listen: %s", error_text(r));
    *ret = TAKE_PTR(s);
    return 0;
}

/* The last socket is closed, WebSocket peers included; none refers to the server any more. */
static void on_empty(struct sock_group *g)
{
    struct http_server *s = CONTAINER_OF(g, struct http_server, site.socks);

    strangers_done(&s->site.strangers);
    free(s->site.slots);
    SSL_CTX_free(s->site.tls);
    free(s);
}

void http_server_close(struct http_server *s)
{
    if (!s)
        return;
    loop_io_stop(&s->io);
    loop_timer_stop(&s->backoff);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    while (!list_empty(&s->site.conns))
        http_conn_free(http_conn_of_link(s->site.conns.next));

    if (s->site.socks.n_open) {
        s->site.socks.on_empty = on_empty;
    } else {
        on_empty(&s->site.socks);
    }
}

void http_server_set_tls(struct http_server *s, SSL_CTX *tls)
{
    if (tls)
        SSL_CTX_up_ref(tls);
    SSL_CTX_free(s->site.tls);
    s->site.tls = tls;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_trust(struct http_server *s, uint64_t request_id)
{
    struct http_conn *c = http_conn_find(&s->site, request_id);

    if (c)
        http_conn_trust(c);
}

bool http_respond(struct http_server *s, uint64_t request_id, const struct http_response *response)
{
    struct http_conn *c = http_conn_find(&s->site, request_id);

    return c && http_conn_respond(c, response);
}

bool http_stream_start(struct http_server *s, uint64_t request_id, const struct http_stream *stream)
{
    struct http_conn *c = http_conn_find(&s->site, request_id);

    return c && http_conn_stream_start(c, stream);
}

int http_stream_write(struct http_server *s, uint64_t request_id, const void *data, size_t size)
{
    struct http_conn *c = http_conn_find(&s->site, request_id);

    return c ? http_conn_stream_write(c, data, size) : -ENOTCONN;
}

size_t http_stream_queued(struct http_server *s, uint64_t request_id)
{
    const struct http_conn *c = http_conn_find(&s->site, request_id);

    return c ? http_conn_stream_queued(c) : 0;
}

void http_stream_end(struct http_server *s, uint64_t request_id)
{
    struct http_conn *c = http_conn_find(&s->site, request_id);

    if (c)
        http_conn_stream_end(c);
}
