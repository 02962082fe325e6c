#include "agent/logs/log_follow.h"
#include "agent/common/guard.h"
#include "agent/logs/log_fetch.h"
#include "agent/logs/log_outbox.h"
#include "agent/logs/log_recent.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "docker/log_assembler.h"
#include "docker/model/container.h"
#include "net/backoff.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CALL_MS       15000
#define RESEND_MS     20
#define NS_PER_S      INT64_C(1000000000)
#define NS_PER_MS     1000000
#define LATE_WORDS_NS (20 * INT64_C(1000000))
#define LAST_WORDS_MS 1000 /* of a container that was removed; the engine says them at once */
#define RESTARTED     "restarted"
#define UNTIL_GRACE   1000 /* the engine's clock, and what it still writes */

/*
 *     INSPECTING -> [SEEKING ->] READING -> INSPECTING -> WAITING -> INSPECTING ...      RETRYING -> INSPECTING
 *                                                          any of them -> FLUSHING -> DONE
 *
 * The engine ends a stream when the container ends. A container that has ended is read once more, as the end of its
 * stream may have cut its last words off; then its next start is waited for. SEEKING finds the newest line
 * for those who want what comes only.
 */
enum stream_state {
    STREAM_INSPECTING,
    STREAM_SEEKING,
    STREAM_READING,
    STREAM_WAITING,
    STREAM_RETRYING,
    STREAM_FLUSHING,
    STREAM_DONE,
};

struct log_follow {
    struct list link;
    struct log_follow_options o;
    enum stream_state state;
    char *id, *container; /* as asked for, then the full id: names can move */
    int64_t tail;
    char since[LOG_TIME_SIZE], until[LOG_TIME_SIZE]; /* "": open */
    int64_t until_ns;
    bool wants[LOG_N_STREAMS];

    struct engine_call *call;
    struct loop_timer timer;  /* start, retry, the end of what is removed */
    struct loop_timer resend; /* the link was busy */
    struct loop_timer until_timer;
    struct backoff backoff;
    bool is_started;  /* the server was told */
    bool is_read;     /* a stream of the engine has ended well: tail counts no more */
    bool was_running; /* when the stream was opened */
    bool is_raw;
    int64_t
        run_ns; /* lines from this time on are of another run, which was not told yet; 0: told */
    int64_t started_ns; /* State.StartedAt */
    bool is_dirty;      /* something happened to the container since it was looked at */
    const char *reason; /* of FLUSHING */

    struct log_demux demux;
    bool is_broken; /* the engine sent no sequence of frames */
    struct log_assembler *lines;
    struct log_position position, skip; /* skip: what was sent before this stream of the engine */
    int64_t floor_ns; /* time of the oldest line sent: what is older was cut off by tail */
    struct log_recent recent;
    size_t n_lines; /* of this stream of the engine */
    struct log_outbox box;
};

static const char *const state_names[] = {"inspecting", "seeking",  "reading", "waiting",
                                          "retrying",   "flushing", "done"};

static void set_state(struct log_follow *s, enum stream_state state)
{
    assert(s->state < STREAM_FLUSHING || state == STREAM_DONE);
    log_debug(LOG_FIELDS("stream", s->id), "log stream: %s -> %s", state_names[s->state],
              state_names[state]);
    s->state = state;
}

const char *log_follow_id(const struct log_follow *s)
{
    return s->id;
}

struct list *log_follow_link(struct log_follow *s)
{
    return &s->link;
}

struct log_follow *log_follow_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct log_follow, link);
}

/* --- to the server ------------------------------------------------------------------------------ */

static void say(const struct log_follow *s, const char *action, json_t *fields)
{
    json_t *payload = envelope_part("stream_id", s->id, action, fields);
    int r = sender_send(s->o.sender, envelope_event("log_data", payload, time_utc_ms()));

    if (r < 0)
        log_warn(LOG_FIELDS("stream", s->id), "%s could not be sent: %s", action, error_text(r));
}

static void release(struct log_follow *s)
{
    engine_call_cancel(TAKE_PTR(s->call));
    loop_timer_stop(&s->timer);
    loop_timer_stop(&s->resend);
    loop_timer_stop(&s->until_timer);
}

/* s is gone afterwards. */
static void finish(struct log_follow *s)
{
    release(s);
    set_state(s, STREAM_DONE);
    s->o.done(s->o.owner, s);
}

static void fail(struct log_follow *s, int status, const char *why)
{
    log_warn(LOG_FIELDS("stream", s->id, "container", s->container), "log stream: %s", why);
    say(s, "error",
        json_pack("{s:o, s:s, s:i}", "error", json_text_str(why), "error_type", "docker_error",
                  "status", status));
    finish(s);
}

static void pump(struct log_follow *s);

static void on_resend(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct log_follow, resend));
}

/* Sends what may be sent; s may be gone afterwards. */
static void pump(struct log_follow *s)
{
    int r = log_outbox_pump(&s->box);

    if (s->state == STREAM_READING && s->call)
        engine_call_pause(s->call, !log_outbox_is_empty(&s->box));
    if (r < 0)
        loop_timer_start(engine_loop(s->o.engine), &s->resend, RESEND_MS, on_resend);
    if (s->state == STREAM_FLUSHING && log_outbox_is_empty(&s->box)) {
        say(s, "closed", json_pack("{s:s}", "reason", s->reason));
        finish(s);
    }
}

/* The last word, after all lines; s may be gone afterwards. */
static void close_stream(struct log_follow *s, const char *reason)
{
    release(s);
    s->reason = reason;
    set_state(s, STREAM_FLUSHING);
    pump(s);
}

/* --- lines -------------------------------------------------------------------------------------- */

/* It was sent already, from an earlier stream of the engine. */
static bool is_known(struct log_follow *s, const struct log_line *line)
{
    struct log_mark *m = &s->skip.streams[line->stream == LOG_STDERR];

    if (!m->time_ns)
        return line->time_ns < s->floor_ns;
    if (line->time_ns < m->time_ns)
        return true;
    if (line->time_ns == m->time_ns && m->n_same > 0) {
        m->n_same--;
        return true;
    }
    return false;
}

static void add_note(struct log_follow *s, int64_t time_ns, const char *text, size_t size)
{
    log_outbox_add(&s->box, &(struct msg_log_line){.time_ns = time_ns, .text = text, .size = size});
}

static void note_run(struct log_follow *s, int64_t time_ns)
{
    add_note(s, time_ns, RESTARTED, strlen(RESTARTED));
    s->run_ns = 0;
}

static void on_line(void *owner, const struct log_line *line)
{
    struct log_follow *s = owner;
    enum log_kind kind = line->stream == LOG_STDERR ? LOG_KIND_STDERR : LOG_KIND_STDOUT;
    struct msg_log_line out = {
        .kind = kind,
        .time_ns = line->time_ns,
        .text = line->text + line->stamp_size,
        .size = line->size - line->stamp_size,
        .is_partial = line->is_partial,
    };

    if (line->stream == LOG_SYSTEM) { /* the engine's own words, in the middle of the log */
        add_note(s, line->time_ns, line->text, line->size);
        return;
    }
    if (is_known(s, line) || log_recent_has(&s->recent, line, log_position_newest(&s->position)) ||
        (s->until_ns && line->time_ns > s->until_ns))
        return;
    if (!s->floor_ns)
        s->floor_ns = line->time_ns;
    s->n_lines++;
    log_position_add(&s->position, kind, line->time_ns);
    if (s->state == STREAM_SEEKING)
        return;
    if (s->run_ns && line->time_ns >= s->run_ns)
        note_run(s, line->time_ns);
    if (s->is_raw && out.size > 0 && out.text[out.size - 1] == '\r')
        out.size--; /* a terminal's line end */
    log_outbox_add(&s->box, &out);
}

/*
 * What the container said without a newline before it ended counts as a line of its own. Where there are no frames
 * the engine would glue it to the next line, so that is read from behind it.
 */
static void end_run(struct log_follow *s)
{
    struct log_position before = s->position;

    log_assembler_end(s->lines);
    for (size_t i = 0; i < ARRAY_LEN(before.streams); i++) {
        struct log_mark *m = &s->position.streams[i];

        if (m->time_ns > before.streams[i].time_ns || m->n_same > before.streams[i].n_same)
            *m = (struct log_mark){m->time_ns + 1, 0};
    }
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct log_follow *s = owner;

    if (s->is_broken)
        return;
    s->is_broken = log_demux_feed(&s->demux, data, size) < 0;
    if (s->is_broken) {
        fail(s, 0, "docker engine sent a log that is no sequence of frames");
        return;
    }
    pump(s);
}

/* --- reading ------------------------------------------------------------------------------------ */

static void inspect(struct log_follow *s);

static void on_retry(struct loop_timer *t)
{
    inspect(CONTAINER_OF(t, struct log_follow, timer));
}

static void retry_later(struct log_follow *s)
{
    set_state(s, STREAM_RETRYING);
    loop_timer_start(engine_loop(s->o.engine), &s->timer, backoff_next(&s->backoff), on_retry);
}

/* What the engine's failure means; s may be gone afterwards. */
static void on_failure(struct log_follow *s, const struct engine_reply *reply)
{
    /* 409: it is being removed, and soon is not there any more. */
    bool is_passing = reply->code == -ENOTCONN || reply->code == -ECONNRESET ||
                      reply->code == -ETIMEDOUT || reply->status >= 500 || reply->status == 409;

    if (reply->code == -ENOENT && s->is_read) {
        end_run(s);
        close_stream(s, "gone");
    } else if (is_passing && s->is_read) {
        retry_later(s);
    } else {
        fail(s, reply->status, reply->message);
    }
}

static void on_end(void *owner, const struct engine_reply *reply)
{
    struct log_follow *s = owner;
    bool is_seek = s->state == STREAM_SEEKING;

    s->call = NULL;
    loop_timer_stop(&s->timer);
    if (s->n_lines > 0 || reply->code == 0) {
        s->is_read = true;
        backoff_reset(&s->backoff);
    }
    if (is_seek)
        log_assembler_end(s->lines);
    if (reply->code < 0) {
        log_assembler_drop(s->lines);
        on_failure(s, reply);
    } else if (s->until_ns && time_utc_ms() * NS_PER_MS > s->until_ns) {
        end_run(s);
        close_stream(s, "until");
    } else if (!is_seek && s->was_running && s->n_lines == 0) {
        retry_later(s); /* an engine that ends streams at once is not asked without end */
    } else {
        inspect(s);
    }
}

/* From where on the engine is asked; "" for all. */
static const char *find_since(const struct log_follow *s, char ret[LOG_TIME_SIZE])
{
    int64_t from = log_position_from(&s->position, s->floor_ns);

    if (log_position_is_empty(&s->position))
        return s->since;
    (void)snprintf(ret, LOG_TIME_SIZE, "%lld.%09lld", (long long)(from / NS_PER_S),
                   (long long)(from % NS_PER_S));
    return ret;
}

static char *make_path(const struct log_follow *s, bool is_seek)
{
    char room[LOG_TIME_SIZE], tail[24] = "all";
    const char *since = find_since(s, room);

    if (is_seek) {
        str_copy(tail, sizeof(tail), "1");
    } else if (s->tail >= 0 && !s->is_read && log_position_is_empty(&s->position)) {
        (void)snprintf(tail, sizeof(tail), "%lld", (long long)s->tail);
    }
    return xasprintf(
        "/containers/%s/logs?follow=%d&stdout=%d&stderr=%d&timestamps=1&tail=%s%s%s%s%s",
        s->container, !is_seek && s->was_running, (int)s->wants[LOG_STDOUT],
        (int)s->wants[LOG_STDERR], tail, since[0] ? "&since=" : "", since,
        s->until[0] ? "&until=" : "", s->until);
}

static void read_log(struct log_follow *s, bool is_seek)
{
    _cleanup_free_ char *path = make_path(s, is_seek);
    struct error err = ERROR_INIT;

    set_state(s, is_seek ? STREAM_SEEKING : STREAM_READING);
    log_demux_init(&s->demux, s->is_raw, log_assembler_add, s->lines);
    log_assembler_drop(s->lines);
    s->skip = s->position;
    s->n_lines = 0;
    if (engine_call_start(&s->call, s->o.engine,
                          &(struct engine_request){.path = path,
                                                   .timeout_ms = is_seek ? CALL_MS : 0,
                                                   .on_data = on_data,
                                                   .done = on_end,
                                                   .owner = s},
                          &err) < 0) {
        fail(s, 0, err.msg);
    } else {
        engine_call_pause(s->call, !log_outbox_is_empty(&s->box));
    }
}

/* --- the container ------------------------------------------------------------------------------ */

/*
 * Where one run ends and the next begins. A process may speak long before the engine says that it was started, and its
 * last words be written a moment after its end.
 */
static void find_run(struct log_follow *s, struct json_span inspect)
{
    int64_t started = container_inspect_time(inspect, "StartedAt"),
            ended = container_inspect_time(inspect, "FinishedAt");
    int64_t least = ended + (started - ended) / 4, late = ended + LATE_WORDS_NS;

    if (s->started_ns && started > s->started_ns)
        s->run_ns = ended == 0 || ended > started ? started : late < least ? late : least;
    s->started_ns = started;
    if (s->run_ns && log_position_newest(&s->position) >= s->run_ns)
        note_run(s, log_position_newest(&s->position)); /* late, but not never */
}

static int read_description(struct log_follow *s,
                            const struct engine_reply *reply,
                            bool *ret_is_running,
                            struct error *err)
{
    struct checked_text text;
    struct json_span span;
    char id[CONTAINER_ID_SIZE];
    int r = checked_text_init(&text, reply->body, reply->size, err);

    if (r < 0)
        return r;
    span = checked_text_span(&text);
    s->is_raw = container_inspect_has_tty(span);
    find_run(s, span);
    *ret_is_running = container_inspect_is_running(span);
    if (json_span_copy_string(json_span_find(span, "Id"), id, sizeof(id)) &&
        str_is_hex(id, CONTAINER_ID_SIZE - 1)) {
        free(s->container);
        s->container = xstrdup(id);
    } else {
        r = error_set(err, -EPROTO, "docker engine described a container without an id");
    }
    checked_text_done(&text);
    return r;
}

/* s may be gone afterwards. */
static void on_described(void *owner, const struct engine_reply *reply)
{
    struct log_follow *s = owner;
    struct error err = ERROR_INIT;
    bool is_running = false, was_running = s->was_running;

    s->call = NULL;
    if (reply->code < 0) {
        on_failure(s, reply);
        return;
    }
    if (read_description(s, reply, &is_running, &err) < 0) {
        fail(s, 0, err.msg);
        return;
    }
    if (!s->is_started)
        say(s, "started", NULL);
    s->is_started = true;
    s->was_running = is_running;
    if (s->tail == 0 && !s->is_read && log_position_is_empty(&s->position)) {
        read_log(s, true);
    } else if (is_running || was_running || s->is_dirty || !s->is_read) {
        s->is_dirty = false;
        read_log(s, false);
    } else {
        end_run(s);
        set_state(s, STREAM_WAITING);
        pump(s);
    }
}

static void inspect(struct log_follow *s)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", s->container);
    struct error err = ERROR_INIT;

    if (s->state != STREAM_INSPECTING)
        set_state(s, STREAM_INSPECTING);
    if (engine_call_start(&s->call, s->o.engine,
                          &(struct engine_request){.path = path,
                                                   .timeout_ms = CALL_MS,
                                                   .max_body = GUARD_MAX_INSPECT,
                                                   .done = on_described,
                                                   .owner = s},
                          &err) < 0)
        fail(s, 0, err.msg);
}

static void on_removed(struct loop_timer *t)
{
    struct log_follow *s = CONTAINER_OF(t, struct log_follow, timer);

    if (!log_outbox_is_empty(&s->box)) { /* what the window holds back is still to come */
        loop_timer_start(engine_loop(s->o.engine), &s->timer, LAST_WORDS_MS, on_removed);
        return;
    }
    engine_call_cancel(TAKE_PTR(s->call));
    s->is_read = true;
    inspect(s);
}

void log_follow_on_event(struct log_follow *s, const char *container_id, const char *action)
{
    bool is_start = str_eq(action, "start"), is_end = str_eq(action, "destroy");

    if (container_id && !(str_eq(container_id, s->container) && (is_start || is_end)))
        return;
    s->is_dirty = true;
    if (s->state == STREAM_WAITING || s->state == STREAM_RETRYING ||
        (s->state == STREAM_READING && is_start)) { /* which may go on into the new run */
        loop_timer_stop(&s->timer);
        engine_call_cancel(TAKE_PTR(s->call));
        inspect(s);
    } else if (s->state == STREAM_READING && is_end) {
        /* The engine ends its stream, but not always one that has gone on through a restart. */
        loop_timer_start(engine_loop(s->o.engine), &s->timer, LAST_WORDS_MS, on_removed);
    }
}

/* --- life --------------------------------------------------------------------------------------- */

static void on_until(struct loop_timer *t)
{
    struct log_follow *s = CONTAINER_OF(t, struct log_follow, until_timer);

    if (s->state < STREAM_FLUSHING)
        close_stream(s, "until");
}

static int set_times(struct log_follow *s, const struct msg_log_stream *start, struct error *err)
{
    int r = 0;

    if (!str_is_empty(start->since))
        r = log_time_parse("since", start->since, s->since, err);
    if (r == 0 && !str_is_empty(start->until))
        r = log_time_parse("until", start->until, s->until, err);
    if (r == 0 && s->until[0]) {
        const char *dot = strchr(s->until, '.');
        _cleanup_free_ char *seconds = xstrndup(s->until, strcspn(s->until, "."));
        uint64_t whole;

        if (parse_u64(seconds, UINT32_MAX, &whole) < 0)
            return error_set(err, -EINVAL, "until: \"%s\" is out of range", start->until);
        s->until_ns = (int64_t)whole * NS_PER_S + (dot ? NS_PER_S - 1 : 0);
    }
    return r;
}

static void arm(struct log_follow *s)
{
    struct loop *loop = engine_loop(s->o.engine);
    int64_t left_ms = s->until_ns / NS_PER_MS - time_utc_ms();

    loop_timer_start(loop, &s->timer, 0, on_retry);
    if (s->until_ns && left_ms > 0) /* one that is past needs no timer: the engine's stream ends */
        loop_timer_start(loop, &s->until_timer, (uint64_t)left_ms + UNTIL_GRACE, on_until);
}

int log_follow_new(struct log_follow **ret,
                   const struct log_follow_options *o,
                   const struct msg_log_stream *start,
                   struct error *err)
{
    struct log_follow *s = xcalloc(1, sizeof(*s));
    int r;

    s->o = *o;
    list_init(&s->link);
    s->id = xstrdup(start->stream_id);
    s->container = xstrdup(start->container_id);
    s->tail = start->tail;
    s->wants[LOG_STDOUT] = !start->no_out;
    s->wants[LOG_STDERR] = !start->no_err;
    log_outbox_init(&s->box, o->sender, s->id, start->window);
    s->lines = log_assembler_new(&(struct log_assembler_options){
        .max_line = LOG_STREAM_MAX_LINE, .splits = true, .on_line = on_line, .owner = s});
    backoff_init(&s->backoff, 500, 15000);
    if (start->position)
        (void)log_position_parse(start->position, &s->position); /* the message was checked */
    s->is_read = start->position != NULL;
    r = set_times(s, start, err);
    if (r < 0) {
        log_follow_free(s);
        return r;
    }
    arm(s);
    *ret = s;
    return 0;
}

void log_follow_free(struct log_follow *s)
{
    if (!s)
        return;
    release(s);
    list_unlink(&s->link);
    log_assembler_free(s->lines);
    log_outbox_done(&s->box);
    free(s->id);
    free(s->container);
    free(s);
}

void log_follow_ack(struct log_follow *s, int64_t bytes)
{
    s->box.credit += bytes;
    pump(s);
}

void log_follow_stop(struct log_follow *s, const char *reason)
{
    say(s, "closed", json_pack("{s:s}", "reason", reason));
    finish(s);
}
