#pragma once

/*
 * The line that joins another host: it fetches the installation script from this server, which it
 * recognises by the key in the line, and runs it. The same for the REST API and for `dockmond token
 * create`.
 */

#include "base/macros.h"
#include <stdbool.h>

/* The server, as the line is to name it. */
struct join_server {
    const char *host; /* "host", "host:port" or "[v6]:port", or NULL: not known */
    /* The address that it listens on, for a host that is missing or not reachable from others. */
    const char *listen_host;
    unsigned port;
    const char *base_path;  /* "/x", or NULL */
    const char *public_url; /* as configured, instead of all above; or NULL */
    bool is_tls;
    bool has_proxies;        /* public_url is that of a proxy, which has a key of its own */
    const char *fingerprint; /* "sha256:HEX" of its key; NULL: found by certificate authorities */
};

/*
 * Returns the URL at which other hosts reach the server, to be freed. NULL when there is no safe
 * one: the host is not valid, or it has no TLS and is not loopback. When the server listens on more
 * than loopback, a loopback host is replaced by the machine's address.
 */
char *join_url(const struct join_server *server);

/* Returns the fingerprint of the key that a client of join_url() meets, or NULL: not known. */
const char *join_fingerprint(const struct join_server *server);

/* Returns the fingerprint as curl and wget take it ("sha256//BASE64"), to be freed, or NULL. */
char *join_curl_pin(const char *fingerprint);

/* Returns the line, to be freed, or NULL as join_url(). */
char *join_line(const struct join_server *server, const char *token);
