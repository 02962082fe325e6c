/*
 * Frames from messages. Two lists wait for the transport: control frames, which go first, and
 * messages with the pings of ws_ask_receipt(), which keep their order. One frame at a time is with
 * the transport (ws->busy); its bytes stay in the item until the transport asks for the next one.
 *
 * A message is copied once, behind room for the head of a frame, and its frames are sent from
 * there: the head of a later fragment overwrites the end of the one before. Messages are cut into
 * fragments of 64 KiB, so that control frames get between them. The queue is bounded by
 * limits.max_queue; of control frames there is one per kind, so that a flood of pings cannot make
 * the list grow.
 */

#include "base/alloc.h"
#include "base/random.h"
#include "base/str.h"
#include "net/ws_peer.h"

#include <errno.h>
#include <string.h>

#define FRAGMENT_SIZE ((size_t)64 * 1024)
#define BURST         16 /* frames per turn */
#define REASON_MAX    (WS_FRAME_CONTROL_MAX - 2)

/* A message or control frame waiting to be sent. */
struct ws_item {
    struct list link;
    enum ws_opcode opcode;
    size_t size, sent;
    unsigned char data[]; /* room for the first frame's head, then the payload */
};

static struct ws_item *item_new(enum ws_opcode opcode, const void *data, size_t size)
{
    struct ws_item *item = xmalloc(sizeof(*item) + WS_FRAME_HEAD_MAX + size);

    *item = (struct ws_item){.opcode = opcode, .size = size};
    list_init(&item->link);
    if (size)
        memcpy(item->data + WS_FRAME_HEAD_MAX, data, size);
    return item;
}

static void item_free(struct ws_item *item)
{
    list_unlink(&item->link);
    free(item);
}

static struct ws_item *first_of(const struct list *l)
{
    return list_empty(l) ? NULL : CONTAINER_OF(l->next, struct ws_item, link);
}

static void items_free(struct list *l)
{
    struct list *next;

    for (struct list *at = l->next; at != l; at = next) {
        next = at->next;
        item_free(CONTAINER_OF(at, struct ws_item, link));
    }
}

static bool is_message(const struct ws_item *item)
{
    return item->opcode == WS_OPCODE_TEXT || item->opcode == WS_OPCODE_BINARY;
}

/* The frame that was with the transport is written. */
static void retire(struct ws *ws)
{
    struct ws_item *item = TAKE_PTR(ws->busy);

    if (!item)
        return;
    item->sent += ws->busy_size;
    if (is_message(item))
        ws->queued -= ws->busy_size;
    if (item->sent == item->size)
        item_free(item);
}

/*
 * Takes the next frame from the queues; its bytes, with head, are in the item. False: there is
 * none.
 */
static bool next_frame(struct ws *ws, unsigned char **ret, size_t *ret_size)
{
    struct ws_item *item = first_of(&ws->control);
    unsigned char *payload;
    uint8_t mask[4];
    size_t size, head;

    if (!item)
        item = first_of(&ws->queue);
    if (!item)
        return false;

    size = item->size - item->sent;
    if (size > FRAGMENT_SIZE)
        size = FRAGMENT_SIZE;
    payload = item->data + WS_FRAME_HEAD_MAX + item->sent;
    if (ws->parser.is_client)
        random_bytes(mask, sizeof(mask));
    /* The head of a later piece overwrites the end of the piece before it, which is sent. */
    head = ws_frame_prepend(payload, item->sent ? WS_OPCODE_CONTINUATION : item->opcode,
                            item->sent + size == item->size, size,
                            ws->parser.is_client ? mask : NULL);
    ws->busy = item;
    ws->busy_size = size;
    *ret = payload - head;
    *ret_size = head + size;
    return true;
}

static void notify_drain(struct ws *ws)
{
    if (ws->state == WS_OPEN && ws->handler->on_drain)
        ws->handler->on_drain(ws->owner);
}

void ws_output_writable(struct ws *ws)
{
    for (int i = 0; i < BURST; i++) {
        bool had_messages = !list_empty(&ws->queue);
        unsigned char *data;
        size_t size;
        int r;

        retire(ws);
        if (had_messages && list_empty(&ws->queue))
            notify_drain(ws);
        if (TAKE(ws->is_ping_due, false) && ws->state == WS_OPEN)
            ws_output_control(ws, WS_OPCODE_PING, NULL, 0);
        if (list_empty(&ws->queue) && list_empty(&ws->control))
            ws_peer_flushed(ws);
        if (ws->state >= WS_LOST || !next_frame(ws, &data, &size))
            return;
        r = ws->transport->write(ws, data, size);
        if (r < 0)
            ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "connection lost", r);
        if (r <= 0)
            return;
    }
    ws->transport->want_write(ws);
}

void ws_output_control(struct ws *ws, enum ws_opcode opcode, const void *data, size_t size)
{
    struct ws_item *item;

    /* Only the newest ping needs an answer, so a flood of them cannot make the list grow. */
    for (struct list *l = ws->control.next; l != &ws->control; l = l->next) {
        item = CONTAINER_OF(l, struct ws_item, link);
        if (item->opcode == opcode && item != ws->busy) {
            item_free(item);
            break;
        }
    }
    item = item_new(opcode, data, size);
    list_append(&ws->control, &item->link);
    ws->transport->want_write(ws);
}

void ws_output_close_frame(struct ws *ws, unsigned code, const char *reason)
{
    const unsigned char head[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    struct buf payload = BUF_INIT(WS_FRAME_CONTROL_MAX);

    if (ws_close_code_is_valid(code)) {
        size_t n = str_cut(reason, strlen(reason), REASON_MAX);

        if (!str_is_utf8(reason, n))
            n = 0; /* a peer would take it for a violation of the protocol */
        /* Both fit: REASON_MAX leaves room for the code. */
        (void)buf_append(&payload, head, sizeof(head));
        (void)buf_append(&payload, reason, n);
    }
    ws_output_control(ws, WS_OPCODE_CLOSE, payload.data, payload.size);
    buf_done(&payload);
}

void ws_output_drop(struct ws *ws)
{
    struct list *l = ws->queue.next;

    ws->queued = 0;
    while (l != &ws->queue) {
        struct ws_item *item = CONTAINER_OF(l, struct ws_item, link);

        l = l->next;
        if (item == ws->busy) {
            ws->queued = is_message(item) ? ws->busy_size : 0;
            item->size = item->sent + ws->busy_size;
        } else {
            item_free(item);
        }
    }
}

void ws_output_done(struct ws *ws)
{
    items_free(&ws->control);
    items_free(&ws->queue);
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

int ws_ask_receipt(struct ws *ws, uint64_t number)
{
    unsigned char data[WS_RECEIPT_SIZE];
    struct ws_item *last;

    if (ws->state != WS_OPEN)
        return -ENOTCONN;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(number >> (8 * (sizeof(data) - 1 - i)));
    last = list_empty(&ws->queue) ? NULL : CONTAINER_OF(ws->queue.prev, struct ws_item, link);
    if (last && last->opcode == WS_OPCODE_PING && last != ws->busy) {
        memcpy(last->data + WS_FRAME_HEAD_MAX, data, sizeof(data)); /* nothing came in between */
        return 0;
    }
    list_append(&ws->queue, &item_new(WS_OPCODE_PING, data, sizeof(data))->link);
    ws->transport->want_write(ws);
    return 0;
}

size_t ws_queued(const struct ws *ws)
{
    return ws->queued;
}
