#include "net/ws.h"
#include "base/alloc.h"
#include "base/state.h"
#include "base/time.h"
#include "net/ws_peer.h"

#include <errno.h>
#include <string.h>

#define CLOSE_TIMEOUT_MS 5000

#define ENDS (STATE_TO(WS_LOST) | STATE_TO(WS_FREED))

static const struct state_row states[] = {
    STATE_ROW(WS_DIALLING, "dialling", STATE_TO(WS_OPEN) | ENDS),
    STATE_ROW(WS_OPEN,
              "open",
              STATE_TO(WS_FLUSHING) | STATE_TO(WS_ENDING) | STATE_TO(WS_ABORTING) |
                  STATE_TO(WS_REPLYING) | ENDS),
    STATE_ROW(WS_FLUSHING,
              "flushing",
              STATE_TO(WS_ENDING) | STATE_TO(WS_ABORTING) | STATE_TO(WS_REPLYING) | ENDS),
    STATE_ROW(WS_ENDING, "ending", STATE_TO(WS_REPLYING) | ENDS),
    STATE_ROW(WS_ABORTING, "aborting", ENDS),
    STATE_ROW(WS_REPLYING, "replying", ENDS),
    STATE_ROW(WS_LOST, "lost", STATE_TO(WS_FREED)),
    STATE_ROW(WS_FREED, "freed", 0),
};
static const struct state_machine machine = STATE_MACHINE("ws", states);

static void set_state(struct ws *ws, enum ws_state state)
{
    state_check(&machine, ws->address, ws->state, state);
    ws->state = state;
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
    list_init(&ws->control);
    list_init(&ws->queue);
    return ws;
}

static void release(struct ws *ws)
{
    loop_timer_stop(&ws->alive_timer);
    loop_timer_stop(&ws->end_timer);
    ws->transport->detach(ws);
}

static void destroy(void *object)
{
    struct ws *ws = object;

    ws_output_done(ws);
    ws_input_done(ws);
    free(ws->why.reason);
    free(ws);
}

void ws_peer_enter(struct ws *ws)
{
    reentry_enter(&ws->entry);
}

void ws_peer_leave(struct ws *ws)
{
    reentry_leave(&ws->entry, ws->state == WS_FREED, destroy, ws);
}

void ws_free(struct ws *ws)
{
    if (!ws || ws->state == WS_FREED)
        return;
    ws_peer_enter(ws);
    set_state(ws, WS_FREED);
    release(ws);
    ws_peer_leave(ws);
}

/* The end */

static void decide(struct ws *ws, unsigned code, const char *reason, int error)
{
    ws->why.code = code;
    ws->why.error = error;
    free(ws->why.reason);
    ws->why.reason = xstrdup(reason ? reason : "");
}

static void on_over(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, end_timer);
    struct ws_close why = {ws->why.code, ws->why.reason, ws->why.error};

    ws_peer_enter(ws);
    ws->handler->on_close(ws->owner, &why);
    ws_free(ws);
    ws_peer_leave(ws); /* ws is gone now */
}

/* The next call of the owner is on_close; why must have been decided. */
static void end(struct ws *ws)
{
    if (ws->state >= WS_LOST)
        return;
    set_state(ws, WS_LOST);
    release(ws);
    loop_timer_start(ws->loop, &ws->end_timer, 0, on_over);
}

void ws_peer_lost(struct ws *ws, unsigned code, const char *reason, int error)
{
    if (ws->state == WS_DIALLING || ws->state == WS_OPEN)
        decide(ws, code, reason, error);
    end(ws);
}

static void on_end_timeout(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, end_timer);

    if (!ws->why.error)
        ws->why.error = -ETIMEDOUT;
    end(ws);
}

static void start_end_timer(struct ws *ws)
{
    loop_timer_start(ws->loop, &ws->end_timer, CLOSE_TIMEOUT_MS, on_end_timeout);
}

/* Sends the close frame and waits for the peer's, or in ABORTING for the end of the connection. */
static void start_ending(struct ws *ws, enum ws_state next)
{
    set_state(ws, next);
    ws_output_close_frame(ws, ws->why.code, ws->why.reason);
    start_end_timer(ws);
}

void ws_peer_flushed(struct ws *ws)
{
    if (ws->state == WS_FLUSHING) {
        start_ending(ws, WS_ENDING);
    } else if (ws->state == WS_REPLYING) {
        end(ws);
    }
}

static void fail(struct ws *ws, const struct ws_close *why, enum ws_state next)
{
    switch (ws->state) {
    case WS_OPEN: decide(ws, why->code, why->reason, why->error); break;
    case WS_FLUSHING: break;
    case WS_ENDING: end(ws); return; /* our close frame is out, and the answer is invalid */
    case WS_DIALLING:
    case WS_ABORTING:
    case WS_REPLYING:
    case WS_LOST:
    case WS_FREED:
    default: return;
    }
    buf_done(&ws->message);
    ws_output_drop(ws);
    start_ending(ws, next);
}

void ws_peer_fail(struct ws *ws, unsigned code, const char *reason, int error)
{
    fail(ws, &(struct ws_close){code, reason, error}, WS_ENDING);
}

void ws_peer_abort(struct ws *ws, const char *reason)
{
    fail(ws, &(struct ws_close){WS_CLOSE_PROTOCOL, reason, -EPROTO}, WS_ABORTING);
}

void ws_peer_closed_by_peer(struct ws *ws, unsigned code, const char *reason)
{
    switch (ws->state) {
    case WS_ENDING:
        if (list_empty(&ws->control)) {
            end(ws); /* it is the answer to ours */
        } else {
            set_state(ws, WS_REPLYING);
        }
        return;
    case WS_OPEN:
    case WS_FLUSHING: break;
    case WS_DIALLING:
    case WS_ABORTING:
    case WS_REPLYING:
    case WS_LOST:
    case WS_FREED:
    default: return;
    }
    decide(ws, code, reason, 0);
    ws_output_drop(ws);
    set_state(ws, WS_REPLYING);
    ws_output_close_frame(ws, code, reason);
    start_end_timer(ws);
}

void ws_close(struct ws *ws, unsigned code, const char *reason)
{
    if (ws->state == WS_DIALLING) {
        decide(ws, code, reason, 0);
        end(ws);
        return;
    }
    if (ws->state != WS_OPEN)
        return;
    decide(ws, code, reason, 0);
    set_state(ws, WS_FLUSHING);
    buf_done(&ws->message);
    if (ws->is_paused)
        ws_pause(ws, false); /* the peer's close frame must be read */
    start_end_timer(ws);
    ws->transport->want_write(ws);
}

/* Liveness: one timer for the next ping and the silence, whichever comes first. */

static void start_alive_timer(struct ws *ws);

static uint64_t ping_interval(const struct ws *ws)
{
    return ws->limits.ping_interval_ms ? ws->limits.ping_interval_ms : WS_PING_INTERVAL_MS;
}

static uint64_t silence_timeout(const struct ws *ws)
{
    return ws->limits.silence_timeout_ms ? ws->limits.silence_timeout_ms
                                         : WS_SILENCE_TIMEOUT_MS(ping_interval(ws));
}

static void on_alive_timer(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, alive_timer);
    uint64_t now = time_monotonic_ms();

    if (!ws->is_paused && now - ws->seen_ms >= silence_timeout(ws)) {
        ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "peer is silent", -ETIMEDOUT);
        return;
    }
    if (now - ws->pinged_ms >= ping_interval(ws)) {
        ws->pinged_ms = now;
        ws->is_ping_due = ws->state == WS_OPEN;
        ws->transport->want_write(ws);
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

/* Opening */

static void open_peer(struct ws *ws)
{
    ws->seen_ms = ws->pinged_ms = time_monotonic_ms();
    ws->transport->address(ws, ws->address);
    set_state(ws, WS_OPEN);
    start_alive_timer(ws);
}

void ws_peer_accepted(struct ws *ws, const struct ws_accept *accept)
{
    open_peer(ws);
    ws->owner = accept->on_accept(accept->owner, ws, accept->context);
}

void ws_peer_opened(struct ws *ws)
{
    open_peer(ws);
    if (ws->handler->on_open)
        ws->handler->on_open(ws->owner);
}

/* Settings */

void ws_pause(struct ws *ws, bool is_paused)
{
    if (ws->is_paused == is_paused)
        return;
    ws->is_paused = is_paused;
    if (ws->state == WS_DIALLING || ws->state >= WS_LOST)
        return;
    ws->seen_ms = time_monotonic_ms(); /* silence counts only while we listen */
    start_alive_timer(ws);
    if (is_paused) {
        ws->transport->pause(ws, true);
    } else {
        ws_input_resume(ws);
    }
}

void ws_set_limits(struct ws *ws, const struct ws_limits *limits)
{
    ws->limits = *limits;
    ws->message.max = limits->max_message;
    if (ws->state != WS_DIALLING && ws->state < WS_LOST)
        start_alive_timer(ws);
}

void ws_trust(struct ws *ws)
{
    sock_trust(ws->sock);
}

const char *ws_peer_address(const struct ws *ws)
{
    return ws->address;
}
