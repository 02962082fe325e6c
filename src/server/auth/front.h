#pragma once

/*
 * The proxies in front of the server: from a request as it arrived to the request as the client has
 * sent it. Forwarded headers count only from the addresses of --trusted-proxies, because any client
 * can send them. Such a proxy must set X-Forwarded-For (or Forwarded, or X-Real-IP) itself.
 */

#include "net/http_request.h"
#include "server/auth/networks.h"

#define FRONT_TEXT_SIZE 256

struct front {
    struct networks trusted; /* none: forwarded headers are ignored */
    const char *origins;     /* "https://a,https://b:8443": pages that may use the session cookie */
    const char *base_path;   /* "/x" or "" */
    const char *public_url;  /* at which clients reach the server, or NULL */
};

/* A request of the client. It borrows from `f` and from the request that arrived. */
struct front_request {
    struct http_request r;
    bool is_forwarded; /* by a trusted proxy */
    char address[FRONT_TEXT_SIZE], host[FRONT_TEXT_SIZE];
};

/*
 * Fills *ret, which must not be moved: its members point into it. The client is the rightmost
 * address of the chain that is no trusted proxy. The base path is removed from the path; a proxy
 * may have removed it already. A request to the host of a public URL with https counts as TLS unless
 * a trusted proxy reports another scheme.
 */
void front_apply(const struct front *f, const struct http_request *r, struct front_request *ret);

/*
 * Returns whether a browser sends the request from a page of another site. Such a request must not
 * use the cookie that the browser adds by itself (cross-site request forgery, cross-site WebSocket
 * hijacking). An origin is the server's own with its scheme, host and port, that of the
 * public URL, or one of f->origins.
 */
bool front_is_foreign_origin(const struct front *f, const struct front_request *q);

/*
 * Returns whether a program of this machine sends the request: from loopback or from the address
 * that the server listens on, to an address as Host, and without headers of a proxy.
 */
bool front_is_local(const struct front_request *q, const char *listen_host);

/*
 * Returns whether the request has a Host that is not ours, as after DNS rebinding: with a public URL
 * or origins, all but their hosts, IP addresses, localhost, and names that `is_own_name` knows (NULL:
 * none). Without these settings every Host is served.
 */
bool front_is_unknown_host(const struct front *f,
                           const struct front_request *q,
                           bool (*is_own_name)(const void *arg, const char *name),
                           const void *arg);

/* "/x": begins with a slash, does not end in one, and is a plain path. */
bool front_base_path_is_valid(const char *path);
/* A list of "http[s]://HOST[:PORT]" without a path. */
bool front_origins_are_valid(const char *origins);
