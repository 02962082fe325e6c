/*
 * GET .../logs: the last lines of a container's log as JSON. With follow=true the request continues
 * in http_log_viewer.c.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/logs/line_json.h"
#include "server/logs/reply_lines.h"
#include "server/rights/secret_fields.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_TAIL 100
#define MAX_TAIL     10000

/* Times are truncated to microseconds for clients. */
static json_t *make_line_json(const struct reply_line *line)
{
    char at[TIME_TEXT_SIZE];

    if (line->time_ns) {
        (void)time_format_ns(line->time_ns, at);
        str_copy(at + strlen("2026-01-31T12:00:00.123456"), 2, "Z");
    }
    return json_pack(
        "{s:o, s:o, s:o}", "timestamp", line->time_ns ? json_text_str(at) : json_null(), "log",
        json_text_string(line->text, line->size), "stream", log_line_stream_json(line->kind));
}

/* The lines that a client has asked for, of an agent that cannot select them. */
struct selection {
    uint64_t tail;
    int64_t since_ns, until_ns; /* 0: open */
};

/* DockMon's clients may ask for any number of lines: the nearest allowed one is used. */
static int read_tail(const struct api_call *call, uint64_t *ret, struct error *err)
{
    _cleanup_free_ char *text = api_query(call, "tail");
    int64_t n = DEFAULT_TAIL;

    if (!str_is_empty(text) && parse_i64(text, &n) < 0)
        return error_set(err, -EDOM, "query parameter `tail` must be a number of lines");
    *ret = n < 0 ? 0 : n > MAX_TAIL ? MAX_TAIL : (uint64_t)n;
    return 0;
}

static int read_selection(const struct api_call *call, struct selection *ret, struct error *err)
{
    int64_t since_ms = 0, until_ms = 0;
    int r = read_tail(call, &ret->tail, err);

    if (r == 0)
        r = api_query_time(call, "since", &since_ms, err);
    if (r == 0)
        r = api_query_time(call, "until", &until_ms, err);
    ret->since_ns = since_ms * 1000000;
    ret->until_ns = until_ms * 1000000;
    return r;
}

static json_t *select_lines(const struct reply_lines *lines, const struct selection *s)
{
    json_t *all = json_array();
    size_t i = lines->n;

    for (uint64_t n = 0; i > 0 && n < s->tail; i--) {
        const struct reply_line *line = &lines->items[i - 1];

        if (s->since_ns && line->time_ns < s->since_ns)
            break;
        n += !s->until_ns || line->time_ns <= s->until_ns;
    }
    for (; i < lines->n; i++) {
        if (!s->until_ns || lines->items[i].time_ns <= s->until_ns)
            (void)json_array_append_new(all, make_line_json(&lines->items[i]));
    }
    return all;
}

static void reply_lines_json(struct api_call *call, const json_t *result, json_t *lines)
{
    const json_t *last = json_object_get(json_array_get(lines, json_array_size(lines) - 1),
                                         "timestamp");
    const json_t *truncated = json_object_get(result, "truncated");
    bool is_said = json_is_boolean(truncated) || json_object_get(result, "streams");

    api_reply(call, 200,
              json_pack("{s:o, s:o, s:O?, s:o}", "container_id", json_text_str(api_param(call, 1)),
                        "logs", lines, "last_timestamp", last, "truncated",
                        is_said ? json_boolean(json_is_true(truncated)) : json_null()));
}

static void on_logs(void *owner, const struct command_result *r)
{
    struct api_call *call = owner;
    const json_t *logs = json_object_get(r->result, "logs");
    _cleanup_(reply_lines_done) struct reply_lines lines = {0};
    const char *streams = json_text_get(r->result, "streams");
    struct selection s = {.tail = UINT64_MAX};
    struct error err = ERROR_INIT;

    if (r->code < 0) {
        api_fail_command(call, r);
        return;
    }
    if (!json_is_string(logs)) {
        api_fail(call, -EPROTO, "The agent's reply contains no log text");
        return;
    }
    reply_lines_read(json_string_value(logs), json_string_length(logs), streams, &lines);
    if (!streams && read_selection(call, &s, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (lines.n > 0 && !lines.has_times && (s.since_ns || s.until_ns)) {
        api_fail_code(call, CODE_NOT_SUPPORTED, "%s", REPLY_LINES_NO_TIMES);
        return;
    }
    log_read_audit_add(log_sources_audit(call->api->o.log_sources), call->who.name, call->peer,
                       call->target);
    reply_lines_json(call, r->result, select_lines(&lines, &s));
}

static int add_time(const struct api_call *call,
                    const char *name,
                    json_t *payload,
                    struct error *err)
{
    char text[TIME_TEXT_SIZE];
    int64_t ms;
    int r;

    r = api_query_time(call, name, &ms, err);
    if (r == 0 && ms)
        (void)json_object_set_new(payload, name, json_string(time_format_ms(ms, text)));
    return r;
}

void container_logs(struct api_call *call)
{
    struct error err = ERROR_INIT;
    struct api_target target;
    json_t *payload;
    uint64_t tail = 0;
    bool follows, has_details = false, has_options;

    if (read_tail(call, &tail, &err) < 0 ||
        api_query_bool(call, "follow", false, &follows, &err) < 0 ||
        api_query_bool(call, "details", false, &has_details, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (has_details && !secret_field_is_visible(SECRET_OPTIONS, call->who.role)) {
        api_fail_code(call, CODE_ROLE_REQUIRED, "%s", LOG_DETAILS_REFUSED);
        return;
    }
    if (follows) {
        container_logs_follow(call, tail);
        return;
    }
    if (!api_target_find(call, &target))
        return;
    call->target = api_target_text(&target);
    has_options = fleet_host_can(target.host, LOG_OPTIONS_CAPABILITY);
    if (has_details && !has_options) {
        api_fail_code(call, CODE_UNKNOWN_OPERATION, "%s",
                      error_code_sentence(CODE_UNKNOWN_OPERATION));
        return;
    }
    payload = json_pack("{s:o, s:I}", "container_id", json_text_str(target.ref), "tail",
                        (json_int_t)tail);
    if (has_options)
        json_text_set(payload, "streams", json_true());
    if (has_details)
        json_text_set(payload, "details", json_true());
    if (add_time(call, "since", payload, &err) < 0 || add_time(call, "until", payload, &err) < 0) {
        json_decref(payload);
        api_fail_error(call, &err);
        return;
    }
    if (!has_options && (json_object_get(payload, "since") || json_object_get(payload, "until")))
        json_text_set(payload, "tail", json_integer(MAX_TAIL)); /* the lines are selected here */
    api_agent_ask(
        call, target.host,
        &(struct api_operation){
            .operation = OPERATION_GET_LOGS, .payload = payload, .done = on_logs, .owner = call});
}
