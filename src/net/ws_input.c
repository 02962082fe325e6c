/*
 * Messages from frames. Bytes of the connection go through the parser at once, except while the
 * peer is paused or still shaking hands: then they wait in ws->held, and a timer with no delay
 * feeds them in again before the connection is read on, so that nothing is delivered from inside
 * ws_pause().
 *
 * After ws_close() messages are parsed and dropped until the peer's close frame comes.
 */

#include "base/str.h"
#include "base/time.h"
#include "net/ws_peer.h"

#include <errno.h>
#include <string.h>

#define CODE_NONE     1005 /* never on the wire: the close frame had no code */
#define CODE_BAD_TEXT 1007
#define HELD_MAX      ((size_t)256 * 1024) /* a handshake or one read of the loop is far smaller */

static void deliver(struct ws *ws, bool is_binary)
{
    struct buf message = TAKE(ws->message, BUF_INIT(ws->limits.max_message));

    ws->handler->on_message(ws->owner, buf_str(&message), message.size, is_binary);
    buf_done(&message);
}

static uint64_t receipt_number(const struct ws_piece *piece)
{
    uint64_t number = 0;

    for (size_t i = 0; i < piece->size; i++)
        number = number << 8 | piece->data[i];
    return number;
}

/* A ping that keeps the connection alive has no data, one of ws_ask_receipt() has a number. */
static void receive_pong(struct ws *ws, const struct ws_piece *piece)
{
    uint64_t number = receipt_number(piece);

    if (ws->state == WS_OPEN && ws->handler->on_pong)
        ws->handler->on_pong(ws->owner);
    if (ws->state == WS_OPEN && ws->handler->on_receipt && piece->size == WS_RECEIPT_SIZE)
        ws->handler->on_receipt(ws->owner, number);
}

static void receive_close(struct ws *ws, const struct ws_piece *piece)
{
    unsigned code = CODE_NONE;
    char reason[WS_FRAME_CONTROL_MAX + 1] = "";
    bool is_valid = piece->size != 1;

    if (piece->size >= 2) {
        code = (unsigned)piece->data[0] << 8 | piece->data[1];
        memcpy(reason, piece->data + 2, piece->size - 2);
        is_valid = ws_close_code_is_valid(code) && str_is_utf8(reason, piece->size - 2);
    }
    if (is_valid) {
        ws_peer_closed_by_peer(ws, code, reason);
    } else {
        ws_peer_abort(ws, "bad close frame");
    }
}

static void receive_data(struct ws *ws, const struct ws_piece *piece)
{
    bool is_text = piece->opcode == WS_OPCODE_TEXT;

    if (ws->state != WS_OPEN)
        return; /* we are closing, and read on only to find the peer's close frame */
    if (buf_append(&ws->message, piece->data, piece->size) < 0) {
        ws_peer_fail(ws, WS_CLOSE_TOO_BIG, "message too big", -EMSGSIZE);
        return;
    }
    if (!piece->is_last)
        return;
    if (is_text && !str_is_utf8(buf_str(&ws->message), ws->message.size)) {
        ws_peer_fail(ws, CODE_BAD_TEXT, "text is not UTF-8", -EBADMSG);
        return;
    }
    deliver(ws, !is_text);
}

static void receive(struct ws *ws, const struct ws_piece *piece)
{
    switch (piece->opcode) {
    case WS_OPCODE_PONG: receive_pong(ws, piece); break;
    case WS_OPCODE_CLOSE: receive_close(ws, piece); break;
    case WS_OPCODE_PING:
        if (ws->state == WS_OPEN || ws->state == WS_FLUSHING)
            ws_output_control(ws, WS_OPCODE_PONG, piece->data, piece->size);
        break;
    case WS_OPCODE_TEXT:
    case WS_OPCODE_BINARY:
    case WS_OPCODE_CONTINUATION:
    default: receive_data(ws, piece); break;
    }
}

void ws_input_hold(struct ws *ws, const void *data, size_t size)
{
    ws->held.max = HELD_MAX;
    if (buf_append(&ws->held, data, size) < 0)
        ws_peer_fail(ws, WS_CLOSE_INTERNAL, "too much input", -EMSGSIZE);
}

/* A message whose announced size will not fit is refused before the rest of it comes. */
static void refuse_announced(struct ws *ws)
{
    if (ws->state == WS_OPEN && ws->parser.left > ws->message.max - ws->message.size)
        ws_peer_fail(ws, WS_CLOSE_TOO_BIG, "message too big", -EMSGSIZE);
}

void ws_input_feed(struct ws *ws, unsigned char *data, size_t size)
{
    size_t used = 0;

    if (!size)
        return;
    ws->seen_ms = time_monotonic_ms();
    if (ws->held.size) {
        ws_input_hold(ws, data, size); /* a resume is due, or the peer is paused */
        return;
    }
    while (ws->state < WS_ABORTING) {
        struct ws_piece piece;
        const char *why;
        int r;

        if (ws->is_paused) {
            ws_input_hold(ws, data + used, size - used);
            return;
        }
        r = ws_parser_next(&ws->parser, data + used, size - used, &used, &piece, &why);
        if (r < 0) {
            ws_peer_abort(ws, why);
            return;
        }
        if (r == 0) {
            refuse_announced(ws);
            return;
        }
        receive(ws, &piece);
    }
}

static void on_resume(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, resume_timer);
    struct buf held;

    if (ws->is_paused || ws->state >= WS_LOST)
        return;
    held = TAKE(ws->held, BUF_INIT(HELD_MAX));
    ws_peer_enter(ws);
    ws->transport->pause(ws, false);
    ws_input_feed(ws, (unsigned char *)held.data, held.size);
    ws_peer_leave(ws); /* ws may be gone now */
    buf_done(&held);
}

void ws_input_resume(struct ws *ws)
{
    loop_timer_start(ws->loop, &ws->resume_timer, 0, on_resume);
}

void ws_input_done(struct ws *ws)
{
    loop_timer_stop(&ws->resume_timer);
    buf_done(&ws->message);
    buf_done(&ws->held);
}
