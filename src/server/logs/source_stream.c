#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/reply.h"
#include "server/logs/source_internal.h"

#define START_MS    20000
#define EXCESS_MAX  ((size_t)1 << 20) /* over the window: the agent ignores it */
#define NOTES_BURST 100
#define NOTES_PER_S 2
#define RESTARTED   "restarted"

int source_stream_send(const struct log_source *s, const char *action, json_t *fields)
{
    json_t *message = msg_log_stream_encode(s->stream_id, action, fields);
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    json_decref(message);
    return sessions_send(s->owner->o.sessions, s->agent_id, text, size);
}

static void on_start_timeout(struct loop_timer *t)
{
    struct log_source *s = CONTAINER_OF(t, struct log_source, timer);

    if (s->is_started) {
        source_close(s, true);
        source_look_in(s, LOG_SOURCE_RETRY_MS);
    } else {
        source_end(s, CODE_TIMEOUT, "error", "The agent did not answer in time");
    }
}

static json_t *start_fields(const struct log_source *s)
{
    json_t *fields = json_pack("{s:s, s:I}", "container_id", s->container_id, "window",
                               (json_int_t)LOG_SOURCE_WINDOW);
    char text[LOG_POSITION_TEXT_SIZE];

    if (s->is_resuming) {
        json_text_set(fields, "position", json_string(log_position_format(&s->position, text)));
    } else {
        json_text_set(fields, "tail", json_integer(s->o.tail));
    }
    if (s->since)
        json_text_set(fields, "since", json_text_str(s->since));
    if (s->until)
        json_text_set(fields, "until", json_text_str(s->until));
    if (s->o.no_out)
        json_text_set(fields, "stdout", json_false());
    if (s->o.no_err)
        json_text_set(fields, "stderr", json_false());
    if (s->o.has_details)
        json_text_set(fields, "details", json_true());
    if (s->o.until_exit)
        json_text_set(fields, "until_exit", json_true());
    return fields;
}

void source_stream_open(struct log_source *s)
{
    random_uuid(s->stream_id);
    (void)map_put(&s->owner->by_stream, s->stream_id, s); /* a new random id replaces nothing */
    source_set_state(s, SOURCE_STARTING);
    loop_timer_start(s->owner->o.loop, &s->timer, START_MS, on_start_timeout);
    if (source_stream_send(s, "start", start_fields(s)) < 0) {
        source_close(s, false);
        source_look_in(s, LOG_SOURCE_RETRY_MS);
    }
}

static void on_note(struct log_source *s, const struct msg_log_line *line)
{
    size_t cost = line->size + LOG_STREAM_LINE_COST;
    bool is_restart = str_eq(line->text, RESTARTED);

    s->n_current += cost;
    s->n_outstanding += cost;
    /* Viewers do not acknowledge marks, so only this limit bounds their number. */
    if (bucket_take(&s->notes, NOTES_BURST, NOTES_PER_S, time_monotonic_ms())) {
        s->o.handler->on_mark(s->o.owner, is_restart ? RESTARTED : "engine",
                              is_restart ? "the container was started again" : line->text);
    }
    log_source_ack(s, cost);
}

/* May free s. */
static void on_lines(struct log_source *s, const struct msg_log_data *m)
{
    size_t i;
    const json_t *v;

    if (s->state != SOURCE_LIVE)
        return;
    s->is_resuming = true;
    json_array_foreach(m->lines, i, v)
    {
        struct msg_log_line line;

        if (msg_log_line_read(v, &line) < 0) /* does not happen: decoding has checked them */
            continue;
        if (line.kind == LOG_KIND_NOTE) {
            on_note(s, &line);
        } else {
            source_give(s, &line);
        }
    }
    if (s->n_outstanding > LOG_SOURCE_WINDOW + EXCESS_MAX) {
        source_end(s, CODE_BAD_REPLY, "error", "The agent sends more than it may");
    } else {
        s->o.handler->on_batch(s->o.owner);
    }
}

/* May free s. */
static void on_error(struct log_source *s, const struct msg_log_data *m)
{
    const char *why = str_is_empty(m->error) ? "The agent reports an error" : m->error;
    enum error_code reason = reply_failure_code(&(struct reply_failure){
        .code = m->code, .type = m->error_type, .status = (int)m->status, .text = why});

    bool may_return = s->is_started && reason != CODE_POLICY_DENIED;

    source_close(s, false);
    if (may_return && m->status == 404) {
        source_lose_container(s);
    } else if (may_return && (m->status == 0 || (m->status >= 500 && m->status != 501))) {
        source_mark_away(s, why);
        source_look_in(s, LOG_SOURCE_RETRY_MS * UINT64_C(5));
    } else {
        source_end(s, reason, "error", why);
    }
}

/* May free s. */
static void on_closed(struct log_source *s, const struct msg_log_data *m)
{
    source_close(s, false);
    if (str_eq(m->reason, "gone")) {
        source_lose_container(s);
    } else if (str_eq(m->reason, "until")) {
        source_end(s, CODE_NONE, "until", "");
    } else if (str_eq(m->reason, "exited")) {
        source_end(s, CODE_NONE, "exited", "");
    } else {
        source_look_in(s, LOG_SOURCE_RETRY_MS);
    }
}

void source_stream_on_data(struct log_source *s, const struct msg_log_data *m)
{
    if (s->state == SOURCE_STARTING && str_eq(m->action, "started")) {
        source_set_state(s, SOURCE_LIVE);
        source_started(s);
    } else if (str_eq(m->action, "lines")) {
        on_lines(s, m);
    } else if (str_eq(m->action, "closed")) {
        on_closed(s, m);
    } else if (str_eq(m->action, "error")) {
        on_error(s, m);
    }
}
