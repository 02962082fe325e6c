#include "agent/join/auth_reply.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/envelope.h"
#include "proto/json_text.h"
#include "proto/register.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 8

/* What to do about the refusals that servers are known to give; the first match counts. */
static const struct {
    const char *text; /* part of the server's words, any case */
    const char *advice;
} advices[] = {
    {"already registered",
     "another host has this engine id; if it is a clone, delete /var/lib/docker/engine-id and restart "
     "Docker, or set FORCE_UNIQUE_REGISTRATION and AGENT_NAME"                                            },
    {"FORCE_UNIQUE_REGISTRATION", "set AGENT_NAME to a name of its own"                                   },
    {"already exists",            "set AGENT_NAME to a name that no other host has"                       },
    {"does not match engine_id",
     "the token belongs to another engine; make a new registration token on the server and set "
     "REGISTRATION_TOKEN"                                                                                 },
    {"token",                     "make a new registration token on the server and set REGISTRATION_TOKEN"},
};

static const char *advice_for(const char *error)
{
    for (size_t i = 0; i < ARRAY_LEN(advices); i++) {
        if (strcasestr(error, advices[i].text))
            return advices[i].advice;
    }
    return NULL;
}

static bool was_dropped(const struct strings *dropped, const char *field)
{
    for (size_t i = 0; dropped && i < dropped->n; i++) {
        if (str_eq(dropped->items[i], field))
            return true;
    }
    return false;
}

static bool is_about_token(const char *error)
{
    return strcasestr(error, "token") && !strcasestr(error, "FORCE_UNIQUE_REGISTRATION");
}

static void judge_refusal(const struct auth_attempt *attempt,
                          const char *error,
                          struct auth_reply *ret)
{
    _cleanup_free_ char *field = msg_register_refused_field(error);
    const char *advice = advice_for(error);

    ret->verdict = AUTH_REFUSED;
    if (field && str_eq(field, "force_unique_registration") && attempt->force_unique) {
        ret->reason = xasprintf("%s: this server is too old for FORCE_UNIQUE_REGISTRATION", error);
        return;
    }
    if (field && !was_dropped(attempt->dropped, field)) {
        ret->verdict = AUTH_DROP_FIELD;
        ret->reason = xstrdup(error);
        ret->field = TAKE_PTR(field);
        return;
    }
    if (strcasestr(error, "timeout")) {
        ret->verdict = AUTH_NONSENSE;
        ret->reason = xstrdup(error);
        return;
    }
    if (is_about_token(error) && attempt->with_permanent && attempt->has_registration) {
        ret->verdict = AUTH_USE_REGISTRATION;
        ret->reason = xstrdup(error);
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

    *ret = (struct auth_reply){.verdict = AUTH_NONSENSE};
    if (!reply) {
        ret->reason = xasprintf("the answer to register is not JSON: %s", err.msg);
    } else if (str_eq(envelope_type(reply), "auth_error")) {
        const char *error = json_text_get(reply, "error");

        judge_refusal(attempt, str_is_empty(error) ? "no reason given" : error, ret);
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
    *r = (struct auth_reply){.verdict = AUTH_NONSENSE};
}
