#include "server/common/fake_net.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define MAX_TIMERS  256
#define MAX_WATCHES 4

static struct {
    struct loop_timer *timer;
    uint64_t due_ms;
} timers[MAX_TIMERS];
static size_t n_timers;
static uint64_t clock_ms;

void loop_timer_stop(struct loop_timer *t)
{
    for (size_t i = 0; i < n_timers; i++) {
        if (timers[i].timer != t)
            continue;
        n_timers--;
        for (; i < n_timers; i++)
            timers[i] = timers[i + 1];
    }
}

void loop_timer_start(_unused_ struct loop *loop,
                      struct loop_timer *t,
                      uint64_t delay_ms,
                      loop_timer_fn fn)
{
    loop_timer_stop(t);
    assert(n_timers < MAX_TIMERS);
    t->fn = fn;
    timers[n_timers].timer = t;
    timers[n_timers++].due_ms = clock_ms + delay_ms;
}

bool loop_timer_is_running(const struct loop_timer *t)
{
    for (size_t i = 0; i < n_timers; i++) {
        if (timers[i].timer == t)
            return true;
    }
    return false;
}

void fake_advance(uint64_t ms)
{
    uint64_t until_ms = clock_ms + ms;

    for (;;) {
        struct loop_timer *t;
        size_t first = 0;

        for (size_t i = 1; i < n_timers; i++) {
            if (timers[i].due_ms < timers[first].due_ms)
                first = i;
        }
        if (n_timers == 0 || timers[first].due_ms > until_ms)
            break;
        clock_ms = timers[first].due_ms;
        t = timers[first].timer;
        loop_timer_stop(t);
        t->fn(t);
    }
    clock_ms = until_ms;
}

size_t fake_timers_running(void)
{
    return n_timers;
}

static struct loop_io *watches[MAX_WATCHES];
static nfds_t n_watches;

int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn fn)
{
    assert(n_watches < MAX_WATCHES);
    *io = (struct loop_io){.loop = loop, .fn = fn, .fd = fd, .events = events};
    watches[n_watches++] = io;
    return 0;
}

void loop_io_stop(struct loop_io *io)
{
    for (nfds_t i = 0; i < n_watches; i++) {
        if (watches[i] == io)
            watches[i] = watches[--n_watches];
    }
}

/* Calls back for one descriptor that is ready. */
void loop_turn(_unused_ struct loop *loop)
{
    struct pollfd fds[MAX_WATCHES];

    for (nfds_t i = 0; i < n_watches; i++)
        fds[i] = (struct pollfd){.fd = watches[i]->fd, .events = POLLIN};
    if (poll(fds, n_watches, -1) <= 0)
        return;
    for (nfds_t i = 0; i < n_watches; i++) {
        if (fds[i].revents) {
            watches[i]->fn(watches[i], watches[i]->events);
            return;
        }
    }
}

int ws_send_text(struct ws *ws, const char *data, size_t size)
{
    if (ws->send_code < 0)
        return ws->send_code;

    assert(ws->n_sent < FAKE_MAX_SENT && ws->close_code == 0);
    ws->sent[ws->n_sent] = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
    assert(ws->sent[ws->n_sent]);
    ws->n_sent++;
    return 0;
}

void ws_close(struct ws *ws, unsigned code, const char *reason)
{
    assert(ws->close_code == 0);
    ws->close_code = code;
    ws->is_paused = false; /* as the real one */
    str_copy(ws->close_reason, sizeof(ws->close_reason), reason);
}

void ws_free(struct ws *ws)
{
    for (size_t i = 0; ws && i < ws->n_sent; i++)
        json_decref(ws->sent[i]);
    free(ws);
}

size_t ws_queued(const struct ws *ws)
{
    return ws->queued;
}

void fake_ws_drain(struct ws *ws)
{
    ws->queued = 0;
    ws->send_code = 0;
    ws->handler->on_drain(ws->owner);
}

void ws_pause(struct ws *ws, bool is_paused)
{
    if (ws->close_code != 0)
        return; /* ws_close() has resumed it for good */
    assert(ws->is_paused != is_paused);
    ws->is_paused = is_paused;
}

void ws_trust(_unused_ struct ws *ws)
{
}

void ws_set_limits(struct ws *ws, const struct ws_limits *limits)
{
    ws->limits = *limits;
}

const char *ws_peer_address(const struct ws *ws)
{
    return ws->peer;
}

struct ws *fake_ws_new(const struct ws_accept *accept, const char *peer)
{
    struct ws *ws = xcalloc(1, sizeof(*ws));

    ws->handler = accept->handler;
    ws->limits = accept->limits;
    ws->peer = peer;
    ws->owner = accept->on_accept(accept->owner, ws, accept->context);
    return ws;
}

void fake_ws_receive(struct ws *ws, const char *text)
{
    assert(!ws->is_paused);
    ws->handler->on_message(ws->owner, text, strlen(text), false);
}

void fake_ws_receive_json(struct ws *ws, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);

    assert(text);
    fake_ws_receive(ws, text);
    free(text);
    json_decref(message);
}

void fake_ws_end(struct ws *ws, unsigned code)
{
    ws->handler->on_close(ws->owner, &(struct ws_close){.code = code, .reason = ""});
    ws_free(ws);
}

const json_t *fake_ws_next(struct ws *ws)
{
    return ws->n_read < ws->n_sent ? ws->sent[ws->n_read++] : NULL;
}
