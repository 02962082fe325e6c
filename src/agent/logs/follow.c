#include "agent/logs/follow.h"
#include "agent/common/guard.h"
#include "agent/logs/fetch.h"
#include "agent/logs/outbox.h"
#include "agent/logs/reader.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "docker/model/container.h"
#include "net/backoff.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CALL_MS        15000
#define RESEND_MS      20
#define REMOVED_MS     1000 /* the engine sends the last lines of a removed container at once */
#define UNTIL_GRACE_MS 1000 /* the clock of the engine may differ, and it may still be writing */

enum follow_state {
    FOLLOW_NEW,
    FOLLOW_INSPECTING,
    FOLLOW_SEEKING,
    FOLLOW_FOLLOWING,
    FOLLOW_READING,
    FOLLOW_WAITING,
    FOLLOW_RETRYING,
    FOLLOW_FLUSHING,
    FOLLOW_DONE,
};

struct log_follow {
    struct channel channel;
    struct engine *engine;
    enum follow_state state;
    char *container; /* as asked for, then the full id, because names can move */
    int64_t tail;
    char since[LOG_TIME_SIZE], until[LOG_TIME_SIZE]; /* "": open */
    bool has_out, has_err, has_details;
    bool until_exit; /* ends with the container instead of waiting for its next start */

    struct engine_call *call;
    struct loop_timer timer;  /* of the state: the first inspection, a retry, a removal */
    struct loop_timer resend; /* the link was busy */
    struct loop_timer until_timer;
    struct backoff backoff;

    bool is_announced;   /* "started" was sent */
    bool is_established; /* a body was read, or the server has a position: retry after failures */
    bool has_unread;     /* the container may have written since its log was read to the end */
    bool has_exited;     /* with until_exit: the run that was followed has ended */
    const char *reason;  /* of FLUSHING */

    struct log_reader reader;
    struct log_outbox box;
};

#define TO_END     (STATE_TO(FOLLOW_FLUSHING) | STATE_TO(FOLLOW_DONE))
#define AFTER_BODY (STATE_TO(FOLLOW_INSPECTING) | STATE_TO(FOLLOW_RETRYING) | TO_END)

static const struct state_row state_rows[] = {
    STATE_ROW(FOLLOW_NEW, "new", STATE_TO(FOLLOW_INSPECTING) | TO_END),
    STATE_ROW(FOLLOW_INSPECTING,
              "inspecting",
              STATE_TO(FOLLOW_SEEKING) | STATE_TO(FOLLOW_FOLLOWING) | STATE_TO(FOLLOW_READING) |
                  STATE_TO(FOLLOW_WAITING) | STATE_TO(FOLLOW_RETRYING) | TO_END),
    STATE_ROW(FOLLOW_SEEKING, "seeking", AFTER_BODY),
    STATE_ROW(FOLLOW_FOLLOWING, "following", AFTER_BODY),
    STATE_ROW(FOLLOW_READING, "reading", AFTER_BODY),
    STATE_ROW(FOLLOW_WAITING, "waiting", STATE_TO(FOLLOW_INSPECTING) | TO_END),
    STATE_ROW(FOLLOW_RETRYING, "retrying", STATE_TO(FOLLOW_INSPECTING) | TO_END),
    STATE_ROW(FOLLOW_FLUSHING, "flushing", STATE_TO(FOLLOW_DONE)),
    STATE_ROW(FOLLOW_DONE, "done", 0),
};
static const struct state_machine machine = STATE_MACHINE("log follow", state_rows);

static void set_state(struct log_follow *f, enum follow_state state)
{
    state_check(&machine, f->channel.id, f->state, state);
    f->state = state;
}

/* Whether lines are being read that go to the server. */
static bool is_reading(const struct log_follow *f)
{
    return f->state == FOLLOW_FOLLOWING || f->state == FOLLOW_READING;
}

struct log_follow *log_follow_of_channel(struct channel *c)
{
    return CONTAINER_OF(c, struct log_follow, channel);
}

/* --- to the server ---------------------------------------------------------------------------- */

static void release(struct log_follow *f)
{
    engine_call_cancel(TAKE_PTR(f->call));
    loop_timer_stop(&f->timer);
    loop_timer_stop(&f->resend);
    loop_timer_stop(&f->until_timer);
}

/* Frees f; the last event was sent. */
static void finish(struct log_follow *f)
{
    set_state(f, FOLLOW_DONE);
    log_follow_free(f);
}

/* Frees f. */
static void fail(struct log_follow *f, int code, int status, const char *why)
{
    log_warn(LOG_FIELDS("stream", f->channel.id, "container", f->container),
             "could not follow the log: %s", why);
    channel_notify_error(
        &f->channel, json_pack("{s:s, s:i}", "error_type", REPLY_ERROR_DOCKER, "status", status),
        engine_error_code(code, status, why), why);
    finish(f);
}

static void pump(struct log_follow *f);

static void on_resend(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct log_follow, resend));
}

/* Sends the lines that may be sent; may free f. */
static void pump(struct log_follow *f)
{
    int r = log_outbox_pump(&f->box);

    if (is_reading(f) && f->call)
        engine_call_pause(f->call, !log_outbox_is_empty(&f->box));
    if (r < 0)
        loop_timer_start(engine_loop(f->engine), &f->resend, RESEND_MS, on_resend);
    if (f->state == FOLLOW_FLUSHING && log_outbox_is_empty(&f->box)) {
        channel_notify(&f->channel, "closed",
                       json_pack("{s:o}", "reason", json_text_str(f->reason)));
        finish(f);
    }
}

/* Ends the follow after all lines; may free f. */
static void flush(struct log_follow *f, const char *reason)
{
    release(f);
    f->reason = reason;
    set_state(f, FOLLOW_FLUSHING);
    pump(f);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void inspect(struct log_follow *f);

static void on_data(void *owner, const void *data, size_t size)
{
    struct log_follow *f = owner;

    if (log_reader_feed(&f->reader, data, size) < 0) {
        fail(f, -EPROTO, 0, "docker engine sent a log that is no sequence of frames");
        return;
    }
    pump(f);
}

static void on_retry(struct loop_timer *t)
{
    inspect(CONTAINER_OF(t, struct log_follow, timer));
}

static void retry_later(struct log_follow *f)
{
    set_state(f, FOLLOW_RETRYING);
    loop_timer_start(engine_loop(f->engine), &f->timer, backoff_next(&f->backoff), on_retry);
}

/* Retries after a temporary failure, ends the follow after others; may free f. */
static void on_failure(struct log_follow *f, const struct engine_reply *reply)
{
    /*
     * 409: the container is being removed; soon the reply is 404. 501: the log driver keeps nothing
     * that could be read, which does not change.
     */
    bool is_temporary = reply->code == -ENOTCONN || reply->code == -ECONNRESET ||
                        reply->code == -ETIMEDOUT || reply->status == 409 ||
                        (reply->status >= 500 && reply->status != 501);

    if (reply->code == -ENOENT && f->is_established) {
        log_reader_end_run(&f->reader);
        flush(f, "gone");
    } else if (is_temporary && f->is_established) {
        retry_later(f);
    } else {
        fail(f, reply->code, reply->status, reply->message);
    }
}

static void on_body_end(void *owner, const struct engine_reply *reply)
{
    struct log_follow *f = owner;
    int64_t until_ns = f->reader.until_ns;

    f->call = NULL;
    loop_timer_stop(&f->timer);
    if (f->reader.n_lines > 0 || reply->code == 0)
        f->is_established = true;
    if (f->reader.n_lines > 0 || (reply->code == 0 && log_reader_is_sound(&f->reader)))
        backoff_reset(&f->backoff);
    if (f->state == FOLLOW_SEEKING)
        log_reader_end_seek(&f->reader);
    if (reply->code < 0) {
        log_reader_drop(&f->reader);
        f->has_unread = true;
        on_failure(f, reply);
    } else if (until_ns && time_utc_ms() * NS_PER_MS > until_ns) {
        log_reader_end_run(&f->reader);
        flush(f, f->has_exited ? "exited" : "until");
    } else if (f->state == FOLLOW_FOLLOWING && f->reader.n_lines == 0) {
        retry_later(f); /* bounds the requests to an engine that ends each body at once */
    } else {
        inspect(f);
    }
}

/* Whether this is the first body of a follow that begins without a position. */
static bool is_first_body(const struct log_follow *f)
{
    return !f->is_established && log_reader_is_empty(&f->reader);
}

static char *make_path(const struct log_follow *f)
{
    char since[LOG_TIME_SIZE], tail[24] = "all";

    if (log_reader_is_empty(&f->reader)) {
        str_copy(since, sizeof(since), f->since);
    } else {
        log_reader_format_since(&f->reader, since, sizeof(since));
    }
    if (f->state == FOLLOW_SEEKING) {
        str_copy(tail, sizeof(tail), "1");
    } else if (f->tail >= 0 && is_first_body(f)) {
        (void)snprintf(tail, sizeof(tail), "%lld", (long long)f->tail);
    }
    return xasprintf(
        "/containers/%s/logs?follow=%d&stdout=%d&stderr=%d&timestamps=1%s&tail=%s%s%s%s%s",
        f->container, f->state == FOLLOW_FOLLOWING, (int)f->has_out, (int)f->has_err,
        f->has_details ? "&details=1" : "", tail, since[0] ? "&since=" : "", since,
        f->until[0] ? "&until=" : "", f->until);
}

/* Opens the body that `state` reads; may free f. */
static void read_body(struct log_follow *f, enum follow_state state)
{
    _cleanup_free_ char *path = NULL;
    struct error err = ERROR_INIT;

    set_state(f, state);
    path = make_path(f);
    log_reader_begin(&f->reader, state == FOLLOW_SEEKING);
    if (engine_call_start(
            &f->call, f->engine,
            &(struct engine_request){.path = path,
                                     .timeout_ms = state == FOLLOW_SEEKING ? CALL_MS : 0,
                                     .on_data = on_data,
                                     .done = on_body_end,
                                     .owner = f},
            &err) < 0) {
        fail(f, err.code, 0, err.msg);
    } else {
        pump(f); /* the inspection may have added the report of a restart */
    }
}

/* --- the container ---------------------------------------------------------------------------- */

/* With until_exit the lines of the next run do not belong to this log. */
static void end_before_next_run(struct log_follow *f)
{
    struct log_reader *r = &f->reader;

    f->has_exited = true;
    if (!r->until_ns || r->until_ns >= r->run_ns)
        r->until_ns = r->run_ns - 1;
}

static int read_inspection(struct log_follow *f,
                           const struct engine_reply *reply,
                           bool *ret_is_running,
                           struct error *err)
{
    struct checked_text text;
    struct json_span span;
    char id[CONTAINER_ID_SIZE];
    int64_t started_ns;
    int r = checked_text_init(&text, reply->body, reply->size, err);

    if (r < 0)
        return r;
    span = checked_text_span(&text);
    started_ns = f->reader.started_ns;
    log_reader_set_container(&f->reader, span);
    if (f->until_exit && started_ns && f->reader.started_ns > started_ns && !f->has_exited)
        end_before_next_run(f);
    *ret_is_running = container_inspect_is_running(span) && !f->has_exited;
    if (json_span_copy_string(json_span_find(span, "Id"), id, sizeof(id)) &&
        str_is_hex(id, CONTAINER_ID_LEN)) {
        free(f->container);
        f->container = xstrdup(id);
    } else {
        r = error_set(err, -EPROTO, "docker engine described a container without an id");
    }
    checked_text_done(&text);
    return r;
}

/* The log of the run is read to its end; may free f. */
static void wait_for_start(struct log_follow *f)
{
    if (f->until_exit) {
        flush(f, "exited");
        return;
    }
    set_state(f, FOLLOW_WAITING);
    pump(f);
}

/* May free f. */
static void on_inspected(void *owner, const struct engine_reply *reply)
{
    struct log_follow *f = owner;
    struct error err = ERROR_INIT;
    bool is_running = false, has_unread;

    f->call = NULL;
    if (reply->code < 0) {
        on_failure(f, reply);
        return;
    }
    if (read_inspection(f, reply, &is_running, &err) < 0) {
        fail(f, err.code, 0, err.msg);
        return;
    }
    if (!f->is_announced)
        channel_notify(&f->channel, "started", NULL);
    f->is_announced = true;
    has_unread = f->has_unread;
    f->has_unread = is_running;
    if (f->tail == 0 && is_first_body(f)) {
        read_body(f, FOLLOW_SEEKING);
    } else if (is_running) {
        read_body(f, FOLLOW_FOLLOWING);
    } else if (has_unread) {
        read_body(f, FOLLOW_READING);
    } else {
        log_reader_end_run(&f->reader);
        wait_for_start(f);
    }
}

/* May free f. */
static void inspect(struct log_follow *f)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", f->container);
    struct error err = ERROR_INIT;

    set_state(f, FOLLOW_INSPECTING);
    if (engine_call_start(
            &f->call, f->engine,
            &(struct engine_request){
                .path = path, .timeout_ms = CALL_MS, .done = on_inspected, .owner = f},
            &err) < 0)
        fail(f, err.code, 0, err.msg);
}

static void on_removed(struct loop_timer *t)
{
    struct log_follow *f = CONTAINER_OF(t, struct log_follow, timer);

    if (!log_outbox_is_empty(&f->box)) { /* lines that the window holds back come first */
        loop_timer_start(engine_loop(f->engine), &f->timer, REMOVED_MS, on_removed);
        return;
    }
    engine_call_cancel(TAKE_PTR(f->call));
    f->is_established = true;
    inspect(f);
}

void log_follow_on_event(struct log_follow *f, const char *container_id, const char *action)
{
    bool is_start = str_eq(action, "start"), is_removal = str_eq(action, "destroy");

    if (container_id && !(str_eq(container_id, f->container) && (is_start || is_removal)))
        return;
    f->has_unread = true;
    if (f->state == FOLLOW_WAITING || f->state == FOLLOW_RETRYING ||
        (is_reading(f) && is_start)) { /* a body may continue into the new run */
        loop_timer_stop(&f->timer);
        engine_call_cancel(TAKE_PTR(f->call));
        inspect(f);
    } else if (is_reading(f) && is_removal) {
        /* The engine ends its body, but not always one that has continued through a restart. */
        loop_timer_start(engine_loop(f->engine), &f->timer, REMOVED_MS, on_removed);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_until(struct loop_timer *t)
{
    struct log_follow *f = CONTAINER_OF(t, struct log_follow, until_timer);

    if (f->state < FOLLOW_FLUSHING)
        flush(f, "until");
}

static int set_times(struct log_follow *f, const struct msg_log_stream *start, struct error *err)
{
    int r = 0;

    if (!str_is_empty(start->since))
        r = log_time_parse("since", start->since, f->since, err);
    if (r == 0 && !str_is_empty(start->until))
        r = log_time_parse("until", start->until, f->until, err);
    if (r == 0 && f->until[0]) {
        const char *dot = strchr(f->until, '.');
        _cleanup_free_ char *seconds = xstrndup(f->until, strcspn(f->until, "."));
        uint64_t whole;

        if (parse_u64(seconds, UINT32_MAX, &whole) < 0)
            return error_set(err, -EINVAL, "until: \"%s\" is out of range", start->until);
        f->reader.until_ns = (int64_t)whole * NS_PER_S + (dot ? NS_PER_S - 1 : 0);
    }
    return r;
}

static void start_timers(struct log_follow *f)
{
    struct loop *loop = engine_loop(f->engine);
    int64_t left_ms = f->reader.until_ns / NS_PER_MS - time_utc_ms();

    loop_timer_start(loop, &f->timer, 0, on_retry);
    /* A time in the past needs no timer: the engine ends the body there. */
    if (f->reader.until_ns && left_ms > 0)
        loop_timer_start(loop, &f->until_timer, (uint64_t)left_ms + UNTIL_GRACE_MS, on_until);
}

int log_follow_start(struct engine *engine,
                     struct channel_set *set,
                     const struct msg_log_stream *start,
                     struct error *err)
{
    struct log_follow *f = xcalloc(1, sizeof(*f));
    int r;

    channel_init(&f->channel, set, start->stream_id);
    f->engine = engine;
    f->container = xstrdup(start->container_id);
    f->tail = start->tail;
    f->has_out = !start->no_out;
    f->has_err = !start->no_err;
    f->has_details = start->has_details;
    f->until_exit = start->until_exit;
    log_outbox_init(&f->box, &f->channel, start->window);
    log_reader_init(&f->reader, &f->box);
    backoff_init(&f->backoff, 500, 15000);
    if (start->position) /* was checked with the message */
        (void)log_position_parse(start->position, &f->reader.position);
    f->is_established = start->position != NULL;
    f->has_unread = true;
    r = set_times(f, start, err);
    if (r < 0) {
        log_follow_free(f);
        return r;
    }
    start_timers(f);
    return 0;
}

void log_follow_free(struct log_follow *f)
{
    if (!f)
        return;
    release(f);
    log_reader_done(&f->reader);
    log_outbox_done(&f->box);
    channel_done(&f->channel);
    free(f->container);
    free(f);
}

void log_follow_ack(struct log_follow *f, int64_t bytes)
{
    f->box.credit += bytes;
    pump(f);
}

void log_follow_stop(struct log_follow *f, const char *reason)
{
    channel_notify(&f->channel, "closed", json_pack("{s:o}", "reason", json_text_str(reason)));
    finish(f);
}
