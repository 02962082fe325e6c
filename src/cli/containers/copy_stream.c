#include "cli/containers/copy_stream.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/text.h"
#include "net/ws.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define MAX_MESSAGE ((size_t)1 << 20)
#define MAX_QUEUE   ((size_t)1 << 20)
#define HIGH_QUEUE  ((size_t)256 * 1024)
#define PIECE_SIZE  ((size_t)32 * 1024) /* the server takes at most 64 KiB */
#define MAX_PENDING ((size_t)8 << 20)   /* one turn of the loop brings much less */
/* Bits of Go's os.FileMode. */
#define GO_MODE_DIR  (INT64_C(1) << 31)
#define GO_MODE_LINK (INT64_C(1) << 27)

struct copy_stream {
    const struct client *client;
    struct loop *loop;
    struct ws *ws; /* NULL: closed */
    bool is_started;
    char *stat;         /* of the started message */
    struct buf pending; /* has come, and is not read yet */
    struct buf current; /* the caller is reading it */
    struct loop_io input;
    bool is_readable;
    bool is_complete; /* closed after all was copied */
    char *problem;    /* closed for another reason */
};

/* --- the connection --------------------------------------------------------------------------- */

static void on_open(void *owner)
{
    (void)owner;
}

static void on_text(struct copy_stream *s, const char *data, size_t size)
{
    json_auto_t *message = json_loadb(data, size, 0, NULL);

    if (!str_eq(member_text(message, "type"), "started"))
        return;
    s->is_started = true;
    free(s->stat);
    s->stat = xstrdup(member_text(message, "stat"));
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct copy_stream *s = owner;

    if (!is_binary) {
        on_text(s, data, size);
    } else if (buf_append(&s->pending, data, size) < 0) {
        ws_close(s->ws, WS_CLOSE_TOO_BIG, "more than was asked for");
    }
    loop_stop(s->loop);
}

static void on_drain(void *owner)
{
    loop_stop(((struct copy_stream *)owner)->loop);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct copy_stream *s = owner;

    s->ws = NULL;
    s->is_complete = s->is_started && why->error == 0 && why->code == WS_CLOSE_NORMAL;
    if (!s->is_complete)
        s->problem = client_explain_close(s->client, why);
    loop_stop(s->loop);
}

static const struct ws_handler handler = {
    .on_open = on_open,
    .on_message = on_message,
    .on_drain = on_drain,
    .on_close = on_close,
};

/* A connection that takes nothing more is closing, and the reason is about to come. */
static int fail(struct copy_stream *s, struct error *err)
{
    while (s->ws)
        loop_run(s->loop);
    return error_set(err, -ECONNRESET, "%s",
                     s->problem ? s->problem : "the copy has ended before it was complete");
}

static char *make_path(const struct copy_request *q)
{
    _cleanup_free_ char *host = text_url_encode(member_text(q->container, "host_id"));
    _cleanup_free_ char *path = text_url_encode(q->path);

    return xasprintf("/ws/copy/%s/%s?action=%s&path=%s%s", host, member_full_id(q->container),
                     q->action, path, q->keeps_owner ? "&keep_owner=1" : "");
}

int copy_stream_open(struct copy_stream **ret,
                     struct client *c,
                     const struct copy_request *request,
                     struct error *err)
{
    _cleanup_(copy_stream_freep) struct copy_stream *s = xcalloc(1, sizeof(*s));
    _cleanup_free_ char *path = make_path(request);
    int r;

    s->client = c;
    s->loop = client_loop(c);
    buf_init(&s->pending, MAX_PENDING);
    buf_init(&s->current, MAX_PENDING);
    r = client_dial(c, path,
                    &(struct ws_dial){
                        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
                        .handler = &handler,
                        .owner = s
    },
                    &s->ws, err);
    if (r < 0)
        return r;
    while (s->ws && !s->is_started)
        loop_run(s->loop);
    if (!s->is_started)
        return fail(s, err);
    *ret = TAKE_PTR(s);
    return 0;
}

void copy_stream_free(struct copy_stream *s)
{
    if (!s)
        return;
    loop_io_stop(&s->input);
    ws_free(TAKE_PTR(s->ws));
    buf_done(&s->pending);
    buf_done(&s->current);
    free(s->stat);
    free(s->problem);
    free(s);
}

/* --- bytes ------------------------------------------------------------------------------------ */

int copy_stream_read(struct copy_stream *s, const void **ret, size_t *ret_size, struct error *err)
{
    struct buf taken;

    while (s->pending.size == 0 && s->ws)
        loop_run(s->loop);
    if (s->pending.size == 0 && !s->is_complete)
        return fail(s, err);
    taken = s->current;
    s->current = s->pending;
    s->pending = taken;
    buf_clear(&s->pending);
    *ret = s->current.data;
    *ret_size = s->current.size;
    return 0;
}

int copy_stream_write(struct copy_stream *s, const void *data, size_t size, struct error *err)
{
    const char *at = data;

    while (size > 0) {
        size_t n = size < PIECE_SIZE ? size : PIECE_SIZE;

        if (!s->ws || ws_send_binary(s->ws, at, n) < 0)
            return fail(s, err);
        at += n;
        size -= n;
        while (s->ws && ws_queued(s->ws) > HIGH_QUEUE)
            loop_run(s->loop);
    }
    return 0;
}

static void on_readable(struct loop_io *io, uint32_t events)
{
    struct copy_stream *s = CONTAINER_OF(io, struct copy_stream, input);

    (void)events;
    s->is_readable = true;
    loop_io_stop(io);
    loop_stop(s->loop);
}

int copy_stream_wait_input(struct copy_stream *s, int fd, struct error *err)
{
    s->is_readable = loop_io_start(s->loop, &s->input, fd, EPOLLIN, on_readable) < 0;
    while (s->ws && !s->is_readable)
        loop_run(s->loop);
    loop_io_stop(&s->input);
    return s->ws ? 0 : fail(s, err);
}

int copy_stream_finish(struct copy_stream *s, struct error *err)
{
    static const char eof[] = "{\"type\":\"eof\"}";

    if (!s->ws || ws_send_text(s->ws, eof, strlen(eof)) < 0)
        return fail(s, err);
    while (s->ws)
        loop_run(s->loop);
    return s->is_complete ? 0 : fail(s, err);
}

/* --- stat ------------------------------------------------------------------------------------- */

void copy_stat_done(struct copy_stat *stat)
{
    free(TAKE_PTR(stat->target));
}

/* The engine's description is base64 of a JSON object. */
static int parse_stat(const char *text, struct copy_stat *ret, struct error *err)
{
    size_t size = strlen(text), n = 0;
    _cleanup_free_ unsigned char *json = xmalloc(BASE64_DECODED_MAX(size) + 1);
    json_auto_t *v = NULL;
    int64_t mode;

    *ret = (struct copy_stat){0};
    if (size == 0)
        return 0;
    if (base64_decode(text, size, json, &n) == 0)
        v = json_loadb((const char *)json, n, 0, NULL);
    if (!json_is_integer(json_object_get(v, "mode")))
        return error_set(err, -EPROTO, "the engine's description of the path cannot be read");
    mode = member_integer(v, "mode");
    ret->exists = true;
    ret->is_dir = mode & GO_MODE_DIR;
    ret->is_link = mode & GO_MODE_LINK;
    if (ret->is_link)
        ret->target = xstrdup(member_text(v, "linkTarget"));
    return 0;
}

int copy_stat_fetch(struct client *c,
                    const json_t *container,
                    const char *path,
                    struct copy_stat *ret,
                    struct error *err)
{
    _cleanup_(copy_stream_freep) struct copy_stream *s = NULL;
    int r = copy_stream_open(
        &s, c, &(struct copy_request){.container = container, .action = "stat", .path = path}, err);

    if (r < 0)
        return r;
    assert(s);
    while (s->ws)
        loop_run(s->loop);
    return s->is_complete ? parse_stat(s->stat, ret, err) : fail(s, err);
}
