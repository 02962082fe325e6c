#include "server/api/api.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http_head.h"
#include "server/api/bulk.h"
#include "server/api/call.h"
#include "server/api/change.h"
#include "server/api/downloads.h"
#include "server/api/handlers.h"
#include "server/api/rate_limit.h"
#include "server/api/scope_check.h"
#include "server/api/turn.h"
#include "server/api/ws_endpoints.h"
#include "server/auth/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 60000
#define UNROUTED_BODY \
    ((size_t)64 * 1024) /* read and discarded, so that 404 and 405 reach the client */

struct api *api_new(const struct api_options *o)
{
    struct api *a = xcalloc(1, sizeof(*a));

    a->o = *o;
    list_init(&a->waiting_changes);
    list_init(&a->turns);
    a->bulk = bulk_new(a);
    a->downloads = downloads_new();
    a->rate_limits = rate_limits_new(o->rate_percent);
    return a;
}

void api_free(struct api *a)
{
    if (!a)
        return;
    bulk_free(a->bulk);
    downloads_free(a->downloads);
    rate_limits_free(a->rate_limits);
    free(a);
}

void api_set_server(struct api *a, struct http_server *http)
{
    a->http = http;
    if (!http) {
        turns_end_waits(&a->turns);
        changes_end_waits(a);
    }
}

const struct front *api_front(const struct api *a)
{
    return &a->o.front;
}

static void on_head(void *owner, const struct http_request *r, struct http_limits *limits)
{
    const struct api *a = owner;
    struct front_request q;
    struct route_match m;

    front_apply(&a->o.front, r, &q);
    route_find(r->method, q.r.path, &m);
    limits->max_body = m.route ? m.route->max_body : UNROUTED_BODY;
    limits->timeout_ms = m.route && m.route->timeout_ms ? m.route->timeout_ms : DEFAULT_TIMEOUT_MS;
    route_match_done(&m);
}

static bool is_read(const char *method)
{
    return str_eq(method, "GET") || str_eq(method, "HEAD");
}

static struct api_call *call_new(struct api *a,
                                 const struct front_request *q,
                                 struct route_match *m)
{
    const struct http_request *r = &q->r;
    _cleanup_free_ char *accept = http_request_list(r, "accept");
    const char *last_id = http_request_header(r, "last-event-id");
    struct api_call *call = xcalloc(1, sizeof(*call));

    call->api = a;
    call->request_id = r->id;
    call->match = *m; /* takes ownership of the parameters */
    call->query = xstrdup(r->query);
    call->body = xmemdup(r->body, r->body_size + 1);
    call->body_size = r->body_size;
    call->peer = xstrdup(r->peer);
    call->host = r->host ? xstrdup(r->host) : NULL;
    call->credentials = credentials_new(r);
    call->is_tls = r->is_tls;
    call->is_forwarded = q->is_forwarded;
    call->is_local = front_is_local(q, a->o.listen_host);
    call->is_head = str_eq(r->method, "HEAD");
    call->accepts_events = accept && strstr(accept, "text/event-stream");
    call->accepts_gzip = http_request_accepts_gzip(r);
    call->accepts_csv = accept && strstr(accept, "text/csv");
    call->last_event_id = last_id ? xstrdup(last_id) : NULL;
    return call;
}

/* "restart needs the role operator; vera is a viewer" */
static void refuse_role(struct api_call *call, const struct route *route)
{
    const char *operation = route->operation ? operation_spec(route->operation)->name : NULL;
    _cleanup_free_ char *path = xasprintf("%s %s", route->method, route->pattern);

    api_fail_code(call, CODE_ROLE_REQUIRED, "%s needs the role %s; %s is %s",
                  operation ? operation : path, role_name(route->role), call->who.name,
                  role_with_article(call->who.role));
}

/* Returns false after answering the call with 429. */
static bool check_rate(struct api_call *call)
{
    enum rate_class c = rate_class_of(call->match.route);
    _cleanup_free_ char *detail = NULL;
    bool is_first = false;
    unsigned wait_s = 0;
    char retry[24];

    if (rate_limits_take(call->api->rate_limits, &call->who, c, time_monotonic_ms(), &wait_s,
                         &is_first) == 0)
        return true;
    if (is_first) {
        log_warn(LOG_FIELDS("who", call->who.name, "peer", call->peer, "class", rate_class_name(c)),
                 "requests are refused: more than the limit of their class allows");
    }
    detail = xasprintf("Too many requests: try again in %u s", wait_s);
    (void)snprintf(retry, sizeof(retry), "%u", wait_s);
    api_reply_headers(call, 429, api_error_json(CODE_RATE_LIMITED, detail),
                      (const char *const[]){"Retry-After", retry, NULL});
    return false;
}

static void on_identity(void *owner, int code, const struct identity *who)
{
    struct api_call *call = owner;
    const struct route *route = call->match.route;

    if (!call->api->http) {
        api_fail(call, -ENOTCONN, "the server is stopping");
        return;
    }
    if (code == -EACCES) {
        api_fail_code(call, CODE_ADDRESS_NOT_ALLOWED,
                      "Permission denied: the API key %s may not be used from %s", who->name,
                      call->peer);
        return;
    }
    if (code == -ENOKEY && call->credentials->bearer) {
        api_fail_default(call, CODE_INVALID_API_KEY);
        return;
    }
    if (code < 0) {
        api_fail(
            call, code, "%s",
            code == -ENOKEY
                ? "Not authenticated: log in, or send an API key as `Authorization: Bearer KEY`"
                : error_code_sentence(CODE_BUSY));
        return;
    }
    call->who = *who;
    if (call->api->http)
        http_trust(call->api->http, call->request_id);
    if (!check_rate(call))
        return;
    if (who->must_change_password && route->handle != me_get && route->handle != password_post) {
        api_fail_code(call, CODE_PASSWORD_CHANGE_REQUIRED, "%s",
                      AUTH_MUST_CHANGE
                      ": POST /api/v2/auth/change-password, or `dockmon user passwd`");
        return;
    }
    if (who->role < route->role) {
        refuse_role(call, route);
        return;
    }
    if (api_resolve_host(call) && scope_check(call))
        route->handle(call);
}

/* Answers with a file of the web UI. Returns false when the path names no file. */
static bool serve_file(const struct api *a, const struct http_request *r)
{
    _cleanup_free_ char *accept = http_request_list(r, "accept");
    const struct web_file *f = NULL;

    if (a->o.web && a->http && is_read(r->method))
        f = web_files_find(a->o.web, r->path, accept);
    if (f)
        web_file_respond(f, a->http, r);
    return f != NULL;
}

/* An agent finds out in this way whether its token is valid, without opening the channel. */
static bool has_bad_agent_token(const struct api *a, const struct http_request *r)
{
    return str_eq(r->path, STATS_CHANNEL_PATH) && !stats_channels_admits(a->o.stats_channels, r);
}

static void fail_without_upgrade(struct api_call *call, const struct http_request *r)
{
    _cleanup_free_ char *detail = xasprintf(
        "%s is for WebSocket connections: a proxy in front of this server may have dropped the "
        "headers Upgrade and Connection of the request",
        r->path);

    if (has_bad_agent_token(call->api, r)) {
        api_fail_code(call, CODE_NOT_AUTHENTICATED, "The token of the agent is not valid");
        return;
    }
    api_reply_headers(call, 426, api_error_json(CODE_BAD_REQUEST, detail),
                      (const char *const[]){"Upgrade", "websocket", NULL});
}

static void fail_other_method(struct api_call *call, const struct http_request *r)
{
    _cleanup_free_ char *detail = xasprintf("Method %s is not allowed for %s", r->method, r->path);
    _cleanup_free_ char *allowed = route_methods(r->path);

    api_reply_headers(call, 405, api_error_json(CODE_METHOD_NOT_ALLOWED, detail),
                      (const char *const[]){"Allow", allowed, NULL});
}

static bool is_own_name(const void *arg, const char *name)
{
    const struct api *a = arg;

    return a->o.tls && tls_keeper_has_name(a->o.tls, name);
}

/*
 * A browser whose page has a DNS name that leads to this server (DNS rebinding) reads all answers.
 * It has no token or API key; health checks and downloads for agents need no browser.
 */
static bool is_rebound(const struct api *a,
                       const struct front_request *q,
                       const struct route_match *m)
{
    const char *authorization = http_request_header(&q->r, "authorization");
    route_fn handler = m && m->route ? m->route->handle : NULL;

    if (handler == health_get || handler == install_get || handler == agent_program_get ||
        handler == agent_image_get || (authorization && credentials_are_bearer(authorization)))
        return false;
    return front_is_unknown_host(&a->o.front, q, is_own_name, a);
}

/*
 * A proxy with rules for paths does not take "%2F" for a slash, so it would apply another rule. The
 * only place for it is the end of a path that may have slashes.
 */
static bool has_hidden_slash(const struct http_request *r, const struct route_match *m)
{
    const char *slash = r->head->escaped_slash;
    const char *rest = slash && m && m->route ? route_find_rest(m->route, r->path) : NULL;

    return slash && (!rest || slash < rest);
}

/* Answers requests that no route may see. */
static bool refuse_early(struct api *a, const struct front_request *q, struct route_match *m)
{
    if (has_hidden_slash(&q->r, m)) {
        api_fail_code(call_new(a, q, m), CODE_BAD_REQUEST, "%s",
                      "The path has an encoded slash (%2F) where only a plain one can be");
        return true;
    }
    if (is_rebound(a, q, m)) {
        api_fail_default(call_new(a, q, m), CODE_UNKNOWN_SITE);
        return true;
    }
    return false;
}

static void handle(struct api *a, const struct front_request *q)
{
    const struct http_request *r = &q->r;
    struct api_call *call;
    struct route_match m;

    route_find(r->method, r->path, &m);
    if (refuse_early(a, q, &m))
        return;
    if (!m.route && !m.is_other_method && !ws_endpoint_find(r->path) && serve_file(a, r)) {
        route_match_done(&m);
        return;
    }
    call = call_new(a, q, &m);
    if (!m.route && ws_endpoint_find(r->path)) {
        fail_without_upgrade(call, r);
        return;
    }
    if (m.is_other_method) {
        fail_other_method(call, r);
        return;
    }
    if (!m.route) {
        api_fail_code(call, CODE_NOT_FOUND, "%s %s: not found", r->method, r->path);
        return;
    }
    if (m.route->role == ROLE_NONE) {
        if (!is_read(r->method) && front_is_foreign_origin(&a->o.front, q)) {
            api_fail_default(call, CODE_FOREIGN_SITE);
        } else {
            m.route->handle(call);
        }
        return;
    }
    if (!call->credentials->bearer && !is_read(r->method) &&
        front_is_foreign_origin(&a->o.front, q)) {
        api_fail_default(call, CODE_FOREIGN_SITE);
    } else {
        credentials_check(call->credentials, a->o.auth, on_identity, call);
    }
}

static void on_request(void *owner, const struct http_request *r)
{
    struct api *a = owner;
    struct front_request q;

    front_apply(&a->o.front, r, &q);
    handle(a, &q);
}

/* The last resort: every wait of a handler has its own deadline, which should have ended the
 * call. */
static void on_late(void *owner, const struct http_request *r, uint64_t timeout_ms)
{
    char seconds[32];

    (void)owner;
    (void)snprintf(seconds, sizeof(seconds), "%ju", (uintmax_t)timeout_ms / 1000);
    log_warn(LOG_FIELDS("method", r->method, "path", r->path, "seconds", seconds, "peer", r->peer),
             "no response in time: answered with 504");
}

static int on_upgrade(void *owner, const struct http_request *r, struct ws_accept *ret)
{
    struct api *a = owner;
    const struct ws_endpoint *e;
    struct front_request q;

    front_apply(&a->o.front, r, &q);
    e = ws_endpoint_find(q.r.path);
    if (!e)
        return 404;
    if (has_hidden_slash(&q.r, NULL))
        return 400;
    if (e->rules.role != ROLE_NONE && is_rebound(a, &q, NULL))
        return 421;
    if (front_is_foreign_origin(&a->o.front, &q)) /* agents send no Origin at all */
        return 403;
    return e->open(a, e, &q.r, ret);
}

static void format_error(int status, const char *detail, struct buf *body)
{
    enum error_code code = error_code_from_status(status);
    json_t *o = api_error_json(code,
                               code == CODE_UNKNOWN_SITE ? error_code_sentence(code) : detail);
    char *text = json_dumps(o, JSON_COMPACT);

    (void)buf_append_str(body, text ? text : "{}"); /* the texts of the HTTP server are short */
    free(text);
    json_decref(o);
}

const struct http_handler *api_http_handler(void)
{
    static const struct http_handler handler = {
        .on_head = on_head,
        .on_request = on_request,
        .on_late = on_late,
        .on_upgrade = on_upgrade,
        .format_error = format_error,
    };

    return &handler;
}
