#include "agent/update/self_fetch.h"
#include "agent/config/token.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/http_client.h"
#include "net/url.h"
#include "proto/self_update.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define MAX_ERROR_BODY ((size_t)64 * 1024)
#define SILENCE_MS     30000

struct self_fetch {
    struct self_fetch_options o;
    char *address, *path; /* of the call */
    char *token;          /* NULL: not for this address */
    struct http_call *call;
    struct loop_timer deadline;
    int64_t received;
    unsigned n_redirects;
    struct error failure; /* of the receiver, or of the limits */
};

static void release(struct self_fetch *f)
{
    loop_timer_stop(&f->deadline);
    if (f->call)
        http_call_cancel(f->call);
    token_free(f->token);
    free(f->address);
    free(f->path);
    free(f);
}

void self_fetch_cancel(struct self_fetch *f)
{
    if (f)
        release(f);
}

static void finish(struct self_fetch *f, const struct error *err)
{
    void (*done)(void *owner, const struct error *err) = f->o.done;
    struct error copy = err ? *err : (struct error)ERROR_INIT;
    void *owner = f->o.owner;

    release(f);
    done(owner, err ? &copy : NULL);
}

static void on_deadline(struct loop_timer *t)
{
    struct self_fetch *f = CONTAINER_OF(t, struct self_fetch, deadline);
    struct error err = f->failure;

    if (err.code == 0) {
        (void)error_set(&err, -ETIMEDOUT,
                        "the download took longer than %" PRIu64 " s: %" PRIi64 " bytes came",
                        SELF_FETCH_MAX_MS / 1000, f->received);
    }
    finish(f, &err); /* f is gone now */
}

/* Ends the download from the loop, because this is the call's own callback. */
static void fail_later(struct self_fetch *f)
{
    http_call_cancel(f->call);
    f->call = NULL;
    loop_timer_start(f->o.loop, &f->deadline, 0, on_deadline);
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct self_fetch *f = owner;
    int64_t max = f->o.size > 0 ? f->o.size : SELF_UPDATE_MAX_BYTES;

    if (f->failure.code < 0)
        return;
    if ((int64_t)size > max - f->received) {
        (void)error_set(&f->failure, -EMSGSIZE,
                        "the program is larger than %" PRIi64 " bytes, which %s", max,
                        f->o.size > 0 ? "the server has announced" : "is the limit");
    } else if (f->o.on_data(f->o.owner, data, size, &f->failure) == 0) {
        f->received += (int64_t)size;
        return;
    }
    fail_later(f);
}

static int call(struct self_fetch *f, struct error *err);

/* Where the program is, outside of the server. */
static int set_url(struct self_fetch *f, const char *text, struct error *err)
{
    _cleanup_(url_done) struct url url = {0};
    bool is_tls = f->address && str_starts_with(f->address, "https:");
    int r = url_parse(text, &url, err);

    if (r < 0)
        return r;
    if (!str_eq(url.scheme, "https") && (is_tls || !str_eq(url.scheme, "http")))
        return error_set(err, -EINVAL, "%s is no https URL", text);
    free(f->address);
    free(f->path);
    f->address = xasprintf(strchr(url.host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", url.scheme,
                           url.host, (unsigned)url.port);
    f->path = TAKE_PTR(url.path);
    return 0;
}

static int follow(struct self_fetch *f, const char *location, struct error *err)
{
    int r = 0;

    if (++f->n_redirects > SELF_FETCH_MAX_REDIRECTS)
        return error_set(err, -ELOOP, "more than %d redirects", SELF_FETCH_MAX_REDIRECTS);
    if (location[0] == '/') {
        free(f->path);
        f->path = xstrdup(location);
    } else {
        r = set_url(f, location, err);
    }
    return r < 0 ? r : call(f, err);
}

static int judge(struct self_fetch *f, const struct http_result *result, struct error *err)
{
    if (result->code < 0)
        return error_set(err, result->code, "%s", result->message);
    if (result->status >= 300 && result->status < 400 && result->wanted && !f->token) {
        _cleanup_free_ char *location = xstrdup(result->wanted);
        int r = follow(f, location, err);

        return r < 0 ? r : 1;
    }
    if (result->status != 200)
        return error_set(err, -EREMOTEIO, "the answer was HTTP status %d", result->status);
    if (f->o.size > 0 && f->received != f->o.size) {
        return error_set(err, -ECONNRESET,
                         "the download ended after %" PRIi64 " of %" PRIi64 " bytes", f->received,
                         f->o.size);
    }
    return 0;
}

static void on_done(void *owner, const struct http_result *result)
{
    struct self_fetch *f = owner;
    struct error err = ERROR_INIT;
    int r;

    f->call = NULL;
    r = judge(f, result, &err);
    if (r == 1)
        return; /* redirected */
    if (r < 0) {
        struct error why = err;

        (void)error_set(&err, r, "download of %s%s: %s", f->address, f->path, why.msg);
    }
    finish(f, r < 0 ? &err : NULL); /* f is gone now */
}

static int call(struct self_fetch *f, struct error *err)
{
    const struct config *config = f->o.config;
    bool is_server = f->token != NULL;
    _cleanup_(token_freep) char *bearer = is_server ? xasprintf("Bearer %s", f->token) : NULL;
    const struct http_header header = {.name = "Authorization", .value = bearer};
    struct http_call_options o = {
        .address = f->address,
        .method = "GET",
        .path = f->path,
        .headers = &header,
        .n_headers = is_server ? 1 : 0,
        .wanted = "Location",
        .max_body = MAX_ERROR_BODY,
        .timeout_ms = SILENCE_MS,
        .proxies = &config->proxies,
        .is_insecure = is_server && config->is_insecure,
        .on_data = on_data,
        .done = on_done,
        .owner = f,
    };

    /* Pins and the CA file are those of the server. */
    if (!is_server && str_starts_with(f->address, "https:")) {
        o.trust = loop_proxy_trust(f->o.loop, err);
        if (!o.trust)
            return err->code;
    }
    return http_call_start(&f->call, f->o.loop, &o, err);
}

int self_fetch_start(struct self_fetch **ret, const struct self_fetch_options *o, struct error *err)
{
    struct self_fetch *f = xcalloc(1, sizeof(*f));
    int r = 0;

    f->o = *o;
    if (str_is_empty(o->url)) {
        f->address = xstrdup(o->config->http_address);
        f->path = xasprintf("%s%s", o->config->http_prefix, o->path);
        f->token = xstrdup(o->token ? o->token : "");
    } else {
        r = set_url(f, o->url, err);
    }
    if (r == 0)
        r = call(f, err);
    if (r < 0) {
        release(f);
        return r;
    }
    loop_timer_start(o->loop, &f->deadline, SELF_FETCH_MAX_MS, on_deadline);
    *ret = f;
    return 0;
}
