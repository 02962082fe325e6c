#include "net/http_conn.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "net/ws_accept.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#define MAX_BODY            ((size_t)1024 * 1024) /* unless the handler says otherwise */
#define INPUT_MAX           ((size_t)128 * 1024)  /* a head and one read behind it */
#define ERROR_BODY_MAX      ((size_t)4096)
#define RESPONSE_TIMEOUT_MS 60000
#define IDLE_TIMEOUT_MS     60000 /* between two requests */
#define LINGER_TIMEOUT_MS   2000
#define STREAM_STALL_MS     (UINT64_C(5) * 60 * 1000) /* of a client that reads nothing of a stream */
#define AHEAD_MAX           ((size_t)16 * 1024) /* of the next request, while one is answered */
#define TURN_WRITE_MAX      ((size_t)256 * 1024)
#define PROCEED             "HTTP/1.1 100 Continue\r\n\r\n"

struct http_conn {
    struct list link;
    struct http_site *site;
    struct sock sock;
    enum http_conn_state state;
    struct loop_timer timer;
    bool is_last; /* no further request after this one */
    bool is_busy; /* in process(): the handler may not pull the connection from under it */
    bool is_freed;

    struct buf in; /* not yet understood */
    size_t scanned;
    struct http_head *head;
    struct buf body;
    struct http_request request;
    struct http_limits limits;
    size_t slot; /* while PENDING */

    struct http_stream stream; /* while STREAMING */
    bool is_chunked;
    unsigned char *out;
    size_t out_size, out_at;
    struct buf queue;        /* of a stream, from out_at on */
    uint64_t write_until_ms; /* however steadily it reads */
    char peer[SOCK_ADDRESS_SIZE];
};

static const char *const state_names[] = {"idle",      "head",    "body",  "pending",
                                          "streaming", "writing", "linger"};

static const uint8_t successors[] = {
    [HTTP_CONN_IDLE] = 1 << HTTP_CONN_HEAD,
    [HTTP_CONN_HEAD] = 1 << HTTP_CONN_BODY | 1 << HTTP_CONN_PENDING | 1 << HTTP_CONN_WRITING,
    [HTTP_CONN_BODY] = 1 << HTTP_CONN_PENDING | 1 << HTTP_CONN_WRITING,
    [HTTP_CONN_PENDING] = 1 << HTTP_CONN_STREAMING | 1 << HTTP_CONN_WRITING,
    [HTTP_CONN_STREAMING] = 1 << HTTP_CONN_WRITING,
    [HTTP_CONN_WRITING] = 1 << HTTP_CONN_IDLE | 1 << HTTP_CONN_LINGER,
    [HTTP_CONN_LINGER] = 0,
};

static void set_state(struct http_conn *c, enum http_conn_state state)
{
    assert(successors[c->state] & 1 << state);
    log_debug(NULL, "http %s: %s -> %s", c->peer, state_names[c->state], state_names[state]);
    c->state = state;
}

static void on_timer(struct loop_timer *t);

static void start_timer(struct http_conn *c, uint64_t ms)
{
    loop_timer_start(c->site->loop, &c->timer, ms, on_timer);
}

/* Slots */

static void slot_take(struct http_conn *c)
{
    struct http_site *site = c->site;
    size_t slot = 0;

    while (slot < site->n_slots && site->slots[slot])
        slot++;
    if (slot == site->n_slots) {
        size_t n = site->n_slots ? site->n_slots * 2 : 16;

        site->slots = xrealloc(site->slots, n, sizeof(struct http_conn *));
        memset(site->slots + site->n_slots, 0, (n - site->n_slots) * sizeof(struct http_conn *));
        site->n_slots = n;
    }
    assert(slot < (size_t)1 << HTTP_SLOT_BITS);
    site->slots[slot] = c;
    c->slot = slot;
    c->request.id = ++site->serial << HTTP_SLOT_BITS | slot;
}

static void slot_leave(struct http_conn *c)
{
    if (c->state == HTTP_CONN_PENDING || c->state == HTTP_CONN_STREAMING)
        c->site->slots[c->slot] = NULL;
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
    sock_trust(&c->sock);
}

/* Life cycle */

static void forget_request(struct http_conn *c)
{
    if (c->head)
        http_head_done(c->head);
    free(TAKE_PTR(c->head));
    buf_done(&c->body);
    c->request = (struct http_request){0};
    free(TAKE_PTR(c->out));
    c->out_size = c->out_at = 0;
    buf_done(&c->queue);
}

void http_conn_free(struct http_conn *c)
{
    if (c->is_busy) {
        c->is_freed = true;
        sock_close(&c->sock);
        return;
    }
    if (c->state == HTTP_CONN_STREAMING)
        c->stream.handler->on_gone(c->stream.owner);
    slot_leave(c);
    forget_request(c);
    loop_timer_stop(&c->timer);
    sock_close(&c->sock);
    list_unlink(&c->link);
    buf_done(&c->in);
    free(c);
}

/* Responding */

static void start_write_timer(struct http_conn *c)
{
    uint64_t now_ms = time_monotonic_ms();
    uint64_t left_ms = c->write_until_ms > now_ms ? c->write_until_ms - now_ms : 0;

    start_timer(c, left_ms < c->site->stall_timeout_ms ? left_ms : c->site->stall_timeout_ms);
}

/* What is in c->out, from out_at on. */
static void start_writing(struct http_conn *c)
{
    set_state(c, HTTP_CONN_WRITING);
    sock_pause(&c->sock, true);
    c->write_until_ms = time_monotonic_ms() + c->site->stall_timeout_ms +
                        c->out_size / c->site->least_rate;
    start_write_timer(c);
    sock_want_write(&c->sock);
}

static void write_response(struct http_conn *c, const struct http_response *r)
{
    bool is_head = c->head && str_eq(c->head->method, "HEAD");

    slot_leave(c);
    c->out = http_response_format(r, is_head, c->is_last, &c->out_size);
    c->out_at = 0;
    start_writing(c);
}

bool http_conn_respond(struct http_conn *c, const struct http_response *response)
{
    if (c->state != HTTP_CONN_PENDING)
        return false;
    write_response(c, response);
    return true;
}

static void respond_error(struct http_conn *c, int status, const char *detail)
{
    struct buf body = BUF_INIT(ERROR_BODY_MAX);
    struct http_response r = {.status = status};

    c->site->handler->format_error(status, detail, &body);
    r.body = body.data;
    r.body_size = body.size;
    write_response(c, &r);
    buf_done(&body);
}

/* Refuses a request that was not read to its end, so what follows cannot be understood. */
static void refuse(struct http_conn *c, int status, const char *detail)
{
    c->is_last = true;
    respond_error(c, status, detail);
}

static void refuse_late(struct http_conn *c)
{
    if (c->site->handler->on_late)
        c->site->handler->on_late(c->site->owner, &c->request, c->limits.timeout_ms);
    respond_error(c, 504, "no answer in time");
}

static void on_timer(struct loop_timer *t)
{
    struct http_conn *c = CONTAINER_OF(t, struct http_conn, timer);

    if (sock_is_handshaking(&c->sock)) {
        http_conn_free(c); /* there is no way to say why */
        return;
    }
    switch (c->state) {
    case HTTP_CONN_HEAD:
    case HTTP_CONN_BODY: refuse(c, 408, "the request did not come in time"); return;
    case HTTP_CONN_PENDING: refuse_late(c); return;
    case HTTP_CONN_IDLE:
    case HTTP_CONN_STREAMING:
    case HTTP_CONN_WRITING:
    case HTTP_CONN_LINGER:
    default: http_conn_free(c); return;
    }
}

/* Upgrading */

static bool write_now(struct http_conn *c, const char *text, size_t size)
{
    return sock_write(&c->sock, text, size) == (ssize_t)size;
}

static void upgrade(struct http_conn *c)
{
    const struct http_handler *handler = c->site->handler;
    const char *key = http_head_find_field(c->head, "sec-websocket-key");
    const char *version = http_head_find_field(c->head, "sec-websocket-version");
    char accept_key[WS_ACCEPT_KEY_SIZE];
    struct ws_accept accept = {0};
    struct buf text = BUF_INIT(ERROR_BODY_MAX);
    int status;

    if (!version || !str_eq(version, "13") || !key || ws_accept_key(key, accept_key) < 0) {
        refuse(c, 400, "malformed WebSocket handshake");
        return;
    }
    status = handler->on_upgrade ? handler->on_upgrade(c->site->owner, &c->request, &accept) : 404;
    if (status) {
        refuse(c, status, http_status_text(status));
        return;
    }
    if (buf_printf(&text,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   accept_key) == 0 &&
        write_now(c, text.data, text.size)) {
        ws_accept_open(c->site->loop, &c->sock, &accept, c->in.data, c->in.size);
    } else if (accept.free_context) {
        accept.free_context(accept.context);
    }
    buf_done(&text);
    http_conn_free(c); /* when the caller has let go of it */
}

/* Reading */

static void dispatch(struct http_conn *c)
{
    c->request.body = buf_str(&c->body);
    c->request.body_size = c->body.size;
    slot_take(c);
    set_state(c, HTTP_CONN_PENDING);
    sock_pause(&c->sock, c->in.size > AHEAD_MAX); /* else it is noticed when the client goes */
    start_timer(c, c->limits.timeout_ms);
    c->site->handler->on_request(c->site->owner, &c->request);
}

static void start_body(struct http_conn *c)
{
    set_state(c, HTTP_CONN_BODY);
    buf_init(&c->body, (size_t)c->head->body_size);
    start_timer(c, c->site->head_timeout_ms);
    /* It does not fit only when the client does not read. */
    if (c->head->has_expect && !c->in.size && !write_now(c, PROCEED, strlen(PROCEED)))
        http_conn_free(c); /* when the caller has let go of it */
}

static void begin_request(struct http_conn *c)
{
    const struct http_handler *handler = c->site->handler;

    c->is_last = !c->head->is_keep_alive;
    c->request = (struct http_request){
        .method = c->head->method,
        .path = c->head->path,
        .query = c->head->query,
        .body = "",
        .peer = c->peer,
        .is_tls = sock_is_tls(&c->sock),
        .head = c->head,
    };
    c->limits = (struct http_limits){.max_body = MAX_BODY, .timeout_ms = RESPONSE_TIMEOUT_MS};
    if (handler->on_head)
        handler->on_head(c->site->owner, &c->request, &c->limits);

    if (c->head->body_size > c->limits.max_body) {
        refuse(c, 413, "the body is too large");
    } else if (c->head->is_websocket) {
        upgrade(c);
    } else if (c->head->body_size) {
        start_body(c);
    } else {
        dispatch(c);
    }
}

/* Both steps return whether there may be more to do with what is in c->in. */

static bool step_head(struct http_conn *c)
{
    size_t blank = 0;
    const char *why = "";
    int size, status;

    /* Empty lines before a request are to be ignored (RFC 9112, 2.2). */
    if (!c->scanned && c->in.size)
        blank = strspn(c->in.data, "\r\n");
    buf_consume(&c->in, blank);
    if (!c->in.size)
        return false;
    if (c->state == HTTP_CONN_IDLE) {
        set_state(c, HTTP_CONN_HEAD);
        start_timer(c, c->site->head_timeout_ms);
    }
    size = http_head_find(c->in.data, c->in.size, &c->scanned);
    if (size == 0)
        return false;
    if (size < 0) {
        if (size == -EMSGSIZE) {
            refuse(c, 431, "the request head is too large");
        } else {
            refuse(c, 400, "malformed request");
        }
        return false;
    }

    c->scanned = 0;
    c->head = xcalloc(1, sizeof(*c->head));
    status = http_head_parse(c->head, c->in.data, (size_t)size, &why);
    buf_consume(&c->in, (size_t)size);
    if (status) {
        refuse(c, status, why);
        return false;
    }
    begin_request(c);
    return true;
}

static bool step_body(struct http_conn *c)
{
    size_t left = (size_t)c->head->body_size - c->body.size;
    size_t n = c->in.size < left ? c->in.size : left;

    (void)buf_append(&c->body, c->in.data, n); /* its maximum is body_size */
    buf_consume(&c->in, n);
    if (c->body.size < c->head->body_size)
        return false;
    dispatch(c);
    return true;
}

/* Works on c->in as far as it goes; c may be gone afterwards. */
static void process(struct http_conn *c)
{
    bool is_more = true;

    c->is_busy = true;
    while (is_more && !c->is_freed) {
        switch (c->state) {
        case HTTP_CONN_IDLE:
        case HTTP_CONN_HEAD: is_more = step_head(c); break;
        case HTTP_CONN_BODY: is_more = step_body(c); break;
        case HTTP_CONN_PENDING:
        case HTTP_CONN_STREAMING:
        case HTTP_CONN_WRITING:
        case HTTP_CONN_LINGER:
        default: is_more = false; break;
        }
    }
    c->is_busy = false;
    if (c->is_freed) {
        http_conn_free(c);
    } else if (!c->in.size) {
        buf_done(&c->in); /* an idle connection holds no buffer */
    }
}

static void on_data(struct sock *s, unsigned char *data, size_t size)
{
    struct http_conn *c = CONTAINER_OF(s, struct http_conn, sock);

    if (c->state == HTTP_CONN_LINGER)
        return;
    if (buf_append(&c->in, data, size) < 0) {
        http_conn_free(c); /* it sends although we do not read: cannot be */
        return;
    }
    if (c->state == HTTP_CONN_PENDING || c->state == HTTP_CONN_STREAMING)
        sock_pause(s, c->in.size > AHEAD_MAX);
    process(c);
}

/* Writing */

static void end_response(struct http_conn *c)
{
    forget_request(c);
    if (c->is_last) {
        set_state(c, HTTP_CONN_LINGER);
        buf_done(&c->in);
        sock_end(&c->sock);
        sock_pause(&c->sock, false);
        start_timer(c, LINGER_TIMEOUT_MS);
        return;
    }
    set_state(c, HTTP_CONN_IDLE);
    start_timer(c, IDLE_TIMEOUT_MS);
    sock_pause(&c->sock, false);
    process(c); /* the next request may be here already */
}

static void write_stream(struct http_conn *c)
{
    size_t left = c->queue.size - c->out_at;
    ssize_t n = sock_write(&c->sock, c->queue.data + c->out_at,
                           left < TURN_WRITE_MAX ? left : TURN_WRITE_MAX);

    if (n < 0) {
        http_conn_free(c);
        return;
    }
    c->out_at += (size_t)n;
    if (c->out_at > c->queue.size / 2) {
        buf_consume(&c->queue, c->out_at);
        c->out_at = 0;
    }
    if (c->out_at < c->queue.size) {
        sock_want_write(&c->sock);
        if (n > 0)
            start_timer(c, STREAM_STALL_MS);
        return;
    }
    buf_done(&c->queue);
    loop_timer_stop(&c->timer);
    c->stream.handler->on_drain(c->stream.owner);
}

bool http_conn_stream_start(struct http_conn *c, const struct http_stream *stream)
{
    const struct http_response head = {
        .status = stream->status, .content_type = stream->content_type, .headers = stream->headers};

    if (c->state != HTTP_CONN_PENDING)
        return false;
    c->is_chunked = !c->head->is_old;
    c->is_last = c->is_last || c->head->is_old;
    c->stream = *stream;
    c->queue.data = http_response_format_stream(&head, c->is_chunked, c->is_last, &c->queue.size);
    c->queue.capacity = c->queue.size + 1;
    c->queue.max = stream->max_queue;
    set_state(c, HTTP_CONN_STREAMING);
    start_timer(c, STREAM_STALL_MS);
    sock_want_write(&c->sock);
    return true;
}

int http_conn_stream_write(struct http_conn *c, const void *data, size_t size)
{
    size_t before = c->queue.size;
    int r = 0;

    if (c->state != HTTP_CONN_STREAMING)
        return -ENOTCONN;
    if (size == 0 || str_eq(c->head->method, "HEAD"))
        return 0;
    if (c->is_chunked)
        r = buf_printf(&c->queue, "%zx\r\n", size);
    if (r == 0)
        r = buf_append(&c->queue, data, size);
    if (r == 0 && c->is_chunked)
        r = buf_append(&c->queue, "\r\n", 2);
    if (r < 0) {
        c->queue.size = before;
        return -ENOBUFS;
    }
    if (before == 0)
        start_timer(c, STREAM_STALL_MS);
    sock_want_write(&c->sock);
    return 0;
}

size_t http_conn_stream_queued(const struct http_conn *c)
{
    return c->queue.size - c->out_at;
}

void http_conn_stream_end(struct http_conn *c)
{
    static const char last[] = "0\r\n\r\n";

    if (c->state != HTTP_CONN_STREAMING)
        return;
    c->queue.max = SIZE_MAX;
    if (c->is_chunked && !str_eq(c->head->method, "HEAD"))
        (void)buf_append(&c->queue, last, strlen(last));
    slot_leave(c);
    c->out_size = c->queue.size;
    c->out = (unsigned char *)buf_take(&c->queue);
    start_writing(c);
}

static void on_writable(struct sock *s)
{
    struct http_conn *c = CONTAINER_OF(s, struct http_conn, sock);
    size_t budget = TURN_WRITE_MAX;

    if (c->state == HTTP_CONN_STREAMING) {
        write_stream(c);
        return;
    }
    if (c->state != HTTP_CONN_WRITING)
        return;
    while (c->out_at < c->out_size && budget) {
        size_t size = c->out_size - c->out_at < budget ? c->out_size - c->out_at : budget;
        ssize_t n = sock_write(s, c->out + c->out_at, size);

        if (n < 0) {
            http_conn_free(c);
            return;
        }
        if (n == 0)
            break;
        c->out_at += (size_t)n;
        budget -= (size_t)n;
        start_write_timer(c);
    }
    if (c->out_at < c->out_size) {
        sock_want_write(s);
    } else {
        end_response(c);
    }
}

static void on_closed(struct sock *s)
{
    http_conn_free(CONTAINER_OF(s, struct http_conn, sock));
}

static void on_plain(struct sock *s)
{
    refuse(CONTAINER_OF(s, struct http_conn, sock), 400,
           "this port speaks HTTPS, the request was plain HTTP: use https://");
}

static const struct sock_ops sock_ops = {
    .on_data = on_data,
    .on_writable = on_writable,
    .on_closed = on_closed,
    .on_plain = on_plain,
};

void http_conn_open(struct http_site *site, int fd)
{
    struct http_conn *c = xcalloc(1, sizeof(*c));

    c->site = site;
    buf_init(&c->in, INPUT_MAX);
    sock_address(fd, c->peer);
    sock_init(&c->sock, site->loop, fd, &sock_ops, &site->socks, site->tls);
    list_init(&c->link);
    list_append(&site->conns, &c->link);
    set_state(c, HTTP_CONN_HEAD); /* the first head has its deadline from the start */
    start_timer(c, site->head_timeout_ms);
}
