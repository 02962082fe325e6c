#include "server/api/call.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/json_scan.h"
#include "net/url.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "server/api/audit.h"
#include "server/fleet/scope_view.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_JSON_DEPTH 32
#define RETRY_AFTER_S  "5" /* of every 503: the cause passes by itself, or an admin is at it */

const char *api_param(const struct api_call *call, size_t n)
{
    return n < ROUTE_MAX_PARAMS && call->match.params[n] ? call->match.params[n] : "";
}

char *api_query(const struct api_call *call, const char *name)
{
    return url_query_get(call->query, name);
}

int api_query_u64(const struct api_call *call,
                  const struct api_number *number,
                  uint64_t *ret,
                  struct error *err)
{
    _cleanup_free_ char *text = api_query(call, number->name);
    uint64_t v = number->fallback;

    if (!str_is_empty(text) && (parse_u64(text, number->max, &v) < 0 || v < number->min)) {
        return error_set(err, -EDOM, "query parameter `%s` must be a number from %ju to %ju",
                         number->name, (uintmax_t)number->min, (uintmax_t)number->max);
    }
    *ret = v;
    return 0;
}

int api_query_bool(
    const struct api_call *call, const char *name, bool fallback, bool *ret, struct error *err)
{
    _cleanup_free_ char *text = api_query(call, name);
    bool v = fallback;

    if (!str_is_empty(text) && parse_bool(text, &v) < 0)
        return error_set(err, -EDOM, "query parameter `%s` must be true or false", name);
    *ret = v;
    return 0;
}

int api_query_time(const struct api_call *call,
                   const char *name,
                   int64_t *ret_ms,
                   struct error *err)
{
    _cleanup_free_ char *text = api_query(call, name);
    uint64_t seconds;
    int64_t ns;

    if (str_is_empty(text)) {
        *ret_ms = 0;
    } else if (parse_u64(text, UINT32_MAX, &seconds) == 0) {
        *ret_ms = (int64_t)seconds * 1000;
    } else if (time_parse_ns(text, &ns) == 0) {
        *ret_ms = ns / 1000000;
    } else {
        return error_set(
            err, -EDOM,
            "query parameter `%s` must be a time such as 2026-01-31T12:00:00Z, or unix seconds",
            name);
    }
    return 0;
}

/*
 * A member that no handler reads may have a value or a key that the parser cannot hold. Values out
 * of range become the nearest ones, which the checks of the members that are read refuse.
 */
static json_t *parse_body(struct api_call *call, struct error *err)
{
    json_t *v = json_text_parse(call->body, call->body_size, MAX_JSON_DEPTH, err);

    if (v || json_scan_check(call->body, call->body_size, NULL) != 1)
        return v;
    call->body_size = json_scan_mend_values(call->body, call->body_size);
    return json_text_parse(call->body, call->body_size, MAX_JSON_DEPTH, err);
}

int api_body(struct api_call *call, const json_t **ret, struct error *err)
{
    if (!call->json) {
        call->json = call->body_size ? parse_body(call, err) : json_object();
    }
    if (!call->json)
        return error_wrap(err, -EBADMSG, "the request body is not valid JSON");
    if (!json_is_object(call->json))
        return error_set(err, -EBADMSG, "the request body must be a JSON object");
    *ret = call->json;
    return 0;
}

int api_body_string(
    const json_t *body, const char *name, size_t max, const char **ret, struct error *err)
{
    const json_t *v = json_object_get(body, name);

    if (!v)
        return error_set(err, -EDOM, "`%s` is required", name);
    if (!json_is_string(v))
        return error_set(err, -EDOM, "`%s` must be a string", name);
    if (json_string_length(v) > max)
        return error_set(err, -EDOM, "`%s` is longer than %zu bytes", name, max);
    if (strlen(json_string_value(v)) != json_string_length(v))
        return error_set(err, -EDOM, "`%s` contains a NUL character", name);
    *ret = json_string_value(v);
    return 0;
}

int api_body_optional_string(
    const json_t *body, const char *name, size_t max, const char **ret, struct error *err)
{
    const json_t *v = json_object_get(body, name);

    *ret = NULL;
    return !v || json_is_null(v) ? 0 : api_body_string(body, name, max, ret, err);
}

int api_body_bool(const json_t *body, const char *name, bool fallback, bool *ret, struct error *err)
{
    const json_t *v = json_object_get(body, name);

    if (v && !json_is_null(v) && !json_is_boolean(v))
        return error_set(err, -EDOM, "`%s` must be true or false", name);
    *ret = json_is_boolean(v) ? json_is_true(v) : fallback;
    return 0;
}

static void call_free(struct api_call *call)
{
    route_match_done(&call->match);
    free(call->query);
    free(call->body);
    free(call->peer);
    free(call->host);
    credentials_free(call->credentials);
    free(call->target);
    free(call->last_event_id);
    json_decref(call->json);
    free(call);
}

static void reply(struct api_call *call, const struct http_response *response)
{
    if (call->api->http) {
        (void)http_respond(call->api->http, call->request_id,
                           response); /* false: the client has disconnected */
    }
    call_free(call);
}

/* Logs a failure on the server's side. A 503 to a read is not logged: the host is offline or still
 * starting, and clients keep polling. */
static void log_failure(const struct api_call *call, int status, const json_t *body)
{
    const struct route *route = call->match.route;
    const char *detail = json_string_value(json_object_get(body, "detail"));

    if (status < 500 || !detail || !route || call->is_logged || (status == 503 && !route->action))
        return;
    log_warn(LOG_FIELDS("host", strstr(route->pattern, "{host}") ? api_param(call, 0) : "",
                        "container",
                        strstr(route->pattern, "{container}") ? api_param(call, 1) : "", "who",
                        call->who.name, "peer", call->peer),
             "%s %s failed: %s", route->method, route->pattern, detail);
}

void api_reply_headers(struct api_call *call, int status, json_t *body, const char *const *headers)
{
    static const char *const later[] = {"Retry-After", RETRY_AFTER_S, NULL};
    size_t size = 0;
    _cleanup_free_ char *text = body ? json_text_write(body, &size) : NULL;

    audit_call(call, status, body);
    log_failure(call, status, body);
    json_decref(body);
    reply(call, &(struct http_response){.status = status,
                                        .body = text,
                                        .body_size = size,
                                        .headers = status == 503 && !headers ? later : headers});
}

bool api_reply_stream(struct api_call *call, const struct http_stream *stream)
{
    bool is_there = call->api->http && http_stream_start(call->api->http, call->request_id, stream);

    audit_call(call, stream->status, NULL);
    call_free(call);
    return is_there;
}

void api_reply_text(struct api_call *call, int status, const char *text, size_t size)
{
    audit_call(call, status, NULL);
    reply(call, &(struct http_response){.status = status, .body = text, .body_size = size});
}

void api_respond(struct api_call *call, const struct http_response *response)
{
    audit_call(call, response->status, NULL);
    reply(call, response);
}

void api_reply_as(struct api_call *call, const char *content_type, const char *text, size_t size)
{
    api_respond(call,
                &(struct http_response){
                    .status = 200, .content_type = content_type, .body = text, .body_size = size});
}

void api_reply(struct api_call *call, int status, json_t *body)
{
    api_reply_headers(call, status, body, NULL);
}

json_t *api_error_json(enum error_code code, const char *detail)
{
    return json_pack("{s:o, s:s}", "detail", json_text_str(detail), "code", error_code_name(code));
}

static void _printf_(4, 0)
    fail(struct api_call *call, int status, enum error_code code, const char *fmt, va_list ap)
{
    char text[1024];

    (void)vsnprintf(text, sizeof(text), fmt, ap);
    str_mend(text);
    api_reply(call, status, api_error_json(code, text));
}

void api_fail(struct api_call *call, int error, const char *fmt, ...)
{
    enum error_code code = error_code_from_errno(error);
    va_list ap;

    va_start(ap, fmt);
    fail(call, error_code_status(code), code, fmt, ap);
    va_end(ap);
}

void api_fail_code(struct api_call *call, enum error_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fail(call, error_code_status(code), code, fmt, ap);
    va_end(ap);
}

void api_fail_as(struct api_call *call, int status, enum error_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fail(call, status, code, fmt, ap);
    va_end(ap);
}

void api_fail_default(struct api_call *call, enum error_code code)
{
    api_fail_code(call, code, "%s", error_code_sentence(code));
}

void api_fail_error(struct api_call *call, const struct error *err)
{
    api_fail_code(call, error_code_of(err), "%s", err->msg[0] ? err->msg : error_text(err->code));
}

void api_fail_no_host(struct api_call *call, const char *ref)
{
    api_fail_code(call, CODE_NO_SUCH_HOST, "Host not found: %s", ref);
}

void api_fail_no_agent(struct api_call *call, const char *ref)
{
    api_fail_code(call, CODE_NO_SUCH_AGENT, "Agent not found: %s", ref);
}

void api_fail_deleted_host(struct api_call *call)
{
    api_fail_code(call, CODE_NO_SUCH_HOST, "The host was deleted in the meantime");
}

void api_fail_container(struct api_call *call, const struct fleet_host *h, int error)
{
    const char *ref = api_param(call, 1);

    if (error == -EEXIST) {
        api_fail_code(call, CODE_AMBIGUOUS_CONTAINER,
                      "More than one container on host %s matches %s", h->row.name, ref);
    } else {
        api_fail_code(call, CODE_NO_SUCH_CONTAINER, "No such container on host %s: %s", h->row.name,
                      ref);
    }
}

struct fleet_container *api_container(struct api_call *call, struct fleet_host **ret)
{
    struct fleet_container *c;
    int r;

    *ret = api_host(call, 0);
    if (!*ret)
        return NULL;
    r = fleet_find_container(*ret, api_param(call, 1), &c);
    if (r < 0) {
        api_fail_container(call, *ret, r);
        return NULL;
    }
    return c;
}

bool api_resolve_host(struct api_call *call)
{
    const char *pattern = call->match.route->pattern;
    struct fleet_host *h = NULL;
    int r;

    if (!str_starts_with(pattern, "/api/hosts/{host}"))
        return true;
    r = scope_find_host(&call->who.scope, call->api->o.fleet, api_param(call, 0), &h);
    if (r == -EEXIST) {
        api_fail_code(call, CODE_CONFLICT, "More than one host matches %s; use its id",
                      api_param(call, 0));
        return false;
    }
    if (r == 0) {
        free(call->match.params[0]);
        call->match.params[0] = xstrdup(h->row.id);
    }
    return true;
}

char *api_query_host(const struct api_call *call, const char *name)
{
    _cleanup_free_ char *ref = api_query(call, name);
    struct fleet_host *h = NULL;

    if (!str_is_empty(ref) && scope_find_host(&call->who.scope, call->api->o.fleet, ref, &h) == 0)
        return xstrdup(h->row.id);
    return TAKE_PTR(ref);
}

struct fleet_host *api_host(struct api_call *call, size_t n)
{
    struct fleet_host *h = fleet_find_host(call->api->o.fleet, api_param(call, n));

    if (!h)
        api_fail_no_host(call, api_param(call, n));
    return h;
}
