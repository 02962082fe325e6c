#include "cli/common/client.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/api_error.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/proxy.h"
#include "net/tls_trust.h"
#include "proto/error_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MSG_IMPOSTOR "; if not, somebody may be posing as the server"
#define MAX_PARALLEL 16
#define TIMEOUT_MS   (UINT64_C(12) * 60 * 1000) /* `stop --time` takes up to ten minutes */

struct client {
    struct loop *loop;
    char *url;           /* for messages */
    char *address;       /* http[s]://HOST[:PORT] */
    const char *prefix;  /* of all paths, in url: "" or "/path" */
    char *authorization; /* "Bearer KEY", NULL: none */
    char *cookie;        /* "session_id=...", NULL: none */
    bool is_insecure;
    bool is_pinned;                /* by the configuration: another key is refused */
    struct proxy_settings proxies; /* values of the environment */
    uint64_t timeout_ms;

    /* The running batch. */
    struct client_request *requests;
    size_t n_requests, n_started, n_running;
};

/* The owner of one call: leads from its answer to the request. */
struct pending {
    struct client *client;
    struct client_request *request;
};

static void set_url(struct client *c, const char *url)
{
    const char *authority = strstr(url, "://") + strlen("://");
    size_t size = (size_t)(authority - url) + strcspn(authority, "/");

    c->url = xstrdup(url);
    c->address = xstrndup(url, size);
    c->prefix = c->url + size;
}

int client_open(struct client **ret, const struct config *config, struct error *err)
{
    _cleanup_(client_closep) struct client *c = xcalloc(1, sizeof(*c));
    int r;

    r = config_check_transport(config, err);
    if (r < 0)
        return r;
    r = loop_new(&c->loop,
                 &(struct loop_options){.ca_file = config->ca_file,
                                        .pins = config->pin,
                                        .user_agent = "dockmon/" DOCKMON_VERSION},
                 err);
    if (r < 0)
        return r;
    set_url(c, config->url);
    c->is_insecure = config->is_insecure;
    c->is_pinned = config->pin != NULL;
    c->proxies = proxy_settings_read(secure_getenv);
    c->timeout_ms = TIMEOUT_MS;
    if (config->api_key) {
        c->authorization = xasprintf("Bearer %s", config->api_key);
    } else if (config->session) {
        c->cookie = xasprintf("session_id=%s", config->session);
    }
    *ret = TAKE_PTR(c);
    return 0;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    if (c->loop)
        loop_free(c->loop);
    free(c->url);
    free(c->address);
    free(c->authorization);
    free(c->cookie);
    free(c);
}

void client_set_timeout(struct client *c, uint64_t timeout_ms)
{
    c->timeout_ms = timeout_ms;
}

const char *client_refused_key(const struct client *c)
{
    struct error err = ERROR_INIT;
    struct tls_trust *trust = loop_tls_trust(c->loop, &err);

    return trust ? tls_trust_refused(trust) : "";
}

/* The request may have been received, so the server may have acted on it. */
static bool may_have_acted(const struct client_request *r, const struct http_result *result)
{
    return !str_eq(r->method, "GET") &&
           (result->code == -ECONNRESET || result->code == -ETIMEDOUT) &&
           !str_starts_with(result->message ? result->message : "", "connect ");
}

/* The certificate was refused; its key may be the one that `login` pins. */
static char *advise_about_key(const struct client *c)
{
    const char *key = client_refused_key(c);

    if (c->is_pinned) {
        return xasprintf("; if `dockmond fingerprint` prints this fingerprint on the server, log "
                         "in again with `dockmon login --pin %s`" MSG_IMPOSTOR,
                         key);
    }
    return xstrdup("; if `dockmond fingerprint` prints this fingerprint on the server, `dockmon "
                   "login` can remember it" MSG_IMPOSTOR);
}

/* To be freed; "" if there is none. */
static char *make_connection_advice(const struct client *c, int code, const char *message)
{
    if (strstr(message, "proxy ")) {
        return xstrdup("; check HTTPS_PROXY and HTTP_PROXY, or name the server in NO_PROXY");
    }
    if (code == -ECONNREFUSED)
        return xstrdup("; is it running? `dockmon login` or DOCKMON_URL chooses another");
    if (strstr(message, "wrong version number") || strstr(message, "http request"))
        return xstrdup("; does it speak http:// there, without TLS?"); /* OpenSSL's messages */
    if (strstr(message, "HTTP status 426")) {
        return xstrdup("; a proxy in front of the server drops the upgrade to WebSocket: let it "
                       "forward the headers Upgrade and Connection");
    }
    return code == -EPROTO && *client_refused_key(c) ? advise_about_key(c) : xstrdup("");
}

static char *describe_connection_failure(const struct client *c, int code, const char *message)
{
    const char *text = str_is_empty(message) ? error_text(code) : message;
    _cleanup_free_ char *advice = make_connection_advice(c, code, text);

    return xasprintf(MSG_CANNOT_TALK "%s", c->url, text, advice);
}

/* Other refusals with the code of wrong credentials are about the host or its agent. */
static bool is_about_login(const struct ws_close *why)
{
    static const char *const reasons[] = {"Invalid or expired session", "Authentication required"};

    if (why->code != WS_CLOSE_POLICY)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (str_eq(why->reason, reasons[i]))
            return true;
    }
    return str_eq(why->reason, error_code_sentence(CODE_INVALID_API_KEY));
}

char *client_explain_close(const struct client *c, const struct ws_close *why)
{
    if (why->error != 0)
        return describe_connection_failure(c, why->error, why->reason);
    if (str_is_empty(why->reason))
        return xstrdup(MSG_CONNECTION_LOST);
    return xasprintf("%s%s", why->reason, is_about_login(why) ? "; " MSG_LOG_IN : "");
}

static void read_answer(struct client_request *r, const struct http_result *result)
{
    json_auto_t *body = json_loadb(result->body, result->size, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                                   NULL);

    if (result->status < 200 || result->status > 299) {
        r->code = api_error_code(result->status, body);
        r->error = api_error_text(result->status, body, r->path);
    } else if (!body) {
        r->code = -EPROTO;
        r->error = xstrdup("the answer is not JSON; is this a DockMon server?");
    } else {
        r->json = TAKE_PTR(body);
    }
}

/* To be freed; NULL if the server set no session. */
static char *read_session(const char *set_cookie)
{
    static const char *const names[] = {"__Host-session_id=",
                                        "session_id="}; /* with TLS, without */

    for (size_t i = 0; set_cookie && i < ARRAY_LEN(names); i++) {
        if (str_starts_with(set_cookie, names[i])) {
            set_cookie += strlen(names[i]);
            return xstrndup(set_cookie, strcspn(set_cookie, "; "));
        }
    }
    return NULL;
}

static void start_more(struct client *c);

/* Stores the answer and starts the next request; the last answer ends client_run(). */
static void on_done(void *owner, const struct http_result *result)
{
    struct pending *p = owner;
    struct client *c = p->client;
    struct client_request *r = p->request;

    if (result->code < 0) {
        r->code = result->code;
        r->error = may_have_acted(r, result)
                       ? xasprintf(MSG_CANNOT_TALK "; it is not known whether this was done",
                                   c->url, result->message ? result->message : "")
                       : describe_connection_failure(c, result->code, result->message);
    } else {
        read_answer(r, result);
        r->session = read_session(result->set_cookie);
    }
    free(p);
    c->n_running--;
    start_more(c);
    if (c->n_running == 0)
        loop_stop(c->loop);
}

/* On failure on_done() is not called. */
static int start_one(struct client *c, struct client_request *r, struct error *err)
{
    struct http_header headers[2];
    _cleanup_free_ char *path = xasprintf("%s%s", c->prefix, r->path);
    struct http_call_options o = {
        .address = c->address,
        .method = r->method,
        .path = path,
        .headers = headers,
        .max_body = CLIENT_MAX_BODY,
        .timeout_ms = c->timeout_ms,
        .is_insecure = c->is_insecure,
        .proxies = &c->proxies,
        .done = on_done,
    };
    _cleanup_free_ char *body = r->body ? json_dumps(r->body, JSON_COMPACT) : NULL;
    _cleanup_free_ struct pending *p = xmalloc(sizeof(*p));
    struct http_call *call;
    int code;

    if (c->authorization)
        headers[o.n_headers++] = (struct http_header){"Authorization", c->authorization};
    if (c->cookie)
        headers[o.n_headers++] = (struct http_header){"Cookie", c->cookie};
    if (body) {
        o.body = body;
        o.body_size = strlen(body);
    }
    *p = (struct pending){c, r};
    o.owner = p;
    code = http_call_start(&call, c->loop, &o, err);
    if (code == 0)
        (void)TAKE_PTR(p); /* on_done's now */
    return code;
}

static void start_more(struct client *c)
{
    while (c->n_started < c->n_requests && c->n_running < MAX_PARALLEL) {
        struct client_request *r = &c->requests[c->n_started++];
        struct error err = ERROR_INIT;

        r->code = start_one(c, r, &err);
        if (r->code < 0) {
            r->error = xstrdup(err.msg);
        } else {
            c->n_running++;
        }
    }
}

void client_run(struct client *c, struct client_request *requests, size_t n)
{
    c->requests = requests;
    c->n_requests = n;
    c->n_started = c->n_running = 0;
    start_more(c);
    if (c->n_running > 0)
        loop_run(c->loop);
}

void client_request_done(struct client_request *r)
{
    free(TAKE_PTR(r->path));
    json_decref(TAKE_PTR(r->body));
    json_decref(TAKE_PTR(r->json));
    free(TAKE_PTR(r->error));
    free(TAKE_PTR(r->session));
}

int client_send(
    struct client *c, const char *method, char *path, json_t *body, json_t **ret, struct error *err)
{
    struct client_request r = {.method = method};
    int code;

    r.path = path;
    r.body = body;
    client_run(c, &r, 1);
    code = r.code;
    if (code < 0) {
        (void)error_set(err, code, "%s", r.error);
    } else if (ret) {
        *ret = TAKE_PTR(r.json);
    }
    client_request_done(&r);
    return code;
}

int client_get(struct client *c, char *path, json_t **ret, struct error *err)
{
    return client_send(c, "GET", path, NULL, ret, err);
}

struct loop *client_loop(const struct client *c)
{
    return c->loop;
}

int client_dial(struct client *c,
                const char *path,
                const struct ws_dial *dial,
                struct ws **ret,
                struct error *err)
{
    /* "http" becomes "ws", "https" becomes "wss". */
    _cleanup_free_ char *url = xasprintf("ws%s%s", c->url + strlen("http"), path);
    const char *headers[] = {NULL, NULL, NULL};
    struct ws_dial mine = *dial;

    if (c->authorization) {
        headers[0] = "Authorization";
        headers[1] = c->authorization;
    } else if (c->cookie) {
        headers[0] = "Cookie";
        headers[1] = c->cookie;
    }
    mine.url = url;
    mine.is_insecure = c->is_insecure;
    mine.proxies = &c->proxies;
    mine.headers = headers;
    return ws_connect(ret, c->loop, &mine, err);
}

struct client *client_open_configured(void)
{
    struct error err = ERROR_INIT;
    struct config config = {0};
    struct client *c = NULL;

    if (config_load_process(&config, &err) < 0 || client_open(&c, &config, &err) < 0)
        output_error("%s", err.msg);
    config_done(&config);
    return c;
}
