#include "agent/logs/fetch.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "docker/log_lines.h"
#include "docker/model/container.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * The engine stores a line over 16 KiB as several entries, and counts each for the tail. The extra
 * entries keep a long oldest line whole.
 */
#define EXTRA_TAIL 128

struct log_fetch {
    struct log_fetch_options options; /* container is borrowed, and not used after start */
    struct engine_call *call;
    char *path;
    struct log_demux demux;
    struct log_lines *lines;
    bool is_broken; /* the body is not a sequence of frames */
    bool is_finished;
};

static void fetch_free(struct log_fetch *f)
{
    engine_call_cancel(f->call);
    log_lines_free(f->lines);
    free(f->path);
    free(f);
}

static void finish(struct log_fetch *f, const struct log_fetch_result *result)
{
    f->is_finished = true;
    f->options.done(f->options.owner, result);
    fetch_free(f);
}

static void finish_error(struct log_fetch *f, int code, int status, const char *message)
{
    finish(f, &(struct log_fetch_result){.code = code, .status = status, .message = message});
}

/*
 * Returns whether a limit of this module cut something off, or the oldest line may lack its start:
 * the tail of the engine began in the middle of the line, because its pieces used up all the
 * entries that were requested.
 */
static bool is_truncated(const struct log_fetch *f, const struct log_lines_result *lines)
{
    bool is_tail_used_up = f->options.tail > 0 &&
                           lines->n_entries >= (size_t)f->options.tail + EXTRA_TAIL;

    if (lines->bytes_dropped)
        return true;
    if (f->options.tail == LOG_FETCH_MAX_LINES)
        return lines->lines_dropped || is_tail_used_up;
    return is_tail_used_up && !lines->lines_dropped;
}

static void finish_lines(struct log_fetch *f)
{
    struct buf text = BUF_INIT(LOG_FETCH_MAX_BYTES + 2);
    struct buf streams = BUF_INIT(LOG_FETCH_MAX_LINES + 1);
    struct log_lines_result lines;
    int r = f->options.wants_streams ? log_lines_streams(f->lines, &streams) : 0;

    if (r == 0)
        r = log_lines_take(f->lines, &text, &lines);
    assert(r == 0); /* log_lines has the same maxima */
    finish(f, &(struct log_fetch_result){
                  .message = "",
                  .logs = {buf_str(&text), text.size},
                  .streams = f->options.wants_streams ? buf_str(&streams) : NULL,
                  .is_truncated = is_truncated(f, &lines),
    });
    buf_done(&text);
    buf_done(&streams);
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct log_fetch *f = owner;

    if (!f->is_broken)
        f->is_broken = log_demux_feed(&f->demux, data, size) < 0;
}

static void on_end(void *owner, const struct engine_reply *reply)
{
    struct log_fetch *f = owner;

    f->call = NULL;
    if (reply->code < 0) {
        finish_error(f, reply->code, reply->status, reply->message);
    } else if (f->is_broken) {
        finish_error(f, -EPROTO, 0, "docker engine sent a log that is no sequence of frames");
    } else {
        finish_lines(f);
    }
}

static void on_inspect(void *owner, const struct engine_reply *reply)
{
    struct log_fetch *f = owner;
    struct checked_text text;
    struct error err = ERROR_INIT;
    int r;

    f->call = NULL;
    if (reply->code < 0) {
        finish_error(f, reply->code, reply->status, reply->message);
        return;
    }
    r = checked_text_init(&text, reply->body, reply->size, &err);
    if (r == 0) {
        log_demux_init(&f->demux, container_inspect_has_tty(checked_text_span(&text)),
                       log_lines_add, f->lines);
        checked_text_done(&text);
        r = engine_call_start(&f->call, f->options.engine,
                              &(struct engine_request){.path = f->path,
                                                       .timeout_ms = f->options.timeout_ms,
                                                       .on_data = on_data,
                                                       .done = on_end,
                                                       .owner = f},
                              &err);
    }
    if (r < 0)
        finish_error(f, r, 0, err.msg);
}

int log_time_parse(const char *key, const char *value, char ret[LOG_TIME_SIZE], struct error *err)
{
    int64_t ns;

    if (strspn(value, "0123456789.") == strlen(value) && value[0] != '.' && strlen(value) < 32) {
        str_copy(ret, LOG_TIME_SIZE, value);
        return 0;
    }
    if (time_parse_ns(value, &ns) < 0 || ns < 0) {
        return error_set(err, -EINVAL, "%s: \"%s\" is neither RFC 3339 nor unix seconds", key,
                         value);
    }
    (void)snprintf(ret, LOG_TIME_SIZE, "%lld.%09lld", (long long)(ns / NS_PER_S),
                   (long long)(ns % NS_PER_S));
    return 0;
}

static int append_time(struct buf *b, const char *key, const char *value, struct error *err)
{
    char text[LOG_TIME_SIZE];
    int r;

    if (str_is_empty(value))
        return 0;
    r = log_time_parse(key, value, text, err);
    if (r < 0)
        return r;
    r = buf_printf(b, "&%s=%s", key, text);
    return r < 0 ? error_set(err, r, "%s is too long", key) : 0;
}

static int build_path(const struct log_fetch_options *o, char **ret, struct error *err)
{
    struct buf b = BUF_INIT(1024);
    int r;

    r = buf_printf(&b, "/containers/%s/logs?stdout=1&stderr=1&timestamps=1%s&tail=", o->container,
                   o->has_details ? "&details=1" : "");
    if (r == 0 && o->tail == LOG_FETCH_MAX_LINES && !str_is_empty(o->until)) {
        r = buf_append_str(&b, "all"); /* the engine applies the tail before `until` */
    } else if (r == 0) {
        r = buf_printf(&b, "%lld", (long long)(o->tail ? o->tail + EXTRA_TAIL : 0));
    }
    if (r == 0)
        r = append_time(&b, "since", o->since, err);
    if (r == 0)
        r = append_time(&b, "until", o->until, err);
    if (r == 0)
        *ret = buf_take(&b);
    buf_done(&b);
    return r;
}

int log_fetch_start(struct log_fetch **ret, const struct log_fetch_options *o, struct error *err)
{
    struct log_fetch *f = xcalloc(1, sizeof(*f));
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", o->container);
    int r;

    assert(o->tail >= 0 && o->tail <= LOG_FETCH_MAX_LINES);
    f->options = *o;
    r = build_path(o, &f->path, err);
    if (r == 0) {
        f->lines = log_lines_new(&(struct log_lines_options){.max_lines = (size_t)o->tail,
                                                             .max_bytes = LOG_FETCH_MAX_BYTES});
        r = engine_call_start(
            &f->call, o->engine,
            &(struct engine_request){
                .path = path, .timeout_ms = o->timeout_ms, .done = on_inspect, .owner = f},
            err);
    }
    if (r < 0) {
        fetch_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void log_fetch_cancel(struct log_fetch *f)
{
    if (f && !f->is_finished)
        fetch_free(f);
}
