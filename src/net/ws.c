#include "net/ws.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "net/http_server.h"
#include "net/ws_peer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define CLOSE_TIMEOUT_MS 5000
#define FRAGMENT_SIZE \
    ((size_t)64 * 1024) /* so that pings get between the pieces of large messages */
#define BURST      16   /* frames per turn */
#define REASON_MAX (WS_FRAME_CONTROL_MAX - 2)

/* A message or control frame waiting to be sent. */
struct ws_item {
    struct list link;
    enum ws_opcode opcode;
    size_t size, sent;
    unsigned char data[]; /* LWS_PRE bytes of room, then the payload */
};

static const char *const state_names[] = {
    [WS_DIALLING] = "dialling", [WS_OPEN] = "open", [WS_FLUSHING] = "flushing",
    [WS_ENDING] = "ending",     [WS_LOST] = "lost",
};

static void set_state(struct ws *ws, enum ws_state state)
{
    assert(state > ws->state);
    log_debug(NULL, "ws %s: %s -> %s", ws_peer_address(ws), state_names[ws->state],
              state_names[state]);
    ws->state = state;
}

static struct ws_item *item_new(enum ws_opcode opcode, const void *data, size_t size)
{
    struct ws_item *item = xmalloc(sizeof(*item) + LWS_PRE + size);

    *item = (struct ws_item){.opcode = opcode, .size = size};
    list_init(&item->link);
    if (size)
        memcpy(item->data + LWS_PRE, data, size);
    return item;
}

static void item_free(struct ws_item *item)
{
    list_unlink(&item->link);
    free(item);
}

static void items_free(struct list *l)
{
    while (!list_empty(l))
        item_free(CONTAINER_OF(l->next, struct ws_item, link));
}

static void peer_free(struct ws *ws)
{
    loop_timer_stop(&ws->alive_timer);
    loop_timer_stop(&ws->end_timer);
    loop_timer_stop(&ws->resume_timer);
    ws->transport->detach(ws);
    items_free(&ws->control);
    items_free(&ws->queue);
    buf_done(&ws->message);
    buf_done(&ws->held);
    free(ws);
}

static void enter(struct ws *ws)
{
    ws->depth++;
}

/* Ends a call into the owner; false: the owner has freed the peer, and it is gone now. */
static bool leave(struct ws *ws)
{
    ws->depth--;
    if (!ws->is_freed)
        return true;
    if (!ws->depth)
        peer_free(ws);
    return false;
}

static uint64_t ping_interval(const struct ws *ws)
{
    return ws->limits.ping_interval_ms ? ws->limits.ping_interval_ms : WS_PING_INTERVAL_MS;
}

static uint64_t silence_timeout(const struct ws *ws)
{
    return ws->limits.silence_timeout_ms ? ws->limits.silence_timeout_ms : WS_SILENCE_TIMEOUT_MS;
}

struct ws *ws_peer_new(struct loop *loop,
                       const struct ws_transport *transport,
                       const struct ws_limits *limits,
                       const struct ws_handler *handler,
                       void *owner)
{
    struct ws *ws = xcalloc(1, sizeof(*ws));

    ws->loop = loop;
    ws->transport = transport;
    ws->limits = *limits;
    ws->handler = handler;
    ws->owner = owner;
    buf_init(&ws->message, limits->max_message);
    buf_init(&ws->held, SIZE_MAX / 2); /* one read of lws at most */
    list_init(&ws->control);
    list_init(&ws->queue);
    return ws;
}

static void keep_why(struct ws *ws, unsigned code, const char *reason, int error)
{
    ws->why.code = code;
    ws->why.error = error;
    str_copy(ws->why.reason, sizeof(ws->why.reason), reason);
}

static void on_over(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, end_timer);
    struct ws_close why = {ws->why.code, ws->why.reason, ws->why.error};

    enter(ws);
    ws->handler->on_close(ws->owner, &why);
    ws->is_freed = true;
    leave(ws); /* ws is gone now */
}

/* From here on only on_over() is to come; `why` must have been decided. */
static void end(struct ws *ws)
{
    if (ws->state == WS_LOST)
        return;
    set_state(ws, WS_LOST);
    ws->is_deaf = true;
    loop_timer_stop(&ws->alive_timer);
    ws->transport->detach(ws);
    loop_timer_start(ws->loop, &ws->end_timer, 0, on_over);
}

void ws_peer_lost(struct ws *ws, unsigned code, const char *reason, int error)
{
    /* A close that was agreed on or decided has its reason already. */
    if (ws->state == WS_DIALLING || ws->state == WS_OPEN)
        keep_why(ws, code, reason, error);
    end(ws);
}

static void on_end_timeout(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, end_timer);

    if (!ws->why.error)
        ws->why.error = -ETIMEDOUT;
    end(ws);
}

/* Liveness: one timer for the next ping and the silence, whichever comes first. */

static void start_alive_timer(struct ws *ws);

static void on_alive_timer(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, alive_timer);
    uint64_t now = time_monotonic_ms();

    if (!ws->is_paused && now - ws->seen_ms >= silence_timeout(ws)) {
        if (ws->state == WS_OPEN)
            keep_why(ws, WS_CLOSE_ABNORMAL, "peer is silent", -ETIMEDOUT);
        end(ws);
        return;
    }
    if (now - ws->pinged_ms >= ping_interval(ws)) {
        ws->pinged_ms = now;
        if (ws->state == WS_OPEN) {
            ws->is_ping_due = true;
            ws->transport->want_write(ws);
        }
    }
    start_alive_timer(ws);
}

static void start_alive_timer(struct ws *ws)
{
    uint64_t now = time_monotonic_ms();
    uint64_t ping_at = ws->pinged_ms + ping_interval(ws);
    uint64_t dead_at = ws->is_paused ? UINT64_MAX : ws->seen_ms + silence_timeout(ws);
    uint64_t at = ping_at < dead_at ? ping_at : dead_at;

    loop_timer_start(ws->loop, &ws->alive_timer, at > now ? at - now : 0, on_alive_timer);
}

static void open_peer(struct ws *ws)
{
    ws->seen_ms = ws->pinged_ms = time_monotonic_ms();
    ws->transport->address(ws, ws->address);
    set_state(ws, WS_OPEN);
    start_alive_timer(ws);
}

bool ws_peer_accepted(struct ws *ws, const struct ws_accept *accept)
{
    open_peer(ws);
    enter(ws);
    ws->owner = accept->on_accept(accept->owner, ws, accept->context);
    return leave(ws);
}

bool ws_peer_opened(struct ws *ws)
{
    open_peer(ws);
    if (!ws->handler->on_open)
        return true;
    enter(ws);
    ws->handler->on_open(ws->owner);
    return leave(ws);
}

/* Receiving */

static bool deliver(struct ws *ws, bool is_binary)
{
    struct buf message = TAKE(ws->message, BUF_INIT(ws->limits.max_message));
    bool is_alive;

    enter(ws);
    ws->handler->on_message(ws->owner, buf_str(&message), message.size, is_binary);
    is_alive = leave(ws);
    buf_done(&message);
    return is_alive && !ws->is_deaf;
}

static bool receive_pong(struct ws *ws)
{
    if (!ws->handler->on_pong || ws->state != WS_OPEN)
        return true;
    enter(ws);
    ws->handler->on_pong(ws->owner);
    return leave(ws) && !ws->is_deaf;
}

static void queue_control(struct ws *ws, enum ws_opcode opcode, const void *data, size_t size)
{
    struct ws_item *item = item_new(opcode, data, size);

    list_append(&ws->control, &item->link);
    ws->transport->want_write(ws);
}

static void answer_ping(struct ws *ws, const struct ws_piece *piece)
{
    /* Only the newest ping needs an answer, so a flood of them cannot make the list grow. */
    for (struct list *l = ws->control.next; l != &ws->control; l = l->next) {
        struct ws_item *item = CONTAINER_OF(l, struct ws_item, link);

        if (item->opcode == WS_OPCODE_PONG && item != ws->busy) {
            item_free(item);
            break;
        }
    }
    queue_control(ws, WS_OPCODE_PONG, piece->data, piece->size);
}

static bool receive_close(struct ws *ws, const struct ws_piece *piece)
{
    unsigned code = 1005; /* "no code": never on the wire */
    char reason[WS_FRAME_CONTROL_MAX + 1] = "";

    if (piece->size == 1) {
        ws_peer_fail(ws, WS_CLOSE_PROTOCOL, "bad close frame", -EPROTO);
        return false;
    }
    if (piece->size >= 2) {
        code = (unsigned)piece->data[0] << 8 | piece->data[1];
        memcpy(reason, piece->data + 2, piece->size - 2);
        if (!ws_close_code_is_valid(code) || !str_is_utf8(reason, piece->size - 2)) {
            ws_peer_fail(ws, WS_CLOSE_PROTOCOL, "bad close frame", -EPROTO);
            return false;
        }
    }
    ws_peer_closed_by_peer(ws, code, reason, true);
    return false;
}

static bool receive_data(struct ws *ws, const struct ws_piece *piece)
{
    bool is_text = piece->opcode == WS_OPCODE_TEXT;

    if (ws->state != WS_OPEN)
        return true; /* we are closing: the rest is read for the sake of the peer's close frame */
    if (buf_append(&ws->message, piece->data, piece->size) < 0) {
        ws_peer_fail(ws, WS_CLOSE_TOO_BIG, "message too big", -EMSGSIZE);
        return true; /* the parser is intact, a close frame may follow */
    }
    if (!piece->is_last)
        return true;
    if (is_text && !str_is_utf8(buf_str(&ws->message), ws->message.size)) {
        ws_peer_fail(ws, 1007, "text is not UTF-8", -EBADMSG);
        return true;
    }
    return deliver(ws, !is_text);
}

bool ws_peer_received(struct ws *ws, const struct ws_piece *piece)
{
    ws->seen_ms = time_monotonic_ms();
    switch (piece->opcode) {
    case WS_OPCODE_PONG: return receive_pong(ws);
    case WS_OPCODE_CLOSE: return receive_close(ws, piece);
    case WS_OPCODE_PING:
        if (ws->state == WS_OPEN || ws->state == WS_FLUSHING)
            answer_ping(ws, piece);
        return true;
    case WS_OPCODE_TEXT:
    case WS_OPCODE_BINARY:
    case WS_OPCODE_CONTINUATION:
    default: return receive_data(ws, piece);
    }
}

/* Sending */

static void retire(struct ws *ws)
{
    struct ws_item *item = ws->busy;

    if (!item)
        return;
    ws->busy = NULL;
    item->sent += ws->busy_size;
    if (item->opcode == WS_OPCODE_TEXT || item->opcode == WS_OPCODE_BINARY)
        ws->queued -= ws->busy_size;
    if (item->sent == item->size)
        item_free(item);
}

static struct ws_item *first_of(struct list *l)
{
    return list_empty(l) ? NULL : CONTAINER_OF(l->next, struct ws_item, link);
}

static bool next_frame(struct ws *ws, struct ws_frame *ret)
{
    struct ws_item *item = first_of(&ws->control);
    size_t size;

    if (!item)
        item = first_of(&ws->queue);
    if (!item)
        return false;

    size = item->size - item->sent;
    if (size > FRAGMENT_SIZE)
        size = FRAGMENT_SIZE;
    *ret = (struct ws_frame){
        .opcode = item->sent ? WS_OPCODE_CONTINUATION : item->opcode,
        .is_final = item->sent + size == item->size,
        .data = item->data + LWS_PRE + item->sent,
        .size = size,
    };
    ws->busy = item;
    ws->busy_size = size;
    return true;
}

static void queue_close_frame(struct ws *ws, unsigned code, const char *reason)
{
    unsigned char payload[WS_FRAME_CONTROL_MAX];
    size_t size = 0;

    if (ws_close_code_is_valid(code)) {
        size_t n = strlen(reason);

        if (n > REASON_MAX)
            n = REASON_MAX;
        while (n && !str_is_utf8(reason, n))
            n--;
        payload[0] = (unsigned char)(code >> 8);
        payload[1] = (unsigned char)code;
        memcpy(payload + 2, reason, n);
        size = 2 + n;
    }
    queue_control(ws, WS_OPCODE_CLOSE, payload, size);
}

/* The queue is written: now the close frame, and then the peer's. */
static void start_ending(struct ws *ws)
{
    set_state(ws, WS_ENDING);
    queue_close_frame(ws, ws->why.code, ws->why.reason);
    loop_timer_start(ws->loop, &ws->end_timer, CLOSE_TIMEOUT_MS, on_end_timeout);
}

static bool notify_drain(struct ws *ws)
{
    if (ws->state != WS_OPEN || !ws->handler->on_drain)
        return true;
    enter(ws);
    ws->handler->on_drain(ws->owner);
    return leave(ws);
}

/* After a frame was written: what follows when there is nothing more to write. */
static bool after_write(struct ws *ws, bool had_messages)
{
    if (had_messages && list_empty(&ws->queue) && !notify_drain(ws))
        return false;
    if (ws->state == WS_FLUSHING && list_empty(&ws->queue) && list_empty(&ws->control))
        start_ending(ws);
    if (ws->state == WS_REPLYING && list_empty(&ws->control)) {
        end(ws);
        return false;
    }
    return true;
}

bool ws_peer_writable(struct ws *ws)
{
    for (int i = 0; i < BURST; i++) {
        bool had_messages = !list_empty(&ws->queue);
        struct ws_frame frame;
        int r;

        if (ws->state == WS_LOST)
            return false;
        retire(ws);
        if (!after_write(ws, had_messages))
            return false;
        if (ws->is_ping_due) {
            ws->is_ping_due = false;
            queue_control(ws, WS_OPCODE_PING, NULL, 0);
        }
        if (!next_frame(ws, &frame))
            return true;
        r = ws->transport->write(ws, &frame);
        if (r < 0) {
            ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "write failed", r);
            return false;
        }
        if (r == 0)
            break;
    }
    ws->transport->want_write(ws);
    return true;
}

static int queue_message(struct ws *ws, enum ws_opcode opcode, const void *data, size_t size)
{
    struct ws_item *item;

    if (ws->state != WS_OPEN)
        return -ENOTCONN;
    if (size > ws->limits.max_queue || ws->queued > ws->limits.max_queue - size)
        return -ENOBUFS;
    item = item_new(opcode, data, size);
    list_append(&ws->queue, &item->link);
    ws->queued += size;
    ws->transport->want_write(ws);
    return 0;
}

int ws_send_text(struct ws *ws, const char *data, size_t size)
{
    return queue_message(ws, WS_OPCODE_TEXT, data, size);
}

int ws_send_binary(struct ws *ws, const void *data, size_t size)
{
    return queue_message(ws, WS_OPCODE_BINARY, data, size);
}

size_t ws_queued(const struct ws *ws)
{
    return ws->queued;
}

/* Closing */

/* Drops all messages but the one that is being written: half a frame cannot be taken back. */
static void drop_queue(struct ws *ws)
{
    struct list *l = ws->queue.next;

    while (l != &ws->queue) {
        struct ws_item *item = CONTAINER_OF(l, struct ws_item, link);

        l = l->next;
        if (item == ws->busy) {
            ws->queued = ws->busy_size;
            item->size = item->sent + ws->busy_size;
            continue;
        }
        item_free(item);
    }
    if (list_empty(&ws->queue))
        ws->queued = 0;
}

void ws_close(struct ws *ws, unsigned code, const char *reason)
{
    if (ws->state == WS_DIALLING) {
        keep_why(ws, code, reason, 0);
        end(ws);
        return;
    }
    if (ws->state != WS_OPEN)
        return;
    keep_why(ws, code, reason, 0);
    set_state(ws, WS_FLUSHING);
    buf_done(&ws->message);
    if (ws->is_paused)
        ws_pause(ws, false); /* the peer's close frame must be read */
    loop_timer_start(ws->loop, &ws->end_timer, CLOSE_TIMEOUT_MS, on_end_timeout);
    ws->transport->want_write(ws);
}

void ws_peer_fail(struct ws *ws, unsigned code, const char *reason, int error)
{
    if (ws->state == WS_LOST)
        return;
    buf_done(&ws->message);
    if (ws->state == WS_ENDING) {
        /* Our close frame is out and the answer is rubbish. */
        end(ws);
        return;
    }
    if (ws->state == WS_OPEN)
        keep_why(ws, code, reason, error);
    drop_queue(ws);
    start_ending(ws);
}

void ws_peer_closed_by_peer(struct ws *ws, unsigned code, const char *reason, bool must_reply)
{
    switch (ws->state) {
    case WS_ENDING:
        if (list_empty(&ws->control))
            end(ws); /* it is the answer to ours */
        else
            set_state(ws, WS_REPLYING);
        return;
    case WS_OPEN:
    case WS_FLUSHING: break;
    case WS_DIALLING:
    case WS_REPLYING:
    case WS_LOST:
    default: return;
    }
    keep_why(ws, code, reason, 0);
    drop_queue(ws);
    set_state(ws, WS_REPLYING);
    loop_timer_start(ws->loop, &ws->end_timer, CLOSE_TIMEOUT_MS, on_end_timeout);
    if (must_reply)
        queue_close_frame(ws, code, reason);
}

void ws_free(struct ws *ws)
{
    if (!ws)
        return;
    ws->is_freed = true;
    ws->is_deaf = true;
    if (!ws->depth)
        peer_free(ws);
}

/* Settings */

void ws_pause(struct ws *ws, bool is_paused)
{
    if (ws->is_paused == is_paused)
        return;
    ws->is_paused = is_paused;
    if (ws->state == WS_DIALLING || ws->state == WS_LOST)
        return;
    ws->seen_ms = time_monotonic_ms(); /* silence counts only while we listen */
    ws->transport->pause(ws, is_paused);
    start_alive_timer(ws);
}

void ws_set_limits(struct ws *ws, const struct ws_limits *limits)
{
    ws->limits = *limits;
    ws->message.max = limits->max_message;
    if (loop_timer_is_running(&ws->alive_timer) && ws->state != WS_DIALLING)
        start_alive_timer(ws);
}

const char *ws_peer_address(const struct ws *ws)
{
    return ws->address;
}
