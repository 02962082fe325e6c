#include "proto/reply.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"
#include "proto/known_texts.h"

#include <errno.h>
#include <string.h>

#define ERROR_TEXT_MAX 4096

static json_t *begin(enum command_kind kind, const char *id, bool is_success, int64_t now_ms)
{
    char now[TIME_TEXT_SIZE];
    json_t *o = json_object();

    if (kind == COMMAND_KIND_OPERATION) {
        json_text_set(o, "correlation_id", json_text_str(id ? id : ""));
        json_text_set(o, "success", json_boolean(is_success));
    } else {
        json_text_set(o, "type", json_text_str("response"));
        json_text_set(o, "id", json_text_str(id ? id : ""));
        json_text_set(o, "timestamp", json_text_str(time_format_ms(now_ms, now)));
    }
    return o;
}

json_t *msg_reply_encode(enum command_kind kind, const char *id, json_t *fields, int64_t now_ms)
{
    json_t *o = begin(kind, id, true, now_ms);

    if (kind == COMMAND_KIND_COMMAND) {
        json_text_set(o, "payload", fields ? fields : json_null());
        return o;
    }
    /* Existing members have precedence: a field of the result never replaces the correlation ID. */
    if (fields && json_object_update_missing(o, fields) < 0)
        abort(); /* out of memory, or the caller passed no object */
    json_decref(fields);
    return o;
}

json_t *msg_reply_encode_error(enum command_kind kind,
                               const char *id,
                               const struct reply_error *e,
                               int64_t now_ms)
{
    json_t *o = begin(kind, id, false, now_ms);

    json_text_set(o, "error", json_text_str(str_is_empty(e->text) ? TEXT_UNKNOWN_ERROR : e->text));
    if (e->type)
        json_text_set(o, "error_type", json_text_str(e->type));
    if (e->status > 0)
        json_text_set(o, "status", json_integer(e->status));
    if (e->code)
        json_text_set(o, "code", json_text_str(error_code_name(e->code)));
    return o;
}

static bool is_truthy(const json_t *v)
{
    if (json_is_string(v))
        return json_string_length(v) > 0;
    if (json_is_object(v))
        return json_object_size(v) > 0;
    if (json_is_array(v))
        return json_array_size(v) > 0;
    if (json_is_integer(v))
        return json_integer_value(v) != 0;
    return v && !json_is_null(v) && !json_is_false(v);
}

static char *error_text_of(const json_t *v)
{
    _cleanup_free_ char *text = NULL;

    if (json_is_string(v))
        return xasprintf("%.*s", STR_CUT(json_string_value(v), ERROR_TEXT_MAX));
    text = json_text_write(v, NULL);
    return xasprintf("%.*s", STR_CUT(text, ERROR_TEXT_MAX));
}

/* Whether an agent may report the code; other codes are about the server and its users. */
static bool is_of_agents(enum error_code code)
{
    bool is_of_update = code >= CODE_NO_SUCH_UPDATE && code <= CODE_ROLLBACK_FAILED;

    return code && (code <= CODE_ENGINE_REFUSED || is_of_update) && code != CODE_NOT_AUTHENTICATED;
}

enum error_code reply_failure_code(const struct reply_failure *f)
{
    enum error_code code = error_code_find(f->code);

    if (is_of_agents(code) && code != CODE_PERMISSION_DENIED)
        return code;
    if (str_eq(f->type, REPLY_ERROR_PERMISSION))
        return CODE_POLICY_DENIED;
    if (code == CODE_PERMISSION_DENIED) /* older agents send it for the engine's 403 */
        return CODE_ENGINE_REFUSED;
    if (str_starts_with(f->text, TEXT_UNKNOWN_ACTION) ||
        str_starts_with(f->text, TEXT_UNKNOWN_COMMAND))
        return CODE_UNKNOWN_OPERATION;
    return engine_error_code(-EREMOTEIO, f->status, f->text);
}

static int read_status(const json_t *v)
{
    const json_t *status = json_object_get(v, "status");
    bool is_failure = json_is_integer(status) && json_integer_value(status) >= 400 &&
                      json_integer_value(status) <= 599;

    return is_failure ? (int)json_integer_value(status) : 0;
}

static void read_failure(const json_t *v, struct msg_reply *m)
{
    m->status = read_status(v);
    m->reason = reply_failure_code(&(struct reply_failure){.code = json_text_get(v, "code"),
                                                           .type = json_text_get(v, "error_type"),
                                                           .status = m->status,
                                                           .text = m->error});
    m->code = m->reason == CODE_POLICY_DENIED       ? -EACCES
              : m->reason == CODE_UNKNOWN_OPERATION ? -ENOSYS
                                                    : -EREMOTEIO;
    if (!m->status && m->code == -EREMOTEIO && m->reason != CODE_ENGINE_ERROR)
        m->status = error_code_status(m->reason);
}

static void read_outcome(const json_t *v, struct msg_reply *m)
{
    const json_t *error = json_object_get(v, "error");
    const json_t *success = json_object_get(v, "success");

    if (is_truthy(error)) {
        m->error = error_text_of(error);
        read_failure(v, m);
    } else if (success && !is_truthy(success)) {
        m->error = xstrdup("the agent reported a failure without saying why");
        read_failure(v, m);
    } else if (!success && !json_object_get(v, "payload")) {
        m->error = xstrdup("the agent's reply has neither success nor payload");
        m->code = -EPROTO;
        m->reason = CODE_BAD_REPLY;
    } else {
        m->result = json_object_get(v, "payload");
        if (!m->result)
            m->result = json_object_get(v, "data");
        if (!m->result)
            m->result = v;
    }
}

int msg_reply_decode(const json_t *v, struct msg_reply *ret, struct error *err)
{
    const char *id = json_text_get(v, "correlation_id");

    if (str_is_empty(id))
        id = json_text_get(v, "id");
    if (str_is_empty(id) || strlen(id) > 255)
        return error_set(err, -EINVAL, "reply without correlation_id");

    *ret = (struct msg_reply){.id = xstrdup(id)};
    read_outcome(v, ret);
    return 0;
}

void msg_reply_done(struct msg_reply *m)
{
    free(TAKE_PTR(m->id));
    free(TAKE_PTR(m->error));
    m->result = NULL;
}
