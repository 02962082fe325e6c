#include "agent/join/auth_reply.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/envelope.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "proto/known_texts.h"
#include "proto/register.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 8

/* Codes for the texts of servers that send no codes; the first match counts. */
static const struct {
    const char *text; /* part of the server's text, any case */
    enum error_code code;
} known[] = {
    {TEXT_PART_TIMEOUT,      CODE_TIMEOUT              },
    {TEXT_PART_REGISTERED,   CODE_ENGINE_REGISTERED    },
    {TEXT_PART_FORCE_UNIQUE, CODE_AGENT_NAME_REQUIRED  },
    {TEXT_PART_NAME_TAKEN,   CODE_HOST_NAME_TAKEN      },
    {TEXT_PART_NAME_UNIQUE,  CODE_HOST_NAME_TAKEN      },
    {TEXT_PART_OTHER_ENGINE, CODE_TOKEN_OF_OTHER_ENGINE},
    {TEXT_PART_TOKEN,        CODE_TOKEN_INVALID        },
};

/* Returns the server's code; if it is missing or unknown, a code found by the text of the error. */
static enum error_code find_code(const json_t *reply, const char *error)
{
    enum error_code code = error_code_find(json_text_get(reply, "code"));

    for (size_t i = 0; !code && i < ARRAY_LEN(known); i++) {
        if (strcasestr(error, known[i].text))
            code = known[i].code;
    }
    return code;
}

static bool was_dropped(const struct strings *dropped, const char *field)
{
    for (size_t i = 0; dropped && i < dropped->n; i++) {
        if (str_eq(dropped->items[i], field))
            return true;
    }
    return false;
}

static bool is_about_token(enum error_code code)
{
    return code == CODE_TOKEN_INVALID || code == CODE_TOKEN_EXPIRED || code == CODE_TOKEN_USED_UP ||
           code == CODE_TOKEN_REVOKED || code == CODE_TOKEN_OF_OTHER_ENGINE;
}

static bool is_temporary(enum error_code code)
{
    return code == CODE_TIMEOUT || code == CODE_BUSY || code == CODE_INTERNAL_ERROR;
}

/*
 * Advice that fits the server. Servers of DockMon send no code: an agent that has lost its data
 * comes back there with its id as token, which the text of the server does not say.
 */
static const char *find_advice(const json_t *reply, enum error_code code, const char *error)
{
    bool is_dockmon = !json_object_get(reply, "code");

    if (is_dockmon && code == CODE_ENGINE_REGISTERED) {
        return "if it is this host and its data directory was lost, set PERMANENT_TOKEN to the agent "
               "id of the host, from `GET /api/agent/list` of the server; if this host is a clone of "
               "it, set FORCE_UNIQUE_REGISTRATION and a unique AGENT_NAME";
    }
    if (is_dockmon && strstr(error, "(field: engine_id)")) {
        return "servers of DockMon before v2.2.1 refuse the colons in the ids of older engines: "
               "update the server";
    }
    if (strstr(error, "AGENT_NAME"))
        return NULL; /* the server has explained it */
    return error_code_advice(code);
}

static void judge_refusal(const struct auth_attempt *attempt,
                          const json_t *reply,
                          struct auth_reply *ret)
{
    const char *text = json_text_get(reply, "error");
    const char *error = str_is_empty(text) ? "no reason given" : text;
    _cleanup_free_ char *field = msg_register_refused_field(error);
    enum error_code code = find_code(reply, error);
    const char *advice = find_advice(reply, code, error), *name = attempt->hostname;

    ret->verdict = AUTH_REFUSED;
    /* The newer fields are dropped together, and a registration without this one would differ. */
    if (field && attempt->force_unique && !attempt->with_permanent) {
        ret->reason = xasprintf("%s: this server is too old for FORCE_UNIQUE_REGISTRATION", error);
        return;
    }
    if (field && !was_dropped(attempt->dropped, field)) {
        ret->verdict = AUTH_DROP_FIELD;
        ret->reason = xstrdup(error);
        ret->field = TAKE_PTR(field);
        return;
    }
    if (is_temporary(code)) {
        ret->verdict = AUTH_FAILED;
        ret->reason = xstrdup(error);
        return;
    }
    if (code == CODE_TOKEN_OF_OTHER_ENGINE && attempt->is_other_engine) {
        ret->verdict = AUTH_USE_PRESENT_ENGINE;
        ret->reason = xstrdup(error);
        return;
    }
    if (is_about_token(code) && attempt->with_permanent &&
        (attempt->has_other_token || attempt->has_registration)) {
        ret->verdict = attempt->has_other_token ? AUTH_USE_OTHER_TOKEN : AUTH_USE_REGISTRATION;
        ret->reason = xstrdup(error);
        return;
    }
    if (code == CODE_HOST_NAME_TAKEN && name && !strstr(error, name)) {
        ret->reason = xasprintf("%s: set AGENT_NAME to a name that no other host has, not %s",
                                error, name);
        return;
    }
    ret->reason = xasprintf("%s%s%s", error, advice ? ": " : "", advice ? advice : "");
}

void auth_reply_judge(const struct auth_attempt *attempt,
                      const char *text,
                      size_t size,
                      struct auth_reply *ret)
{
    struct error err = ERROR_INIT;
    json_t *reply = json_text_parse(text, size, MAX_DEPTH, &err);

    *ret = (struct auth_reply){.verdict = AUTH_FAILED};
    if (!reply) {
        ret->reason = xasprintf("the answer to register is not JSON: %s", err.msg);
    } else if (str_eq(envelope_type(reply), "auth_error")) {
        judge_refusal(attempt, reply, ret);
    } else if (msg_auth_success_decode(reply, &ret->success, &err) < 0) {
        ret->reason = xasprintf("the answer to register is no auth_success: %s", err.msg);
    } else {
        ret->verdict = AUTH_ACCEPTED;
    }
    json_decref(reply);
}

void auth_reply_done(struct auth_reply *r)
{
    msg_auth_success_done(&r->success);
    free(r->field);
    free(r->reason);
    *r = (struct auth_reply){.verdict = AUTH_FAILED};
}
