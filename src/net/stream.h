#pragma once

/*
 * A byte stream over a unix socket, TCP or TLS, which it dials: with a bounded send queue, and
 * back-pressure by stream_pause(). It is below HTTP calls, hijacked connections and WebSockets that
 * dial; accepted connections are socks (sock.h). Both stand on net/wire.h.
 *
 *     RESOLVING -> CONNECTING -> HANDSHAKING -> OPEN -> ENDED -> FREED      states may be skipped
 *                      |            | ^
 *                      |            v |
 *                      +-------> TUNNELLING
 *
 * RESOLVING     a name is looked up in a thread (resolve.h); not for numeric addresses and unix
 *               sockets
 * CONNECTING    connect() to one address after the other; each but the last has 2 s. A unix
 *               listener whose backlog is full is tried again after 20 ms
 * HANDSHAKING   TLS; skipped for plain addresses. Through an https:// proxy first with that, then
 *               inside with the server
 * TUNNELLING    connected with a proxy, which is asked to connect (tunnel.h). Until then the proxy's
 *               address is resolved and dialled in place of the server's, whose name it resolves
 * OPEN          bytes go both ways. stream_write() is allowed before: the queue waits for it
 * ENDED         the peer has ended, the connection broke or never came; the descriptor is closed.
 *               on_end follows or has run, and nothing is called after it
 * FREED         by stream_free(); the memory goes with the last entry (base/reentry.h)
 *
 * The output ends apart from the input: stream_shutdown() closes it behind what is queued (ENDING,
 * then ENDED), and a peer that takes nothing more breaks it (BROKEN) without ending the stream,
 * because its last bytes are still to be read. Later writes are dropped then.
 *
 * Handlers are never called from inside a function of the stream: failures are reported from the
 * loop. So on_open is not called at all when the stream is open as soon as stream_open() returns.
 * The owner frees the stream, before or after on_end, inside handlers too. A stream has no
 * deadlines: the owner has them.
 */

#include "net/address.h"
#include "net/loop.h"
#include <stddef.h>

struct proxy;
struct stream;
struct tls_trust;

struct stream_handler {
    void (*on_open)(void *owner); /* unless stream_is_open() was true after stream_open() */
    void (*on_data)(void *owner, const char *data, size_t size);
    void (*on_drain)(void *owner); /* optional: all that stream_write() had to keep is written */
    /* `code` 0: the peer has sent its last byte. Otherwise why it broke or could not be opened. */
    void (*on_end)(void *owner, int code, const char *message);
};

struct stream_options {
    struct loop *loop;
    const struct address *address; /* copied */
    struct proxy *proxy;           /* NULL: none; its content is taken */
    bool is_insecure;              /* accept any certificate */
    struct tls_trust *trust;       /* NULL: the loop's */
    size_t max_queue;              /* most bytes waiting to be sent */
    const struct stream_handler *handler;
    void *owner;
};

/* Never fails: a failure is reported by on_end. */
struct stream *stream_open(const struct stream_options *o) _nodiscard_;
void stream_free(struct stream *s);
DEFINE_CLEANUP(struct stream *, stream_free);

/*
 * -ENOBUFS with nothing queued when the queue would pass its maximum, -EPIPE after
 * stream_shutdown().
 */
int stream_write(struct stream *s, const void *data, size_t size) _nodiscard_;
int stream_shutdown(struct stream *s) _nodiscard_;   /* end of output once the queue is written */
void stream_pause(struct stream *s, bool is_paused); /* nothing is read while paused */
bool stream_is_open(const struct stream *s);
/*
 * Writes what the stream waits for to `text`: "connect host:80", "connect through proxy p:3128 to
 * host:80", for the message of a deadline.
 */
void stream_explain_wait(const struct stream *s, char *text, size_t size);
size_t stream_queued(const struct stream *s);
int stream_fd(const struct stream *s); /* for questions about the socket; -1 without one */
