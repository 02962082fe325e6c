#include "server/auth/admission.h"
#include "base/alloc.h"
#include "proto/error_code.h"
#include "server/auth/watch.h"

#include <errno.h>

struct admission {
    struct auth *auth;
    struct ws *ws;
    struct credentials *credentials;         /* until the check is done */
    struct auth_watch *watch;                /* from then on */
    const struct admission_handler *handler; /* NULL: cancelled, the check goes on */
    void *owner;
    bool is_checking;
};

static void admission_free(struct admission *a)
{
    auth_watch_cancel(a->watch);
    credentials_free(a->credentials);
    free(a);
}

void admission_cancel(struct admission *a)
{
    if (!a)
        return;
    a->handler = NULL;
    if (!a->is_checking)
        admission_free(a);
}

/* Keys have the words of the REST API; the one of sessions is known to clients. */
static const char *fault_text(int code, bool has_key)
{
    switch (code) {
    case -EACCES: return "This API key may not be used from this address";
    case -ENOKEY:
        return has_key ? error_code_sentence(CODE_INVALID_API_KEY) : "Invalid or expired session";
    default: return "Server busy";
    }
}

static void on_ended(void *owner, const char *why)
{
    struct admission *a = owner;

    auth_watch_cancel(TAKE_PTR(a->watch));
    a->handler->refused(a->owner, NULL, WS_CLOSE_POLICY, why);
}

static void on_identity(void *owner, int code, const struct identity *who)
{
    struct admission *a = owner;
    struct auth_proof proof;

    a->is_checking = false;
    if (!a->handler) {
        admission_free(a);
        return;
    }
    ws_pause(a->ws, false);
    if (code < 0) {
        a->handler->refused(a->owner, NULL, WS_CLOSE_POLICY,
                            fault_text(code, a->credentials->bearer != NULL));
    } else if (who->must_change_password) {
        a->handler->refused(a->owner, who, WS_CLOSE_FORBIDDEN, AUTH_MUST_CHANGE);
    } else {
        proof = credentials_proof(a->credentials);
        a->watch = auth_watch_start(a->auth, &proof, who, on_ended, a);
        credentials_free(TAKE_PTR(a->credentials));
        ws_trust(a->ws);
        a->handler->admitted(a->owner, who);
    }
}

void admission_start(struct admission **ret,
                     struct auth *auth,
                     struct ws *ws,
                     struct credentials *credentials,
                     const struct admission_handler *handler,
                     void *owner)
{
    struct admission *a = xcalloc(1, sizeof(*a));

    *a = (struct admission){
        .auth = auth, .ws = ws, .credentials = credentials, .handler = handler, .owner = owner};
    *ret = a;
    if (!credentials->session_id && !credentials->bearer) {
        handler->refused(owner, NULL, WS_CLOSE_POLICY, "Authentication required");
        return;
    }
    a->is_checking = true;
    ws_pause(ws, true);
    credentials_check(credentials, auth, on_identity, a);
}
