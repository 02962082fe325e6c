#pragma once

/*
 * One HTTP exchange with a registry or its token server, through libcurl: proxies of the usual
 * variables, redirects, HTTP/2. Blocks, so it belongs into a job (server/common/job.h).
 *
 * The peer is not trusted: head and body have a maximum, the whole exchange a deadline, redirects
 * never leave HTTPS, and an Authorization never follows one to another host. Names of images come
 * from agents, so that they could make the server ask anything: addresses of this machine and of the
 * local link are refused unless the caller allows them. A proxy resolves names itself.
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSFER_MAX_HEAD ((size_t)64 << 10) /* bytes of all header lines of one answer */

struct transfer_options {
    const char *url;
    bool is_head;
    const char *accept;        /* or NULL */
    const char *authorization; /* the value of the header; NULL: none */
    const char *etag;          /* If-None-Match; NULL: none */
    const char *ca_pem;        /* NULL: the system's authorities */
    bool accepts_any_certificate;
    bool may_be_plain; /* http:// is allowed */
    bool may_be_local; /* loopback and link-local addresses are allowed */
    size_t max_body;
    uint64_t timeout_ms;
    const atomic_bool *is_cancelled; /* checked about once a second */
};

/* Texts are owned; NULL: the header was absent. */
struct transfer_reply {
    int status;
    struct buf body;
    size_t head_size;
    char *digest;          /* Docker-Content-Digest */
    char *etag;            /* ETag */
    char *challenges;      /* WWW-Authenticate, one per line */
    char *link;            /* Link */
    char *limit;           /* RateLimit-Limit */
    char *remaining;       /* RateLimit-Remaining */
    int64_t retry_after_s; /* 0: absent */
};

/* Once, before threads. */
int transfer_init(struct error *err) _nodiscard_;
/*
 * Fills *ret for any answer. A negative errno: there was none; -ECANCELED; -EMSGSIZE: it is larger
 * than allowed; -EACCES: an address or a scheme that is not allowed. The caller passes *ret to
 * transfer_done() in every case.
 */
int transfer_run(const struct transfer_options *o, struct transfer_reply *ret, struct error *err)
    _nodiscard_;
void transfer_done(struct transfer_reply *r);

/* The text percent-encoded for a query, to be freed. */
char *transfer_escape(const char *text) _nodiscard_;
/* The host of a URL in lower case, to be freed; NULL: it is none. */
char *transfer_host(const char *url) _nodiscard_;
