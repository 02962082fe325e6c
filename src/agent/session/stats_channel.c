#include "agent/session/stats_channel.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "base/time.h"
#include "net/backoff.h"
#include "net/ws.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_WAIT_MS 1000
#define MAX_WAIT_MS   30000
#define WORKED_MS     MAX_WAIT_MS /* a connection that lasts longer has worked */
#define MAX_QUEUE     ((size_t)256 * 1024)
#define MAX_INPUT     ((size_t)4096) /* nothing is expected */

enum channel_state { CHANNEL_WAITING, CHANNEL_DIALLING, CHANNEL_OPEN };

struct sample {
    char *text;
    size_t size;
};

struct stats_channel {
    struct stats_channel_options o;
    enum channel_state state;
    char *authorization;
    struct ws *ws; /* NULL: WAITING */
    struct loop_timer timer;
    struct backoff backoff;
    uint64_t open_since_ms;
    bool has_warned; /* of a failure, since the last connection that worked */
    struct sample samples[STATS_CHANNEL_MAX_SAMPLES];
    size_t first, n;
};

static const struct state_row states[] = {
    STATE_ROW(CHANNEL_WAITING, "waiting", STATE_TO(CHANNEL_WAITING) | STATE_TO(CHANNEL_DIALLING)),
    STATE_ROW(CHANNEL_DIALLING, "dialling", STATE_TO(CHANNEL_OPEN) | STATE_TO(CHANNEL_WAITING)),
    STATE_ROW(CHANNEL_OPEN, "open", STATE_TO(CHANNEL_WAITING)),
};

static const struct state_machine machine = STATE_MACHINE("stats channel", states);

static void set_state(struct stats_channel *c, enum channel_state state)
{
    state_check(&machine, NULL, c->state, state);
    c->state = state;
}

static void drop_first(struct stats_channel *c)
{
    free(c->samples[c->first].text);
    c->samples[c->first] = (struct sample){0};
    c->first = (c->first + 1) % STATS_CHANNEL_MAX_SAMPLES;
    c->n--;
}

static void send_kept(struct stats_channel *c)
{
    while (c->state == CHANNEL_OPEN && c->n > 0) {
        const struct sample *s = &c->samples[c->first];

        if (ws_send_text(c->ws, s->text, s->size) < 0)
            return; /* on_drain() continues */
        drop_first(c);
    }
}

static void dial(struct stats_channel *c);

static void on_wait_over(struct loop_timer *t)
{
    dial(CONTAINER_OF(t, struct stats_channel, timer));
}

static void wait_before_next(struct stats_channel *c, uint64_t wait_ms)
{
    set_state(c, CHANNEL_WAITING);
    loop_timer_start(c->o.loop, &c->timer, wait_ms, on_wait_over);
}

/* Servers without the channel, or with a proxy in front of them that does not know it. */
static bool is_missing(const char *reason)
{
    return strstr(reason, "HTTP status 404") || strstr(reason, "HTTP status 502");
}

static void retry(struct stats_channel *c, const char *reason)
{
    uint64_t wait_ms = backoff_next(&c->backoff);

    if (wait_ms < FIRST_WAIT_MS)
        wait_ms = FIRST_WAIT_MS;
    if (is_missing(reason)) {
        wait_ms += STATS_CHANNEL_SELDOM_MS;
        log_debug(LOG_FIELDS("url", c->o.url), "the server has no channel for statistics: %s",
                  reason);
    } else if (!c->has_warned) {
        c->has_warned = true;
        log_warn(LOG_FIELDS("url", c->o.url),
                 "cannot send statistics on their own channel, so that the server has no history "
                 "of them; trying again: %s",
                 reason);
    }
    wait_before_next(c, wait_ms);
}

static void on_open(void *owner)
{
    struct stats_channel *c = owner;

    set_state(c, CHANNEL_OPEN);
    c->open_since_ms = time_monotonic_ms();
    log_debug(LOG_FIELDS("url", c->o.url), "statistics are sent on their own channel");
    send_kept(c);
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    (void)owner; /* nothing is expected, and nothing is read */
    (void)data;
    (void)size;
    (void)is_binary;
}

static void on_drain(void *owner)
{
    send_kept(owner);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct stats_channel *c = owner;
    bool was_open = c->state == CHANNEL_OPEN;

    c->ws = NULL;
    if (was_open && time_monotonic_ms() - c->open_since_ms > WORKED_MS) {
        backoff_reset(&c->backoff);
        c->has_warned = false;
    }
    retry(c, str_is_empty(why->reason) ? "the server closed it" : why->reason);
}

static const struct ws_handler handler = {
    .on_open = on_open, .on_message = on_message, .on_drain = on_drain, .on_close = on_close};

static void dial(struct stats_channel *c)
{
    const char *const headers[] = {"Authorization", c->authorization, NULL};
    struct error err = ERROR_INIT;
    int r;

    set_state(c, CHANNEL_DIALLING);
    r = ws_connect(&c->ws, c->o.loop,
                   &(struct ws_dial){
                       .url = c->o.url,
                       .is_insecure = c->o.is_insecure,
                       .proxies = c->o.proxies,
                       .headers = headers,
                       .limits = {.max_message = MAX_INPUT, .max_queue = MAX_QUEUE},
                       .handler = &handler,
                       .owner = c,
    },
                   &err);
    if (r < 0)
        retry(c, err.msg);
}

struct stats_channel *stats_channel_new(const struct stats_channel_options *o)
{
    struct stats_channel *c = xcalloc(1, sizeof(*c));

    c->o = *o;
    c->o.token = NULL; /* in `authorization` from now on */
    c->authorization = xasprintf("Bearer %s", o->token);
    backoff_init(&c->backoff, FIRST_WAIT_MS, MAX_WAIT_MS);
    wait_before_next(c, 0);
    return c;
}

void stats_channel_free(struct stats_channel *c)
{
    if (!c)
        return;
    loop_timer_stop(&c->timer);
    if (c->ws)
        ws_free(c->ws);
    while (c->n > 0)
        drop_first(c);
    explicit_bzero(c->authorization, strlen(c->authorization));
    free(c->authorization);
    free(c);
}

void stats_channel_put(struct stats_channel *c, const json_t *payload)
{
    struct sample sample = {0};

    sample.text = json_text_write(payload, &sample.size);
    if (c->n == STATS_CHANNEL_MAX_SAMPLES)
        drop_first(c);
    c->samples[(c->first + c->n++) % STATS_CHANNEL_MAX_SAMPLES] = sample;
    send_kept(c);
}
