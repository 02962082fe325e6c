#include "server/logs/source.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "base/time.h"
#include "server/logs/source_internal.h"

#include <assert.h>
#include <errno.h>

#define ACK_STEP ((size_t)32 * 1024) /* acknowledged to the agent at once */

#define TO_LOOKING STATE_TO(SOURCE_LOOKING)
#define TO_ENDED   STATE_TO(SOURCE_ENDED)

static const struct state_row state_rows[] = {
    STATE_ROW(SOURCE_LOOKING,
              "looking",
              TO_LOOKING | STATE_TO(SOURCE_OFFLINE) | STATE_TO(SOURCE_SEEKING) |
                  STATE_TO(SOURCE_BLOCKED) | STATE_TO(SOURCE_STARTING) | STATE_TO(SOURCE_POLLING) |
                  TO_ENDED),
    STATE_ROW(SOURCE_OFFLINE, "offline", TO_LOOKING | TO_ENDED),
    STATE_ROW(SOURCE_SEEKING, "seeking", TO_LOOKING | TO_ENDED),
    STATE_ROW(SOURCE_BLOCKED, "blocked", TO_LOOKING | TO_ENDED),
    STATE_ROW(SOURCE_STARTING, "starting", STATE_TO(SOURCE_LIVE) | TO_LOOKING | TO_ENDED),
    STATE_ROW(SOURCE_LIVE, "live", TO_LOOKING | TO_ENDED),
    STATE_ROW(SOURCE_POLLING, "polling", TO_LOOKING | TO_ENDED),
    STATE_ROW(SOURCE_ENDED, "ended", 0),
};
static const struct state_machine machine = STATE_MACHINE("log source", state_rows);

void source_set_state(struct log_source *s, enum source_state state)
{
    state_check(&machine, s->ref, s->state, state);
    loop_timer_stop(&s->timer);
    s->state = state;
}

void source_close(struct log_source *s, bool notifies)
{
    loop_timer_stop(&s->timer);
    source_poll_stop(s);
    if (s->stream_id[0] && notifies && source_stream_send(s, "stop", NULL) < 0) {
        log_debug(LOG_FIELDS("stream", s->stream_id),
                  "could not stop the log stream: the agent is not connected");
    }
    if (s->stream_id[0])
        (void)map_remove(&s->owner->by_stream, s->stream_id);
    s->stream_id[0] = '\0';
    s->n_current = s->n_acked = 0;
}

static void on_look(struct loop_timer *t)
{
    source_look(CONTAINER_OF(t, struct log_source, timer));
}

void source_look_in(struct log_source *s, uint64_t ms)
{
    source_set_state(s, SOURCE_LOOKING);
    loop_timer_start(s->owner->o.loop, &s->timer, ms, on_look);
}

void source_end(struct log_source *s, enum error_code code, const char *reason, const char *message)
{
    const struct log_source_end end = {code, reason, message};

    source_close(s, true);
    source_set_state(s, SOURCE_ENDED);
    s->o.handler->on_end(s->o.owner, &end); /* frees s */
}

void source_fail(struct log_source *s, enum error_code code)
{
    source_end(s, code, "error", error_code_sentence(code));
}

void source_lose_container(struct log_source *s)
{
    source_close(s, false);
    str_copy(s->gone_id, sizeof(s->gone_id), s->container_id);
    source_look_in(s, 0);
}

void source_started(struct log_source *s)
{
    bool was_away = s->is_away;

    s->is_away = false;
    s->seek_until_ms = 0;
    if (was_away)
        s->o.handler->on_mark(s->o.owner, "back", "the log goes on");
    if (!s->is_started)
        s->o.handler->on_started(s->o.owner);
    s->is_started = true;
}

void source_mark_away(struct log_source *s, const char *message)
{
    if (!s->is_away)
        s->o.handler->on_mark(s->o.owner, "away", message);
    s->is_away = true;
}

void source_give(struct log_source *s, const struct msg_log_line *line)
{
    const struct log_source_line out = {*line, line->size + LOG_STREAM_LINE_COST};

    log_position_add(&s->position, line->kind, line->time_ns);
    s->n_outstanding += out.cost;
    s->n_current += out.cost;
    s->o.handler->on_line(s->o.owner, &out);
}

void log_source_ack(struct log_source *s, size_t cost)
{
    size_t old = s->n_outstanding - s->n_current; /* of earlier streams: acknowledged first */
    size_t current = cost > old ? cost - old : 0;

    assert(cost <= s->n_outstanding);
    s->n_outstanding -= cost;
    s->n_current -= current;
    s->n_acked += current;
    if (s->state == SOURCE_POLLING)
        source_poll_acked(s);
    if (s->state == SOURCE_LIVE && s->n_acked >= ACK_STEP &&
        source_stream_send(s, "ack", json_pack("{s:I}", "bytes", (json_int_t)s->n_acked)) == 0)
        s->n_acked = 0;
    if (s->state == SOURCE_BLOCKED && s->n_outstanding < LOG_SOURCE_WINDOW)
        source_look_in(s, 0);
}

int log_source_new(struct log_source **ret,
                   struct log_sources *ss,
                   const struct log_source_options *o,
                   struct error *err)
{
    struct log_source *s = xcalloc(1, sizeof(*s));

    if (!str_is_empty(o->cursor)) {
        if (log_cursor_parse(o->cursor, s->container_id, &s->position) < 0) {
            free(s);
            return error_set(err, -EINVAL, "the cursor is none of ours");
        }
        s->is_resuming = true;
    }
    s->owner = ss;
    s->o = *o;
    s->host_id = xstrdup(o->host_id);
    s->ref = xstrdup(o->container);
    s->name = str_is_empty(o->cursor) ? NULL : xstrdup(o->container);
    s->since = str_is_empty(o->since) ? NULL : xstrdup(o->since);
    s->until = str_is_empty(o->until) ? NULL : xstrdup(o->until);
    if ((s->since && time_parse_ns(s->since, &s->since_ns) < 0) ||
        (s->until && time_parse_ns(s->until, &s->until_ns) < 0))
        s->since_ns = 0; /* the agent refuses an invalid time */
    list_init(&s->link);
    list_append(&ss->list, &s->link);
    loop_timer_start(ss->o.loop, &s->timer, 0, on_look);
    *ret = s;
    return 0;
}

void log_source_free(struct log_source *s)
{
    if (!s)
        return;
    source_close(s, true);
    list_unlink(&s->link);
    reply_memory_done(&s->memory);
    free(s->host_id);
    free(s->host_name);
    free(s->ref);
    free(s->name);
    free(s->since);
    free(s->until);
    free(s);
}

const char *log_source_container_id(const struct log_source *s)
{
    return s->container_id;
}

const char *log_source_name(const struct log_source *s)
{
    return s->name ? s->name : s->ref;
}

const char *log_source_host(const struct log_source *s)
{
    return s->host_name ? s->host_name : "";
}

const char *log_source_host_id(const struct log_source *s)
{
    return s->host_id;
}

char *log_source_target(const struct log_source *s)
{
    return xasprintf("%s/%s", log_source_host(s), log_source_name(s));
}
