#pragma once

/*
 * HTTP/1.1 client requests, one connection each ("Connection: close"). A request is an http_call:
 * it owns its connection and buffers, has a deadline, and ends with exactly one call of `done`,
 * never before http_call_start() has returned. `done` ends the life of the call: the owner drops
 * its pointer there. After http_call_cancel() `done` never runs; to cancel inside `done` or
 * `on_data` is harmless.
 */

#include "base/error.h"
#include "net/http_result.h"
#include "net/loop.h"
#include <stddef.h>
#include <stdint.h>

struct http_call;
struct proxy_settings;

struct http_header {
    const char *name; /* without colon */
    const char *value;
};

/*
 * Streaming mode: pieces of the body as they come, HTTP framing removed. Not called for answers
 * other than 2xx: their body is buffered (up to max_body) and handed to `done`.
 */
typedef void (*http_data_fn)(void *owner, const void *data, size_t size);

struct http_call_options {
    /* "unix:///path", "tcp://host:port", "http://host:port", "https://host:port" */
    const char *address;
    const char *method;
    const char *path; /* with query; must be printable ASCII without spaces, else -EINVAL */
    const struct http_header *headers;
    size_t n_headers;
    const void *body; /* copied; NULL for none */
    size_t body_size;
    const char *content_type; /* of the body; NULL: application/json */
    size_t max_upload; /* not 0: an upload, and most bytes of its body that wait to be sent */
    void (*on_drain)(void *owner); /* uploads, optional: all that was written is sent */
    const char *wanted;            /* the name of one more response header; a literal, or NULL */
    size_t max_body;               /* most bytes kept of a response body */
    uint64_t connect_timeout_ms;   /* 0: 5 s */
    /*
     * Whole call, 0: 30 s. Streaming: longest silence, 0 for none. Upload: how long the peer may
     * leave the queue unread or the complete body unanswered, or pause in its answer.
     */
    uint64_t timeout_ms;
    const struct proxy_settings *proxies; /* NULL: dial directly, see proxy.h */
    bool is_insecure;                     /* accept any TLS certificate */
    struct tls_trust *trust;              /* NULL: the loop's */
    http_data_fn on_data;                 /* set: streaming mode */
    /* Streaming mode, optional: the head of a 2xx answer has come. */
    void (*on_open)(void *owner);
    http_done_fn done;
    void *owner;
};

int http_call_start(struct http_call **ret,
                    struct loop *loop,
                    const struct http_call_options *o,
                    struct error *err) _nodiscard_;
void http_call_cancel(struct http_call *call);
DEFINE_CLEANUP(struct http_call *, http_call_cancel);

/*
 * Back-pressure of a stream: nothing is read from the socket while paused, and the silence is not
 * counted. Bytes that have been read already, at most 64 KiB, may still come.
 */
void http_call_pause(struct http_call *call, bool is_paused);

/*
 * Uploads: the body is written in pieces (chunked) while the call runs. -ENOBUFS with nothing
 * queued when that passes max_upload, -EPIPE after http_call_end_upload(), -ENOTCONN once the peer
 * has begun to answer. Bytes are sent behind the head, also when the call is still connecting.
 */
int http_call_write(struct http_call *call, const void *data, size_t size) _nodiscard_;
int http_call_end_upload(struct http_call *call) _nodiscard_;
size_t http_call_queued(const struct http_call *call);
