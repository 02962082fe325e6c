#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/auth/watch.h"
#include "server/logs/cursor.h"
#include "server/logs/line_json.h"
#include "server/logs/sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * GET .../logs?follow=true: the viewer of one source over HTTP. The log is sent as it grows, one
 * JSON object per line, or as server-sent events. The answer begins when the source has started, so
 * that a refusal still has its own status.
 */

#define MAX_QUEUE   ((size_t)4 << 20) /* one window of log lines, as JSON */
#define LOW_QUEUE   ((size_t)64 * 1024)
#define BEAT_MS     15000 /* keeps the connection open in proxies, and detects a broken one */
#define MAX_VIEWERS 500

struct log_viewer {
    struct http_server *http;
    uint64_t request_id;
    struct api_call *call; /* NULL once the response has begun */
    struct api *api;
    struct identity who;
    struct auth_watch *watch;
    struct log_source *source;
    struct loop_timer timer;
    bool is_sse;
    size_t n_given; /* lines to acknowledge once the client has read them */
    char container_id[CONTAINER_ID_SIZE];
    struct log_position position;
};

static void viewer_free(struct log_viewer *v)
{
    v->api->n_log_viewers--;
    loop_timer_stop(&v->timer);
    auth_watch_cancel(v->watch);
    log_source_free(v->source);
    free(v);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_text(const struct log_viewer *v, const char *text, size_t size)
{
    if (http_stream_write(v->http, v->request_id, text, size) < 0) {
        log_debug(NULL,
                  "could not send a log line"); /* the client has disconnected; on_gone() follows */
    }
}

/* Writes one object and takes ownership of it. `event` is its name as a server-sent event. */
static void write_object(const struct log_viewer *v, const char *event, json_t *o)
{
    struct buf b = BUF_INIT(MAX_QUEUE);
    char cursor[LOG_CURSOR_SIZE];
    size_t size;
    _cleanup_free_ char *text = json_text_write(o, &size);
    int r = 0;

    json_decref(o);
    if (v->is_sse) {
        r = buf_printf(&b, "event: %s\nid: %s\ndata: ", event,
                       log_cursor_format(v->container_id, &v->position, cursor));
    }
    if (r == 0)
        r = buf_append(&b, text, size);
    if (r == 0)
        r = buf_append_str(&b, v->is_sse ? "\n\n" : "\n");
    if (r == 0)
        write_text(v, b.data, b.size);
    buf_done(&b);
}

static void on_beat(struct loop_timer *t)
{
    struct log_viewer *v = CONTAINER_OF(t, struct log_viewer, timer);

    write_text(v, v->is_sse ? ":\n\n" : "\n", v->is_sse ? 3 : 1);
    loop_timer_start(t->loop, t, BEAT_MS, on_beat);
}

static void ack(struct log_viewer *v)
{
    size_t n = v->n_given;

    v->n_given = 0;
    if (n > 0)
        log_source_ack(v->source, n);
}

static void on_drain(void *owner)
{
    ack(owner);
}

static void on_gone(void *owner)
{
    viewer_free(owner);
}

/* --- from the log ----------------------------------------------------------------------------- */

static void follow_container(struct log_viewer *v)
{
    const char *id = log_source_container_id(v->source);

    if (str_eq(v->container_id, id))
        return;
    str_copy(v->container_id, sizeof(v->container_id), id);
    v->position = (struct log_position){0};
}

/* The client disconnected before the response began: on_gone() is never called. */
static void on_never_begun(struct loop_timer *t)
{
    viewer_free(CONTAINER_OF(t, struct log_viewer, timer));
}

static void on_started(void *owner)
{
    static const struct http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};
    static const char *const headers[] = {"X-Accel-Buffering", "no", NULL};
    struct log_viewer *v = owner;
    const struct http_stream stream = {
        .status = 200,
        .content_type = v->is_sse ? "text/event-stream" : "application/x-ndjson",
        .headers = headers,
        .max_queue = MAX_QUEUE,
        .handler = &handler,
        .owner = v,
    };
    _cleanup_free_ char *target = log_source_target(v->source);
    bool is_there;

    follow_container(v);
    log_read_audit_add(log_sources_audit(v->api->o.log_sources), v->who.name, v->call->peer,
                       target);
    is_there = api_reply_stream(TAKE_PTR(v->call), &stream);
    loop_timer_start(v->api->o.loop, &v->timer, 0, is_there ? on_beat : on_never_begun);
}

static void on_line(void *owner, const struct log_source_line *line)
{
    struct log_viewer *v = owner;
    json_t *o;

    log_position_add(&v->position, line->line.kind, line->line.time_ns);
    o = json_pack("{s:o, s:o, s:o}", "timestamp", log_line_time_json(line->line.time_ns), "stream",
                  log_line_stream_json(line->line.kind), "log",
                  json_text_string(line->line.text, line->line.size));
    if (line->line.is_partial)
        json_text_set(o, "partial", json_true());
    write_object(v, "log", o);
    v->n_given += line->cost;
}

static void on_batch(void *owner)
{
    struct log_viewer *v = owner;

    if (http_stream_queued(v->http, v->request_id) < LOW_QUEUE)
        ack(v);
}

static void on_mark(void *owner, const char *event, const char *message)
{
    struct log_viewer *v = owner;

    if (v->call)
        return; /* the response has not begun */
    follow_container(v);
    write_object(v, "mark",
                 json_pack("{s:o, s:o, s:s}", "event", json_text_str(event), "message",
                           json_text_str(message), "container_id", v->container_id));
}

static void on_end(void *owner, const struct log_source_end *end)
{
    struct log_viewer *v = owner;
    struct api_call *call = TAKE_PTR(v->call);

    if (call) {
        api_fail_code(call, end->code ? end->code : CODE_NOT_FOUND, "%s",
                      end->message[0] ? end->message : "There is nothing to follow");
    } else {
        write_object(v, "end",
                     json_pack("{s:s, s:o, s:o}", "event", "ended", "reason",
                               json_text_str(end->reason), "message", json_text_str(end->message)));
        http_stream_end(v->http, v->request_id);
    }
    viewer_free(v);
}

static void on_rights_ended(void *owner, const char *why)
{
    struct log_viewer *v = owner;

    auth_watch_cancel(TAKE_PTR(v->watch));
    on_end(v, &(struct log_source_end){CODE_PERMISSION_DENIED, "error", why});
}

/* --- the request ------------------------------------------------------------------------------ */

static int read_times(const struct api_call *call,
                      char *ret_since,
                      char *ret_until,
                      struct error *err)
{
    int64_t since_ms = 0, until_ms = 0;
    int r = api_query_time(call, "since", &since_ms, err);

    if (r == 0)
        r = api_query_time(call, "until", &until_ms, err);
    if (r < 0)
        return r;
    if (since_ms)
        (void)time_format_ms(since_ms, ret_since);
    if (until_ms)
        (void)time_format_ms(until_ms, ret_until);
    return 0;
}

static void start(struct log_viewer *v, const struct log_source_options *o)
{
    struct api_call *call = v->call;
    const struct auth_proof proof = credentials_proof(call->credentials);
    struct error err = ERROR_INIT;

    if (log_source_new(&v->source, v->api->o.log_sources, o, &err) < 0) {
        v->call = NULL;
        viewer_free(v);
        api_fail(call, -EDOM, "%s", err.msg);
        return;
    }
    v->watch = auth_watch_start(v->api->o.auth, &proof, &v->who, on_rights_ended, v);
}

void container_logs_follow(struct api_call *call, uint64_t tail)
{
    static const struct log_source_handler handler = {on_started, on_line, on_batch, on_mark,
                                                      on_end};
    char since[TIME_TEXT_SIZE] = "", until[TIME_TEXT_SIZE] = "";
    _cleanup_free_ char *cursor = api_query(call, "cursor");
    const char *from = str_is_empty(cursor) ? call->last_event_id : cursor;
    struct error err = ERROR_INIT;
    struct api_target target;
    struct log_viewer *v;
    bool has_out = true, has_err = true, has_details = false, until_exit = false;

    if (api_query_bool(call, "stdout", true, &has_out, &err) < 0 ||
        api_query_bool(call, "stderr", true, &has_err, &err) < 0 ||
        api_query_bool(call, "details", false, &has_details, &err) < 0 ||
        api_query_bool(call, "until_exit", false, &until_exit, &err) < 0 ||
        read_times(call, since, until, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (!api_target_find(call, &target))
        return;
    if (call->api->n_log_viewers >= MAX_VIEWERS) {
        api_fail(call, -ENOBUFS, "Too many logs are being followed, try again later");
        return;
    }
    v = xcalloc(1, sizeof(*v));
    v->http = call->api->http;
    v->request_id = call->request_id;
    v->call = call;
    v->api = call->api;
    v->who = call->who;
    v->is_sse = call->accepts_events;
    v->api->n_log_viewers++;
    if (!str_is_empty(from)) {
        (void)log_cursor_parse(from, v->container_id,
                               &v->position); /* start() rejects an invalid one */
    }
    start(v, &(struct log_source_options){
                 .host_id = target.host->row.id,
                 .container = target.container ? target.container->name : target.ref,
                 .tail = (int64_t)tail,
                 .since = since,
                 .until = until,
                 .no_out = !has_out,
                 .no_err = !has_err,
                 .has_details = has_details,
                 .until_exit = until_exit,
                 .cursor = from,
                 .scope = &v->who.scope,
                 .handler = &handler,
                 .owner = v,
             });
}
