/*
 * GET /metrics as a stream: each drain of the client writes the next slice (prometheus.h),
 * compressed if the client accepts that.
 */

#include "base/alloc.h"
#include "server/api/handlers.h"
#include "server/api/prometheus.h"
#include "server/common/gzip.h"

#define SLICE ((size_t)64 * 1024) /* some hundred lines, written in about a millisecond */
#define MAX_QUEUE \
    ((size_t)32 << 20) /* a host is written in one go: 5,000 lines with the longest labels */

struct scrape {
    struct http_server *http;
    uint64_t request_id;
    struct exposition exposition;
    bool with_server;
    struct gzip *gzip; /* NULL: plain text */
};

static void scrape_free(struct scrape *s)
{
    exposition_done(&s->exposition);
    gzip_free(s->gzip);
    free(s);
}

/* Returns false when the client has disconnected. */
static bool send_slice(struct scrape *s, const struct buf *text, bool is_last)
{
    struct buf packed = BUF_INIT(SIZE_MAX / 2);
    const struct buf *body = text;
    bool is_sent;

    if (s->gzip) {
        gzip_write(s->gzip, text->data, text->size, is_last, &packed);
        body = &packed;
    }
    is_sent = http_stream_write(s->http, s->request_id, body->data, body->size) == 0;
    buf_done(&packed);
    return is_sent;
}

static void on_drain(void *owner)
{
    struct scrape *s = owner;
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    bool is_more;

    if (s->with_server)
        server_metrics_write(s->exposition.api, &text);
    s->with_server = false;
    is_more = exposition_write(&s->exposition, SLICE, &text);
    if (!send_slice(s, &text, !is_more))
        is_more = false;
    buf_done(&text);
    if (is_more)
        return;
    http_stream_end(s->http, s->request_id);
    scrape_free(s);
}

static void on_gone(void *owner)
{
    scrape_free(owner);
}

void metrics_get(struct api_call *call)
{
    static const struct http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};
    bool is_gzip = call->accepts_gzip;
    const char *headers[] = {"Vary", "Accept-Encoding", is_gzip ? "Content-Encoding" : NULL, "gzip",
                             NULL};
    struct scrape *s = xcalloc(1, sizeof(*s));

    s->gzip = is_gzip ? gzip_new() : NULL;
    s->http = call->api->http;
    s->request_id = call->request_id;
    s->with_server = !scope_is_limited(&call->who.scope);
    exposition_init(&s->exposition, call->api, &call->who.scope);
    if (!api_reply_stream(call, &(struct http_stream){
                                    .status = 200,
                                    .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                    .headers = headers,
                                    .max_queue = MAX_QUEUE,
                                    .handler = &handler,
                                    .owner = s,
                                }))
        scrape_free(s);
}
