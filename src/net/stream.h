#pragma once

/*
 * A byte stream over a unix socket, TCP or TLS, which it dials, with a bounded send queue and back-pressure.
 * It has no deadlines: whoever owns it has. Handlers never run from inside a stream function; freeing
 * the stream inside a handler is harmless. Nothing is called after on_end.
 *
 *     RESOLVING -> CONNECTING -> HANDSHAKING -> OPEN -> ENDED
 */

#include "net/address.h"
#include "net/loop.h"
#include <stddef.h>

struct stream;
struct tls_trust;

struct stream_handler {
    /* not called when stream_is_open() is true right after stream_open() */
    void (*on_open)(void *owner);
    void (*on_data)(void *owner, const char *data, size_t size);
    void (*on_drain)(void *owner); /* optional: all that stream_write() had to keep is written */
    /* `code` 0: the peer has sent its last byte. Otherwise why it broke or could not be opened. */
    void (*on_end)(void *owner, int code, const char *message);
};

struct stream_options {
    struct loop *loop;
    const struct address *address; /* copied */
    bool is_insecure;              /* accept any certificate */
    struct tls_trust *trust;       /* NULL: the loop's */
    size_t max_queue;              /* most bytes waiting to be sent */
    const struct stream_handler *handler;
    void *owner;
};

struct stream *stream_open(const struct stream_options *o)
    _nodiscard_; /* what fails, fails in on_end */
void stream_free(struct stream *s);
DEFINE_CLEANUP(struct stream *, stream_free);

/* Allowed from the start; -ENOBUFS with nothing queued when the queue would pass its maximum, -EPIPE after
 * stream_shutdown(). What a peer that no longer reads does not take is dropped silently: its last words are
 * worth more. */
int stream_write(struct stream *s, const void *data, size_t size) _nodiscard_;
int stream_shutdown(struct stream *s) _nodiscard_;   /* end of output once the queue is written */
void stream_pause(struct stream *s, bool is_paused); /* nothing is read while paused */
bool stream_is_open(const struct stream *s);
size_t stream_queued(const struct stream *s);
int stream_fd(const struct stream *s); /* for questions about the socket; -1 without one */
