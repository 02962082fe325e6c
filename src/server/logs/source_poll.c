#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "server/logs/source_internal.h"

#include <errno.h>
#include <string.h>

/*
 * An agent that cannot stream replies with the newest N lines. The lines behind the last known one
 * are new. When the last known line is not among them, the poll requests the maximum at once; when
 * it is missing there, too, lines may be lost, and a mark says so.
 */

#define POLL_MS    1000
#define REPLY_MS   30000
#define USUAL_TAIL 1000
#define LAST_MAX   ((size_t)64 * 1024) /* bytes of the last line that are compared */

struct source_poll {
    struct log_source *source; /* NULL: stopped; the reply only frees the poll */
    bool is_pending;           /* a reply is awaited */
    bool is_first;             /* no reply was read yet */
    bool is_quiet;             /* the lines of the first reply are not shown: `tail` is 0 */
    uint64_t tail;
    char *last; /* the newest line, cut to LAST_MAX; NULL: none yet */
    size_t last_size;
};

static void poll_free(struct source_poll *p)
{
    free(p->last);
    free(p);
}

static void ask(struct source_poll *p);

static void on_poll(struct loop_timer *t)
{
    ask(CONTAINER_OF(t, struct log_source, timer)->poll);
}

static void give(struct log_source *s, const char *text, size_t size)
{
    struct msg_log_line line = {.kind = LOG_KIND_STDOUT,
                                .time_ns = log_position_newest(&s->position)};
    size_t stamp = time_parse_stamp(text, size, &line.time_ns);

    text += stamp;
    size -= stamp;
    if ((s->since_ns && line.time_ns < s->since_ns) || (s->until_ns && line.time_ns > s->until_ns))
        return;
    if (size > 0 && text[size - 1] == '\r')
        size--;
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
    line.is_partial = false;
    source_give(s, &line);
}

/* Returns where the new lines begin; NULL: the last known line is not in the text. */
static const char *find_new(const struct source_poll *p, const char *text, size_t size)
{
    const char *found = NULL, *end = text + size;

    if (!p->last)
        return text;
    while (text && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = newline ? (size_t)(newline - text) : (size_t)(end - text);
        size_t cut = n < LAST_MAX ? n : LAST_MAX;

        text += newline ? n + 1 : n;
        if (cut == p->last_size && memcmp(text - n - (newline != NULL), p->last, cut) == 0)
            found = text;
    }
    return found;
}

static void keep_last(struct source_poll *p, const char *line, size_t size)
{
    free(p->last);
    p->last_size = size < LAST_MAX ? size : LAST_MAX;
    p->last = xmemdup(line, p->last_size + 1);
}

static void give_lines(struct source_poll *p, const char *text, const char *end)
{
    bool is_shown = !(p->is_first && p->is_quiet);

    while (text && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = newline ? (size_t)(newline - text) : (size_t)(end - text);

        if (is_shown)
            give(p->source, text, n);
        keep_last(p, text, n);
        text += newline ? n + 1 : n;
    }
}

/* Skips the lines up to the time of the position that the source resumes from. */
static const char *skip_known(const struct log_source *s, const char *text, const char *end)
{
    int64_t newest = log_position_newest(&s->position), at;
    const char *rest = text;

    while (newest && text && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t size = newline ? (size_t)(newline - text) : (size_t)(end - text);
        bool is_known = time_parse_stamp(text, size, &at) > 0 && at <= newest;

        text = newline ? newline + 1 : end;
        if (is_known)
            rest = text;
    }
    return rest;
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

static void on_text(struct source_poll *p, const char *text, size_t size)
{
    struct log_source *s = p->source;
    const char *fresh = find_new(p, text, size), *end = text + size;

    if (!fresh && p->tail < LOG_STREAM_MAX_TAIL) {
        p->tail = LOG_STREAM_MAX_TAIL;
        ask(p);
        return;
    }
    if (!fresh && size > 0) {
        s->o.handler->on_mark(
            s->o.owner, "gap",
            "more was written than this host's agent can give: lines may be missing");
    }
    if (p->is_first && s->is_resuming)
        fresh = skip_known(s, text, end);
    give_lines(p, fresh ? fresh : text, end);
    p->is_first = false;
    p->tail = USUAL_TAIL;
    s->is_resuming = true;
    s->o.handler->on_batch(s->o.owner);
    if (p->source)
        schedule_next(s);
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
        poll_free(p);
    } else if (r->code < 0) {
        on_failure(p->source, r);
    } else if (!json_string_value(logs)) {
        source_end(p->source, CODE_BAD_REPLY, "error", "The agent's reply contains no log text");
    } else {
        source_started(p->source);
        on_text(p, json_string_value(logs), json_string_length(logs));
    }
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
    command_start(sessions_commands(s->owner->o.sessions), &q);
}

void source_poll_start(struct log_source *s)
{
    struct source_poll *p = xcalloc(1, sizeof(*p));

    p->source = s;
    p->is_first = true;
    p->is_quiet = s->o.tail == 0 && !s->is_resuming;
    p->tail = s->is_resuming || s->o.tail < 0 ? LOG_STREAM_MAX_TAIL
              : s->o.tail == 0                ? 1
                                              : (uint64_t)s->o.tail;
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
        poll_free(p);
}

void source_poll_acked(struct log_source *s)
{
    if (s->poll && !s->poll->is_pending && s->n_outstanding == 0 &&
        !loop_timer_is_running(&s->timer))
        loop_timer_start(s->owner->o.loop, &s->timer, POLL_MS, on_poll);
}
