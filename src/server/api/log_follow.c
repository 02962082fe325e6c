#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/auth/watch.h"
#include "server/logs/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * GET .../logs?follow=true: one container's log as it grows, a JSON object a line, or as server-sent events. The
 * answer begins when the agent has begun, so that a refusal still has a status of its own.
 */

#define MAX_QUEUE  ((size_t)4 << 20) /* one window, in JSON */
#define LOW_QUEUE  ((size_t)64 * 1024)
#define BEAT_MS    15000 /* so that a proxy keeps the connection, and a broken one shows */
#define MAX_FOLLOW 500

struct follower {
    struct http_server *http;
    uint64_t request_id;
    struct api_call *call; /* NULL: answered, the stream is open */
    struct api *api;
    struct identity who;
    struct auth_watch *watch;
    struct log_source *source;
    struct loop_timer timer;
    bool is_sse;
    size_t n_given; /* to be acknowledged when the client has taken it */
    char container_id[CONTAINER_ID_SIZE];
    struct log_position position;
};

static void follower_free(struct follower *f)
{
    f->api->n_followers--;
    loop_timer_stop(&f->timer);
    auth_watch_cancel(f->watch);
    log_source_free(f->source);
    free(f);
}

/* --- writing ------------------------------------------------------------------------------------ */

static void write_text(const struct follower *f, const char *text, size_t size)
{
    if (http_stream_write(f->http, f->request_id, text, size) < 0)
        log_debug(NULL, "a log line was not taken"); /* gone: on_gone comes; full: cannot be */
}

/* One object; events have a name of their own. */
static void write_object(const struct follower *f, const char *event, json_t *o)
{
    struct buf b = BUF_INIT(MAX_QUEUE);
    char cursor[LOG_CURSOR_SIZE];
    size_t size;
    _cleanup_free_ char *text = json_text_write(o, &size);
    int r = 0;

    json_decref(o);
    if (f->is_sse) {
        r = buf_printf(&b, "event: %s\nid: %s\ndata: ", event,
                       log_cursor_format(f->container_id, &f->position, cursor));
    }
    if (r == 0)
        r = buf_append(&b, text, size);
    if (r == 0)
        r = buf_append_str(&b, f->is_sse ? "\n\n" : "\n");
    if (r == 0)
        write_text(f, b.data, b.size);
    buf_done(&b);
}

static void on_beat(struct loop_timer *t)
{
    struct follower *f = CONTAINER_OF(t, struct follower, timer);

    write_text(f, f->is_sse ? ":\n\n" : "\n", f->is_sse ? 3 : 1);
    loop_timer_start(t->loop, t, BEAT_MS, on_beat);
}

static void ack(struct follower *f)
{
    size_t n = f->n_given;

    f->n_given = 0;
    if (n > 0)
        log_source_ack(f->source, n);
}

static void on_drain(void *owner)
{
    ack(owner);
}

static void on_gone(void *owner)
{
    follower_free(owner);
}

/* --- from the log ------------------------------------------------------------------------------- */

static void follow_container(struct follower *f)
{
    const char *id = log_source_container_id(f->source);

    if (str_eq(f->container_id, id))
        return;
    str_copy(f->container_id, sizeof(f->container_id), id);
    f->position = (struct log_position){0};
}

/* The client left before the answer had begun, so that no on_gone() will come. */
static void on_never_begun(struct loop_timer *t)
{
    follower_free(CONTAINER_OF(t, struct follower, timer));
}

static void on_started(void *owner)
{
    static const struct http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};
    static const char *const headers[] = {"X-Accel-Buffering", "no", NULL};
    struct follower *f = owner;
    const struct http_stream stream = {
        .status = 200,
        .content_type = f->is_sse ? "text/event-stream" : "application/x-ndjson",
        .headers = headers,
        .max_queue = MAX_QUEUE,
        .handler = &handler,
        .owner = f,
    };
    _cleanup_free_ char *target = log_source_target(f->source);
    bool is_there;

    follow_container(f);
    log_readings_add(log_sources_readings(f->api->o.log_sources), f->who.name, f->call->peer,
                     target);
    is_there = api_reply_stream(TAKE_PTR(f->call), &stream);
    loop_timer_start(f->api->o.loop, &f->timer, 0, is_there ? on_beat : on_never_begun);
}

static void on_line(void *owner, const struct log_source_line *line)
{
    struct follower *f = owner;
    char at[TIME_TEXT_SIZE];
    json_t *o;

    log_position_add(&f->position, line->line.kind, line->line.time_ns);
    o = json_pack("{s:s, s:s, s:o}", "timestamp", time_format_ns(line->line.time_ns, at), "stream",
                  line->line.kind == LOG_KIND_STDERR ? "stderr" : "stdout", "log",
                  json_text_string(line->line.text, line->line.size));
    if (line->line.is_partial)
        json_text_set(o, "partial", json_true());
    write_object(f, "log", o);
    f->n_given += line->cost;
}

static void on_batch(void *owner)
{
    struct follower *f = owner;

    if (http_stream_queued(f->http, f->request_id) < LOW_QUEUE)
        ack(f);
}

static void on_mark(void *owner, const char *event, const char *message)
{
    struct follower *f = owner;

    if (f->call)
        return; /* it has not begun */
    follow_container(f);
    write_object(f, "mark",
                 json_pack("{s:s, s:o, s:s}", "event", event, "message", json_text_str(message),
                           "container_id", f->container_id));
}

static void on_end(void *owner, const struct log_source_end *end)
{
    struct follower *f = owner;
    struct api_call *call = TAKE_PTR(f->call);

    if (call) {
        api_fail_code(call, end->code ? end->code : CODE_NOT_FOUND, "%s",
                      end->message[0] ? end->message : "There is nothing to follow");
    } else {
        write_object(f, "end",
                     json_pack("{s:s, s:s, s:o}", "event", "ended", "reason", end->reason,
                               "message", json_text_str(end->message)));
        http_stream_end(f->http, f->request_id);
    }
    follower_free(f);
}

static void on_rights_ended(void *owner, const char *why)
{
    struct follower *f = owner;

    auth_watch_cancel(TAKE_PTR(f->watch));
    on_end(f, &(struct log_source_end){CODE_PERMISSION_DENIED, "error", why});
}

/* --- the request -------------------------------------------------------------------------------- */

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

static void start(struct follower *f, const struct log_source_options *o)
{
    struct api_call *call = f->call;
    const struct auth_proof proof = credentials_proof(call->credentials);
    struct error err = ERROR_INIT;

    if (log_source_new(&f->source, f->api->o.log_sources, o, &err) < 0) {
        f->call = NULL;
        follower_free(f);
        api_fail(call, -EDOM, "%s", err.msg);
        return;
    }
    f->watch = auth_watch_start(f->api->o.auth, &proof, &f->who, on_rights_ended, f);
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
    struct follower *f;
    bool has_out = true, has_err = true;

    if (api_query_bool(call, "stdout", true, &has_out, &err) < 0 ||
        api_query_bool(call, "stderr", true, &has_err, &err) < 0 ||
        read_times(call, since, until, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (!api_target_find(call, &target))
        return;
    if (call->api->n_followers >= MAX_FOLLOW) {
        api_fail(call, -ENOBUFS, "Too many logs are followed, try again later");
        return;
    }
    f = xcalloc(1, sizeof(*f));
    f->http = call->api->http;
    f->request_id = call->request_id;
    f->call = call;
    f->api = call->api;
    f->who = call->who;
    f->is_sse = call->accepts_events;
    f->api->n_followers++;
    if (!str_is_empty(from))
        (void)log_cursor_parse(from, f->container_id, &f->position); /* else refused by start() */
    start(f, &(struct log_source_options){
                 .host_id = target.host->row.id,
                 .container = target.container ? target.container->name : target.ref,
                 .tail = (int64_t)tail,
                 .since = since,
                 .until = until,
                 .no_out = !has_out,
                 .no_err = !has_err,
                 .cursor = from,
                 .scope = &f->who.scope,
                 .handler = &handler,
                 .owner = f,
             });
}
