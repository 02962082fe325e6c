#pragma once

/*
 * Proxies for connections that are dialled: which one the usual variables name for an address, as
 * Go's net/http decides (ProxyFromEnvironment). A proxy is asked for a tunnel with CONNECT, whether
 * TLS follows or not (tunnel.h).
 *
 *     HTTPS_PROXY, https_proxy   the proxy for https:// and wss://
 *     HTTP_PROXY, http_proxy     the proxy for http:// and ws://
 *     NO_PROXY, no_proxy         hosts that are dialled directly, see no_proxy.h
 *
 * The capital spelling takes precedence. A proxy is [http://|https://][USER[:PASSWORD]@]HOST[:PORT];
 * user and password are percent-encoded. This machine, by loopback address or as localhost, is
 * never dialled through a proxy.
 */

#include "base/error.h"
#include "net/address.h"

#define PROXY_CREDENTIALS_MAX 255 /* bytes of user and of password, decoded */

/* Values of the variables, borrowed; NULL or empty: not set. */
struct proxy_settings {
    const char *https, *http, *none;
};

struct proxy {
    struct address address;
    const char *variable; /* that named it, in capitals */
    char *credentials;    /* base64 of user:password; NULL: none */
};

/* Reads the variables with `get`, such as getenv(). */
struct proxy_settings proxy_settings_read(char *(*get)(const char *name));

/*
 * Returns 1 and fills *ret with the proxy for `to`, which the caller passes to proxy_done(); 0 when
 * it is dialled directly, also when `s` is NULL; -EINVAL for a value that is no proxy. Messages name
 * the variable, and never its value, which may have a password.
 */
int proxy_find(const struct proxy_settings *s,
               const struct address *to,
               struct proxy *ret,
               struct error *err) _nodiscard_;
void proxy_done(struct proxy *p); /* wipes the credentials */
