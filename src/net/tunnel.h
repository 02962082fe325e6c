#pragma once

/*
 * A tunnel through a proxy: sends CONNECT and reads the answer, on a wire that is connected with the
 * proxy. A member of the stream that dials (stream.h), for net/ only; the deadline is the stream's
 * owner's.
 *
 * The answer has at most HTTP_HEAD_MAX bytes. Bytes behind it are refused, because none can belong
 * to the tunnel: in TLS and in HTTP the client begins.
 */

#include "net/proxy.h"
#include "net/wire.h"

struct tunnel;

/* Takes what `proxy` holds. `agent`: User-Agent of the request, or NULL. */
struct tunnel *tunnel_new(struct proxy *proxy, const struct address *to, const char *agent)
    _nodiscard_;
void tunnel_free(struct tunnel *t);

const struct address *tunnel_proxy(const struct tunnel *t);

/*
 * Sends or reads what is possible. 0: the tunnel is open; -EAGAIN: call it again when the wire is
 * ready for what tunnel_wants_write() says. Other errors end it, with the reason for humans in
 * `why`: -EACCES (the proxy refuses), -EHOSTUNREACH (it cannot reach the host), -ECONNRESET, -EPROTO
 */
int tunnel_run(struct tunnel *t, struct wire *w, char *why, size_t size) _nodiscard_;
bool tunnel_wants_write(const struct tunnel *t);
