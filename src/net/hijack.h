#pragma once

/*
 * A hijacked Engine connection (exec, attach): an HTTP request with "Upgrade: tcp" whose answer 101
 * (or 200) turns the connection into a raw byte stream both ways. It has the life cycle of
 * http_call: one `done`, never before hijack_start() has returned, and none after hijack_cancel().
 */

#include "base/error.h"
#include "net/http_client.h"
#include "net/loop.h"

struct hijack;

struct hijack_options {
    const char *address;     /* as http_call_options.address */
    struct tls_trust *trust; /* for https://; NULL: the loop's */
    const char *path;
    const void *body; /* JSON, copied */
    size_t body_size;
    size_t max_queue;            /* most bytes waiting to be written, without the request */
    uint64_t connect_timeout_ms; /* connecting and upgrading; 0: 5 s */
    void (*on_open)(void *owner);
    http_data_fn on_data;
    void (*on_drain)(void *owner); /* optional: all that was queued is written */
    /* The stream ended (code 0, status 101), was refused (status and body), or failed (code). */
    http_done_fn done;
    void *owner;
};

int hijack_start(struct hijack **ret,
                 struct loop *loop,
                 const struct hijack_options *o,
                 struct error *err) _nodiscard_;
void hijack_cancel(struct hijack *h);
DEFINE_CLEANUP(struct hijack *, hijack_cancel);

/*
 * Queues bytes for the peer, before on_open, too. -ENOBUFS with nothing queued when the queue would
 * pass its maximum, -EPIPE after hijack_shutdown_write(), -ENOTCONN when the upgrade was refused.
 */
int hijack_write(struct hijack *h, const void *data, size_t size) _nodiscard_;
/* Ends the peer's input behind the queue. */
int hijack_shutdown_write(struct hijack *h) _nodiscard_;
size_t hijack_queued(const struct hijack *h);
void hijack_pause(struct hijack *h, bool is_paused);
