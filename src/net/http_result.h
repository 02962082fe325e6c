#pragma once

/*
 * The end of an HTTP call (http_client.h) or of a hijacked connection (hijack.h).
 */

#include <stddef.h>

struct http_result {
    /*
     * 0, or why there is no complete response: -ECONNREFUSED -ENOENT -EACCES (unix socket),
     * -EHOSTUNREACH (name unknown), -ETIMEDOUT, -EMSGSIZE (body over the maximum), -EPROTO (no
     * HTTP, or TLS refused), -ECONNRESET (also: ended too early).
     */
    int code;
    int status; /* HTTP status; 0 if no response head came */
    /* The texts are borrowed until `done` returns. */
    const char *content_type; /* never NULL */
    const char *set_cookie;   /* value of the first Set-Cookie header, or NULL */
    const char *wanted;       /* value of http_call_options.wanted, or NULL */
    const char *body;         /* buffered mode: NUL-terminated, never NULL */
    size_t size;
    const char *message; /* when code < 0: "connect /run/docker.sock: No such file or directory" */
};

typedef void (*http_done_fn)(void *owner, const struct http_result *result);
