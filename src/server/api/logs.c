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
#include "server/rights/secret_fields.h"

#include <errno.h>
#include <string.h>

#define LOGS_MS      30000
#define DEFAULT_TAIL 100
#define MAX_TAIL     10000

/*
 * One line: "2026-01-31T12:00:00.123456789Z text", or with any offset, as the log driver "local"
 * has. The timestamp is in UTC and truncated to microseconds for clients; a line without one gets the time of the response.
 */
static json_t *make_line_json(const char *line, size_t size, const char *now)
{
    int64_t time_ns = 0;
    size_t stamp = time_parse_stamp(line, size, &time_ns);
    char at[TIME_TEXT_SIZE];

    if (stamp == 0) {
        return json_pack("{s:o, s:o}", "timestamp", json_text_str(now), "log",
                         json_text_string(line, size));
    }
    (void)time_format_ns(time_ns, at);
    str_copy(at + strlen("2026-01-31T12:00:00.123456"), 2, "Z");
    return json_pack("{s:o, s:o}", "timestamp", json_text_str(at), "log",
                     json_text_string(line + stamp, size - stamp));
}

/* `streams` has a letter for each line, as far as the agent says which is from stderr; or NULL. */
static json_t *make_lines_json(const char *text, size_t size, const char *streams)
{
    json_t *lines = json_array();
    char now[TIME_TEXT_SIZE];

    (void)time_format_ms(time_utc_ms(), now);
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) : size;
        bool is_crlf = n > 0 && text[n - 1] == '\r'; /* line end of a terminal */

        json_t *one = make_line_json(text, n - is_crlf, now);

        if (streams && *streams)
            json_text_set(one, "stream", json_string(*streams++ == 'e' ? "stderr" : "stdout"));
        (void)json_array_append_new(lines, one);
        n += end != NULL;
        text += n;
        size -= n;
    }
    return lines;
}

static void on_logs(void *owner, const struct command_result *r)
{
    struct api_call *call = owner;
    const json_t *logs = json_object_get(r->result, "logs"), *last;
    json_t *lines;

    if (r->code < 0) {
        api_fail_command(call, r);
        return;
    }
    if (!json_is_string(logs)) {
        api_fail(call, -EPROTO, "The agent's reply contains no log text");
        return;
    }
    log_read_audit_add(log_sources_audit(call->api->o.log_sources), call->who.name, call->peer,
                       call->target);
    lines = make_lines_json(json_string_value(logs), json_string_length(logs),
                            json_text_get(r->result, "streams"));
    last = json_object_get(json_array_get(lines, json_array_size(lines) - 1), "timestamp");
    api_reply(call, 200,
              json_pack("{s:o, s:o, s:O?, s:b}", "container_id", json_text_str(api_param(call, 1)),
                        "logs", lines, "last_timestamp", last, "truncated",
                        json_is_true(json_object_get(r->result, "truncated"))));
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
    uint64_t tail;
    bool follows, has_details = false, has_options;

    if (api_query_u64(call, &(struct api_number){"tail", DEFAULT_TAIL, 0, MAX_TAIL}, &tail, &err) <
            0 ||
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
    api_agent_ask(call, target.host,
                  &(struct api_operation){.operation = OPERATION_GET_LOGS,
                                          .payload = payload,
                                          .timeout_ms = LOGS_MS,
                                          .done = on_logs,
                                          .owner = call});
}
