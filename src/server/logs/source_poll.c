#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "server/logs/source_internal.h"

#include <errno.h>
#include <string.h>

/*
 * An agent that cannot stream replies with the newest N lines, of which the memory of the last
 * reply finds the new ones. When it knows none of the lines, the poll requests the maximum at once;
 * when it knows none of those, too, lines may be lost, and a mark says so.
 */

#define POLL_MS    1000
#define REPLY_MS   30000
#define USUAL_TAIL 1000

struct source_poll {
    struct log_source *source; /* NULL: stopped; the reply only frees the poll */
    bool is_pending;           /* a reply is awaited */
    bool is_last;              /* with `until_exit`: the container had ended before the request */
    uint64_t tail;
};

static void ask(struct source_poll *p);

static void on_poll(struct loop_timer *t)
{
    ask(CONTAINER_OF(t, struct log_source, timer)->poll);
}

static bool is_wanted(const struct log_source *s, const struct reply_line *line)
{
    if ((s->since_ns && line->time_ns < s->since_ns) ||
        (s->until_ns && line->time_ns > s->until_ns))
        return false;
    return !(s->o.no_out && line->kind == LOG_KIND_STDOUT) &&
           !(s->o.no_err && line->kind == LOG_KIND_STDERR);
}

static void give(struct log_source *s, const struct reply_line *l)
{
    struct msg_log_line line = {.kind = l->kind, .time_ns = l->time_ns};
    const char *text = l->text;
    size_t size = l->size;

    while (size > LOG_STREAM_MAX_LINE) {
        line.text = text;
        line.size = LOG_STREAM_MAX_LINE;
        while (line.size > LOG_STREAM_MAX_LINE - 4 &&
               ((unsigned char)text[line.size] & 0xc0) == 0x80)
            line.size--; /* never cuts inside a character */
        line.is_partial = true;
        source_give(s, &line);
        text += line.size;
        size -= line.size;
    }
    line.text = text;
    line.size = size;
    line.is_partial = l->is_partial;
    source_give(s, &line);
}

/* Whether a line is behind the position that the source resumes from. */
static bool is_behind(const struct log_position *p, const struct reply_line *line)
{
    int64_t known = line->kind == LOG_KIND_UNKNOWN
                        ? 0
                        : p->streams[line->kind == LOG_KIND_STDERR].time_ns;

    return line->time_ns > (known ? known : log_position_newest(p));
}

/* Continues from a position. Without times nobody knows which lines the viewer has. */
static void choose_behind(struct log_source *s, struct reply_lines *lines)
{
    bool has_read = s->position.streams[0].n_same || s->position.streams[1].n_same;

    if (has_read && lines->n > 0 && !lines->has_times) {
        s->o.handler->on_mark(s->o.owner, "gap",
                              "this host's agent sends no times: lines may be missing");
    }
    for (size_t i = 0; i < lines->n; i++) {
        lines->items[i].is_new = !has_read ||
                                 (lines->has_times && is_behind(&s->position, &lines->items[i]));
    }
}

/* Keeps the last lines that the viewer has asked for. */
static void choose_tail(const struct log_source *s, struct reply_lines *lines)
{
    int64_t left = s->o.tail < 0 ? INT64_MAX : s->o.tail;

    for (size_t i = lines->n; i-- > 0;) {
        bool is_shown = is_wanted(s, &lines->items[i]) && left > 0;

        lines->items[i].is_new = is_shown;
        left -= is_shown;
    }
}

static uint64_t next_tail(const struct reply_memory *m)
{
    /* Lines without times are counted as long as a reply has the whole log. */
    uint64_t tail = !m->has_times && m->is_whole ? m->n + USUAL_TAIL : USUAL_TAIL;

    return tail < LOG_STREAM_MAX_TAIL ? tail : LOG_STREAM_MAX_TAIL;
}

static void give_new(struct log_source *s, const struct reply_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        if (lines->items[i].is_new && is_wanted(s, &lines->items[i]))
            give(s, &lines->items[i]);
    }
}

static void schedule_next(struct log_source *s)
{
    if (s->until_ns && time_utc_ms() > s->until_ns / 1000000) {
        source_end(s, CODE_NONE, "until", "");
        return;
    }
    if (s->n_outstanding == 0)
        loop_timer_start(s->owner->o.loop, &s->timer, POLL_MS, on_poll);
}

/* May free the source. */
static void on_text(struct source_poll *p, const char *text, size_t size)
{
    struct log_source *s = p->source;
    _cleanup_(reply_lines_done) struct reply_lines lines = {0};
    bool is_first = !s->memory.has_reply, is_known;

    reply_lines_read(text, size, NULL, &lines);
    if (lines.n > 0 && !lines.has_times && (s->since_ns || s->until_ns)) {
        source_end(s, CODE_NOT_SUPPORTED, "error", REPLY_LINES_NO_TIMES);
        return;
    }
    is_known = reply_memory_compare(&s->memory, &lines, p->tail);
    if (!is_known && p->tail < LOG_STREAM_MAX_TAIL) {
        p->tail = LOG_STREAM_MAX_TAIL;
        ask(p);
        return;
    }
    if (!is_known) {
        s->o.handler->on_mark(
            s->o.owner, "gap",
            "more was written than this host's agent can give: lines may be missing");
    }
    if (is_first && s->is_resuming) {
        choose_behind(s, &lines);
    } else if (is_first) {
        choose_tail(s, &lines);
    }
    give_new(s, &lines);
    reply_memory_keep(&s->memory, &lines, p->tail);
    p->tail = next_tail(&s->memory);
    s->is_resuming = true;
    s->o.handler->on_batch(s->o.owner);
    if (p->source && p->is_last) {
        source_end(s, CODE_NONE, "exited", "");
    } else if (p->source) {
        schedule_next(s);
    }
}

/* May free the source. */
static void on_failure(struct log_source *s, const struct command_result *r)
{
    bool is_missing = r->code == -EREMOTEIO && r->engine_status == 404;

    if (is_missing && s->is_started) {
        source_lose_container(s);
    } else if (r->code == -ENOTCONN) {
        source_poll_stop(s);
        source_look_in(s, 0);
    } else if (s->is_started && (r->code == -ETIMEDOUT || r->code == -ENOBUFS)) {
        schedule_next(s);
    } else {
        source_end(s, r->reason, "error", r->message);
    }
}

static void on_reply(void *owner, const struct command_result *r)
{
    struct source_poll *p = owner;
    const json_t *logs = json_object_get(r->result, "logs");

    p->is_pending = false;
    if (!p->source) {
        free(p);
    } else if (r->code < 0) {
        on_failure(p->source, r);
    } else if (!json_string_value(logs)) {
        source_end(p->source, CODE_BAD_REPLY, "error", "The agent's reply contains no log text");
    } else {
        source_started(p->source);
        on_text(p, json_string_value(logs), json_string_length(logs));
    }
}

/* By the live model, because the agent does not know `until_exit`. */
static bool has_exited(const struct log_source *s)
{
    const struct fleet_host *h = fleet_find_host(s->owner->o.fleet, s->host_id);
    const struct fleet_container *c = h ? map_find(&h->containers, s->container_id) : NULL;

    return c && (str_eq(c->state, "exited") || str_eq(c->state, "created"));
}

static void ask(struct source_poll *p)
{
    struct log_source *s = p->source;
    struct command_request q = {
        .agent_id = s->agent_id,
        .operation = OPERATION_GET_LOGS,
        .payload = json_pack("{s:s, s:I}", "container_id", s->container_id, "tail",
                             (json_int_t)p->tail),
        .timeout_ms = REPLY_MS,
        .is_routine = true,
        .done = on_reply,
        .owner = p,
    };

    p->is_pending = true;
    p->is_last = s->o.until_exit && has_exited(s);
    command_start(sessions_commands(s->owner->o.sessions), &q);
}

static uint64_t first_tail(const struct log_source *s)
{
    if (s->memory.has_reply)
        return next_tail(&s->memory);
    if (s->is_resuming || s->o.tail < 0 || s->since_ns || s->until_ns)
        return LOG_STREAM_MAX_TAIL;
    return s->o.tail > USUAL_TAIL ? (uint64_t)s->o.tail : USUAL_TAIL;
}

void source_poll_start(struct log_source *s)
{
    struct source_poll *p = xcalloc(1, sizeof(*p));

    if (!str_eq(s->memory_id, s->container_id))
        reply_memory_done(&s->memory);
    str_copy(s->memory_id, sizeof(s->memory_id), s->container_id);
    p->source = s;
    p->tail = first_tail(s);
    s->poll = p;
    source_set_state(s, SOURCE_POLLING);
    ask(p);
}

void source_poll_stop(struct log_source *s)
{
    struct source_poll *p = TAKE_PTR(s->poll);

    if (!p)
        return;
    p->source = NULL;
    if (!p->is_pending)
        free(p);
}

void source_poll_acked(struct log_source *s)
{
    if (s->poll && !s->poll->is_pending && s->n_outstanding == 0 &&
        !loop_timer_is_running(&s->timer))
        loop_timer_start(s->owner->o.loop, &s->timer, POLL_MS, on_poll);
}
