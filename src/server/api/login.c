/*
 * /api/v2/auth: login, logout, the identity of the caller, and the change of one's own password.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/account_json.h"
#include "server/api/handlers.h"
#include "server/rights/groups.h"
#include "server/store/secret.h"
#include "server/view/json_values.h"
#include "server/view/scope_json.h"

#include <errno.h>
#include <stdio.h>

#define MAX_NAME     64
#define MAX_PASSWORD 256

static json_t *make_user_json(const struct identity *who)
{
    _cleanup_free_ char *scope = scope_rules_text(&who->scope.own);

    return json_pack("{s:I, s:o, s:o, s:s, s:o, s:s, s:o, s:b, s:b}", "id",
                     (json_int_t)who->user_id, "username", json_text_str(who->name), "display_name",
                     json_value_string(who->display_name[0] ? who->display_name : NULL),
                     "auth_provider", "local", "groups", account_groups_json(who->role), "role",
                     role_name(who->role), "scope", scope_json(scope), "must_change_password",
                     (int)who->must_change_password, "is_first_login",
                     (int)who->must_change_password);
}

static char *make_cookie(
    const char *name, const char *value, const char *path, uint64_t max_age_s, bool is_secure)
{
    return xasprintf("%s=%s; Path=%s; HttpOnly; SameSite=Strict; Max-Age=%ju%s", name, value, path,
                     (uintmax_t)max_age_s, is_secure ? "; Secure" : "");
}

static const char *get_path(const struct api_call *call)
{
    const char *base_path = call->api->o.front.base_path;

    return base_path ? base_path : "/";
}

/* Browsers take "__Host-" only with Secure and Path=/. */
static char *make_session_cookie(const struct api_call *call, const char *session_id)
{
    const char *path = get_path(call);
    bool is_safe = call->is_tls && str_eq(path, "/");

    return make_cookie(is_safe ? CREDENTIALS_SAFE_COOKIE : CREDENTIALS_COOKIE, session_id, path,
                       call->api->o.session_lifetime_ms / 1000, call->is_tls);
}

static void on_login(void *owner, const struct auth_login_result *r)
{
    struct api_call *call = owner;
    _cleanup_free_ char *set_cookie = NULL;
    char retry[24];

    if (r->code == -ENOKEY) {
        log_warn(LOG_FIELDS("user", call->target, "peer", call->peer),
                 "login refused: wrong name or password");
        api_fail_default(call, CODE_WRONG_CREDENTIALS);
        return;
    }
    if (r->code == -EAGAIN) {
        (void)snprintf(retry, sizeof(retry), "%ju", (uintmax_t)r->retry_after_s);
        api_reply_headers(
            call, 429,
            api_error_json(CODE_RATE_LIMITED, "Too many login attempts, try again in a minute"),
            (const char *const[]){"Retry-After", retry, NULL});
        return;
    }
    if (r->code < 0) {
        api_fail(call, r->code, "%s", error_code_sentence(CODE_BUSY));
        return;
    }
    call->who = r->who;
    set_cookie = make_session_cookie(call, r->session_id);
    api_reply_headers(
        call, 200,
        json_pack("{s:o, s:s}", "user", make_user_json(&r->who), "message", "Login successful"),
        (const char *const[]){"Set-Cookie", set_cookie, NULL});
}

void login_post(struct api_call *call)
{
    struct error err = ERROR_INIT;
    const char *name = NULL, *password = NULL;
    const json_t *body;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0)
        r = api_body_string(body, "username", MAX_NAME, &name, &err);
    if (r == 0)
        r = api_body_string(body, "password", MAX_PASSWORD, &password, &err);
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    call->target = xstrdup(name);
    auth_login(call->api->o.auth,
               &(struct auth_login_request){
                   .peer = call->peer,
                   .name = name,
                   .password = password,
                   .session_id = call->credentials->session_id,
               },
               on_login, call);
}

static void on_logout(void *owner, int code, const struct error *err)
{
    struct api_call *call = owner;
    _cleanup_free_ char *plain = make_cookie(CREDENTIALS_COOKIE, "", get_path(call), 0,
                                             call->is_tls);
    _cleanup_free_ char *safe = make_cookie(CREDENTIALS_SAFE_COOKIE, "", "/", 0, true);

    if (code < 0) {
        api_fail(call, code, "logout failed: %s", err->msg);
        return;
    }
    api_reply_headers(call, 200, json_pack("{s:s}", "message", "Logout successful"),
                      (const char *const[]){"Set-Cookie", plain, "Set-Cookie", safe, NULL});
}

/* The identity is only needed for the audit log; an expired session can log out, too. */
static void on_logout_identity(void *owner, int code, const struct identity *who)
{
    struct api_call *call = owner;

    if (code == 0)
        call->who = *who;
    auth_logout(call->api->o.auth, call->credentials->session_id, on_logout, call);
}

void logout_post(struct api_call *call)
{
    struct credentials *c = call->credentials;

    if (!call->credentials->session_id) {
        api_reply(call, 200, json_pack("{s:s}", "message", "Logout successful"));
        return;
    }
    secret_free(TAKE_PTR(c->bearer)); /* the session is meant */
    credentials_check(c, call->api->o.auth, on_logout_identity, call);
}

static json_t *make_key_json(const struct identity *who)
{
    const struct group *group = group_of_role(who->role);

    return json_pack("{s:I, s:o, s:I, s:o, s:o}", "id", (json_int_t)who->key_id, "name",
                     json_text_str(who->name), "group_id", (json_int_t)group->id, "group_name",
                     json_text_str(group->name), "created_by_username",
                     json_value_string(who->owner_name[0] ? who->owner_name : NULL));
}

void me_get(struct api_call *call)
{
    const struct identity *who = &call->who;
    json_t *me = json_pack("{s:s, s:o, s:o}", "auth_type", who->key_id ? "api_key" : "session",
                           "user", make_user_json(who), "capabilities",
                           account_capabilities_json(who));

    if (who->key_id)
        (void)json_object_set_new(me, "api_key", make_key_json(who));
    api_reply(call, 200, me);
}

static void on_password(void *owner, int code, const struct error *err)
{
    struct api_call *call = owner;

    if (code == -ENOKEY) {
        api_fail_default(call, CODE_WRONG_PASSWORD);
    } else if (code < 0) {
        api_fail(call, code, "%s", err && err->msg[0] ? err->msg : error_text(code));
    } else {
        api_reply(call, 200, json_pack("{s:s}", "message", "Password changed successfully"));
    }
}

void password_post(struct api_call *call)
{
    struct error err = ERROR_INIT;
    const char *current = NULL, *new_password = NULL;
    bool keep_api_keys = false;
    const json_t *body;
    int r;

    if (call->who.user_id == 0) {
        api_fail(call, -EACCES, "An API key has no password; log in as a user to change one");
        return;
    }
    r = api_body(call, &body, &err);
    if (r == 0)
        r = api_body_string(body, "current_password", MAX_PASSWORD, &current, &err);
    if (r == 0)
        r = api_body_string(body, "new_password", MAX_PASSWORD, &new_password, &err);
    if (r == 0)
        r = api_body_bool(body, "keep_api_keys", false, &keep_api_keys, &err);
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    auth_change_password(call->api->o.auth,
                         &(struct auth_password_change){
                             .user_id = call->who.user_id,
                             .current = current,
                             .new_password = new_password,
                             .keep_session_id = call->credentials->session_id,
                             .keep_api_keys = keep_api_keys,
                         },
                         on_password, call);
}
