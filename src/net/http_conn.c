#include "net/http_conn.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/state.h"
#include "net/http_conn_parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define INPUT_MAX ((size_t)128 * 1024) /* a head and one read behind it */

static const struct state_row states[] = {
    STATE_ROW(HTTP_CONN_IDLE, "idle", STATE_TO(HTTP_CONN_HEAD) | STATE_TO(HTTP_CONN_GONE)),
    STATE_ROW(HTTP_CONN_HEAD,
              "head",
              STATE_TO(HTTP_CONN_BODY) | STATE_TO(HTTP_CONN_PENDING) | STATE_TO(HTTP_CONN_WRITING) |
                  STATE_TO(HTTP_CONN_GONE)),
    STATE_ROW(HTTP_CONN_BODY,
              "body",
              STATE_TO(HTTP_CONN_PENDING) | STATE_TO(HTTP_CONN_WRITING) | STATE_TO(HTTP_CONN_GONE)),
    STATE_ROW(HTTP_CONN_PENDING,
              "pending",
              STATE_TO(HTTP_CONN_STREAMING) | STATE_TO(HTTP_CONN_WRITING) |
                  STATE_TO(HTTP_CONN_GONE)),
    STATE_ROW(
        HTTP_CONN_STREAMING, "streaming", STATE_TO(HTTP_CONN_WRITING) | STATE_TO(HTTP_CONN_GONE)),
    STATE_ROW(HTTP_CONN_WRITING,
              "writing",
              STATE_TO(HTTP_CONN_IDLE) | STATE_TO(HTTP_CONN_LINGER) | STATE_TO(HTTP_CONN_GONE)),
    STATE_ROW(HTTP_CONN_LINGER, "linger", STATE_TO(HTTP_CONN_GONE)),
    STATE_ROW(HTTP_CONN_GONE, "gone", 0),
};
static const struct state_machine machine = STATE_MACHINE("http", states);

void http_conn_set_state(struct http_conn *c, enum http_conn_state state)
{
    state_check(&machine, c->peer, c->state, state);
    c->state = state;
}

static void destroy(void *object)
{
    struct http_conn *c = object;

    http_conn_forget_request(c);
    buf_done(&c->in);
    free(c);
}

static void enter(struct http_conn *c)
{
    reentry_enter(&c->entry);
}

static void leave(struct http_conn *c)
{
    reentry_leave(&c->entry, c->state == HTTP_CONN_GONE, destroy, c);
}

/* Slots */

static void grow_slots(struct http_site *site)
{
    size_t n = site->n_slots ? site->n_slots * 2 : 16;

    site->slots = xrealloc(site->slots, n, sizeof(struct http_conn *));
    memset(site->slots + site->n_slots, 0, (n - site->n_slots) * sizeof(struct http_conn *));
    site->n_slots = n;
}

void http_conn_slot_take(struct http_conn *c)
{
    struct http_site *site = c->site;
    size_t slot = site->free_slot;

    while (slot < site->n_slots && site->slots[slot])
        slot++;
    if (slot == site->n_slots)
        grow_slots(site);
    assert(slot < (size_t)1 << HTTP_SLOT_BITS);
    site->slots[slot] = c;
    site->free_slot = slot + 1;
    c->slot = slot;
    c->request.id = ++site->serial << HTTP_SLOT_BITS | slot;
}

void http_conn_slot_leave(struct http_conn *c)
{
    struct http_site *site = c->site;

    if (c->state != HTTP_CONN_PENDING && c->state != HTTP_CONN_STREAMING)
        return;
    site->slots[c->slot] = NULL;
    if (c->slot < site->free_slot)
        site->free_slot = c->slot;
}

struct http_conn *http_conn_find(const struct http_site *site, uint64_t request_id)
{
    size_t slot = request_id & (((uint64_t)1 << HTTP_SLOT_BITS) - 1);
    struct http_conn *c = slot < site->n_slots ? site->slots[slot] : NULL;

    return c && c->request.id == request_id ? c : NULL;
}

struct http_conn *http_conn_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct http_conn, link);
}

void http_conn_trust(struct http_conn *c)
{
    sock_trust(c->sock);
}

/* Deadlines */

static void refuse_late(struct http_conn *c)
{
    if (c->site->handler->on_late)
        c->site->handler->on_late(c->site->owner, &c->request, c->limits.timeout_ms);
    http_conn_respond_error(c, 504, "no answer in time");
}

static void expire(struct http_conn *c)
{
    if (sock_is_handshaking(c->sock)) {
        http_conn_free(c); /* there is no way to say why */
        return;
    }
    switch (c->state) {
    case HTTP_CONN_HEAD:
    case HTTP_CONN_BODY: http_conn_refuse(c, 408, "the request did not come in time"); return;
    case HTTP_CONN_PENDING: refuse_late(c); return;
    case HTTP_CONN_IDLE:
    case HTTP_CONN_STREAMING:
    case HTTP_CONN_WRITING:
    case HTTP_CONN_LINGER:
    case HTTP_CONN_GONE:
    default: http_conn_free(c); return;
    }
}

static void on_timer(struct loop_timer *t)
{
    struct http_conn *c = CONTAINER_OF(t, struct http_conn, timer);

    enter(c);
    expire(c);
    leave(c); /* c may be gone now */
}

void http_conn_start_timer(struct http_conn *c, uint64_t ms)
{
    loop_timer_start(c->site->loop, &c->timer, ms, on_timer);
}

/* The socket */

static void take(struct http_conn *c, const unsigned char *data, size_t size)
{
    if (c->state == HTTP_CONN_LINGER)
        return;
    if (buf_append(&c->in, data, size) < 0) {
        http_conn_free(c); /* it sends although we do not read: cannot be */
        return;
    }
    if (c->state == HTTP_CONN_PENDING || c->state == HTTP_CONN_STREAMING)
        sock_pause(c->sock, c->in.size > HTTP_CONN_AHEAD_MAX);
    http_conn_process(c);
}

static void on_data(void *owner, unsigned char *data, size_t size)
{
    struct http_conn *c = owner;

    enter(c);
    take(c, data, size);
    leave(c); /* c may be gone now */
}

static void on_writable(void *owner)
{
    struct http_conn *c = owner;

    enter(c);
    if (c->state == HTTP_CONN_STREAMING) {
        http_conn_continue_stream(c);
    } else if (c->state == HTTP_CONN_WRITING) {
        http_conn_continue_writing(c);
    }
    leave(c); /* c may be gone now */
}

static void on_closed(void *owner, int code)
{
    struct http_conn *c = owner;

    if (code != -ECONNRESET)
        log_debug(LOG_FIELDS("id", c->peer), "http: cannot watch: %s", error_text(code));
    http_conn_free(c); /* c is gone now */
}

static void on_plain(void *owner)
{
    struct http_conn *c = owner;

    enter(c);
    http_conn_refuse(c, 400, "this port speaks HTTPS, the request was plain HTTP: use https://");
    leave(c);
}

static const struct sock_ops sock_ops = {
    .on_data = on_data,
    .on_writable = on_writable,
    .on_closed = on_closed,
    .on_plain = on_plain,
};

/* Life cycle */

void http_conn_forget_request(struct http_conn *c)
{
    if (c->head)
        http_head_done(c->head);
    free(TAKE_PTR(c->head));
    buf_done(&c->body);
    c->request = (struct http_request){0};
    buf_done(&c->out);
    c->out_at = 0;
}

int http_conn_open(struct http_site *site, int fd)
{
    struct http_conn *c = xcalloc(1, sizeof(*c));
    int r;

    c->site = site;
    buf_init(&c->in, INPUT_MAX);
    sock_address(fd, c->peer);
    r = sock_new(&c->sock, &(struct sock_options){.loop = site->loop,
                                                  .fd = fd,
                                                  .ops = &sock_ops,
                                                  .owner = c,
                                                  .group = &site->socks,
                                                  .tls = site->tls});
    if (r < 0) {
        free(c);
        return r;
    }
    list_init(&c->link);
    list_append(&site->conns, &c->link);
    http_conn_set_state(c, HTTP_CONN_HEAD);
    http_conn_start_timer(c, site->head_timeout_ms);
    return 0;
}

void http_conn_free(struct http_conn *c)
{
    bool is_streaming = c->state == HTTP_CONN_STREAMING;

    if (c->state == HTTP_CONN_GONE)
        return;
    enter(c);
    http_conn_slot_leave(c);
    http_conn_set_state(c, HTTP_CONN_GONE);
    loop_timer_stop(&c->timer);
    list_unlink(&c->link);
    if (is_streaming)
        c->stream.handler->on_gone(c->stream.owner);
    sock_free(TAKE_PTR(c->sock)); /* c->site may be gone with the last socket */
    leave(c);
}
