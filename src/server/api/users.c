/*
 * /api/v2/users, and the sessions of /api/v2/auth/sessions. Changes of users are flows of auth
 * (auth.h); this file reads the bodies and shows the results.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/account_json.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/api/role_body.h"
#include "server/api/scope_body.h"
#include "server/rights/groups.h"
#include "server/store/secret.h"
#include "server/store/user_sessions.h"
#include "server/view/json_values.h"
#include "server/view/scope_json.h"

#include <errno.h>

#define MAX_NAME     64
#define MAX_PASSWORD 256
#define NOBODY       (-1) /* matches no user; 0 matches all */

static json_t *make_user_json(const struct user *u)
{
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:s, s:b, s:s, s:o, s:b, s:b, s:o, s:o, s:o}", "id",
        (json_int_t)u->id, "username", json_text_str(u->name), "email", json_value_string(u->email),
        "display_name", json_value_string(u->display_name), "groups", account_groups_json(u->role),
        "auth_provider", "local", "approved", 1, "role", role_name(u->role), "scope",
        scope_json(u->scope), "must_change_password", (int)u->must_change_password,
        "is_first_login", (int)u->must_change_password, "created_at",
        json_value_time(u->created_at_ms), "updated_at", json_value_time(u->updated_at_ms),
        "last_login", json_value_time(u->last_login_at_ms));
}

static void append_user(void *arg, const struct user *u)
{
    (void)json_array_append_new(arg, make_user_json(u));
}

static int list_work(struct api_job *job)
{
    json_t *users = json_array();
    int r = users_each(job->store, append_user, users, &job->err);

    job->result = json_pack("{s:o, s:I}", "users", users, "total",
                            (json_int_t)json_array_size(users));
    return r;
}

void users_list(struct api_call *call)
{
    api_job_start(api_job_new(call, list_work, NULL));
}

static int get_work(struct api_job *job)
{
    struct user user = {0};
    int r = users_get(job->store, job->numbers[0], &user, &job->err);

    if (r == 0)
        job->result = make_user_json(&user);
    user_done(&user);
    return r;
}

static bool read_id(struct api_call *call, int64_t *ret)
{
    uint64_t id = 0;

    if (parse_u64(api_param(call, 0), INT64_MAX, &id) < 0) {
        api_fail_code(call, CODE_INVALID_ARGUMENT, "Invalid user id: it must be a number");
        return false;
    }
    *ret = (int64_t)id;
    return true;
}

void users_get_one(struct api_call *call)
{
    struct api_job *job;
    int64_t id;

    if (!read_id(call, &id))
        return;
    job = api_job_new(call, get_work, NULL);
    job->numbers[0] = id;
    api_job_start(job);
}

/* Users exist only when an admin has created them, so none waits for approval. */
void users_pending_count(struct api_call *call)
{
    api_reply(call, 200, json_pack("{s:i}", "count", 0));
}

struct member_count {
    int64_t n[ROLE_ADMIN + 1];
    int64_t first_at_ms; /* the creation of the first user, and so of the groups */
};

static void count_member(void *arg, const struct user *u)
{
    struct member_count *count = arg;

    count->n[u->role]++;
    if (!count->first_at_ms || u->created_at_ms < count->first_at_ms)
        count->first_at_ms = u->created_at_ms;
}

static int groups_work(struct api_job *job)
{
    struct member_count count = {0};
    json_t *list = json_array();
    int r = users_each(job->store, count_member, &count, &job->err);

    for (size_t i = 0; i < n_groups; i++) {
        const struct group *g = &groups[i];

        (void)json_array_append_new(
            list,
            json_pack("{s:I, s:o, s:o, s:b, s:I, s:o, s:n, s:o}", "id", (json_int_t)g->id, "name",
                      json_text_str(g->name), "description", json_text_str(g->description),
                      "is_system", 1, "member_count", (json_int_t)count.n[g->role], "created_at",
                      json_value_time(count.first_at_ms), "created_by", "updated_at",
                      json_value_time(count.first_at_ms)));
    }
    job->result = json_pack("{s:o, s:i}", "groups", list, "total", (int)n_groups);
    return r;
}

void groups_list(struct api_call *call)
{
    api_job_start(api_job_new(call, groups_work, NULL));
}

static void on_managed(void *owner, const struct auth_user_result *r)
{
    struct api_call *call = owner;
    json_t *o;

    if (r->code < 0) {
        api_fail_error(call, r->err);
        return;
    }
    free(call->target);
    call->target = xstrdup(r->user->name);
    o = make_user_json(r->user);
    if (r->random_password)
        (void)json_object_set_new(o, "password", json_text_str(r->random_password));
    api_reply(call, 200, o);
}

static void on_reset(void *owner, const struct auth_user_result *r)
{
    struct api_call *call = owner;

    if (r->code < 0) {
        api_fail_error(call, r->err);
        return;
    }
    free(call->target);
    call->target = xstrdup(r->user->name);
    api_reply(call, 200,
              json_pack("{s:s, s:o, s:b}", "message", "Password reset successfully",
                        "temporary_password", json_value_string(r->random_password),
                        "must_change_password", (int)r->user->must_change_password));
}

/* Reads an optional text to show: null or empty removes it. */
static int read_text(const json_t *body,
                     const char *name,
                     size_t max,
                     bool *ret_with,
                     const char **ret,
                     struct error *err)
{
    const json_t *v = json_object_get(body, name);
    int r;

    *ret_with = v;
    if (!v || json_is_null(v))
        return 0;
    r = api_body_string(body, name, max, ret, err);
    if (r < 0)
        return r;
    for (const char *p = *ret; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(err, -EDOM, "`%s` must have no control characters", name);
    }
    if (str_is_empty(*ret))
        *ret = NULL;
    return 0;
}

static int read_rights(struct api_call *call,
                       const json_t *body,
                       struct auth_user_request *request,
                       char **ret_scope,
                       struct error *err)
{
    int r = api_body_role(body, &request->role, err);

    if (r == 0 && request->role == ROLE_NONE) {
        if (request->action == AUTH_USER_CREATE)
            return error_set(err, -EDOM, "`role` or `group_ids` is required");
        request->keep_role = true;
    }
    if (r == 0)
        r = api_body_scope(call, body, ret_scope, err);
    if (r == 0) {
        request->with_scope = json_object_get(body, "scope");
        request->scope = *ret_scope;
        r = read_text(body, "display_name", USER_MAX_DISPLAY_NAME, &request->with_display_name,
                      &request->display_name, err);
    }
    return r == 0 ? read_text(body, "email", USER_MAX_EMAIL, &request->with_email, &request->email,
                              err)
                  : r;
}

/* Reads the body; password and scope may be absent. The request borrows *ret_scope, which the
 * caller frees. */
static int read_body(struct api_call *call,
                     struct auth_user_request *request,
                     char **ret_scope,
                     struct error *err)
{
    const char *member = request->action == AUTH_USER_CREATE ? "password" : "new_password";
    const json_t *body, *password;
    int r;

    r = api_body(call, &body, err);
    if (r == 0 && request->action == AUTH_USER_CREATE)
        r = api_body_string(body, "username", MAX_NAME, &request->name, err);
    if (r == 0 && request->action != AUTH_USER_SET_PASSWORD)
        r = read_rights(call, body, request, ret_scope, err);
    if (r < 0 || request->action == AUTH_USER_SET_RIGHTS)
        return r;
    password = json_object_get(body, member);
    if (password && !json_is_null(password))
        return api_body_string(body, member, MAX_PASSWORD, &request->password, err);
    return 0;
}

static void manage(struct api_call *call, struct auth_user_request request, bool with_body)
{
    _cleanup_free_ char *scope = NULL;
    struct error err = ERROR_INIT;

    if (request.action != AUTH_USER_CREATE && !read_id(call, &request.user_id))
        return;
    request.by = call->who;
    if (with_body && read_body(call, &request, &scope, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (request.name)
        call->target = xstrdup(request.name);
    auth_manage_user(call->api->o.auth, &request,
                     request.action == AUTH_USER_SET_PASSWORD ? on_reset : on_managed, call);
}

void users_create(struct api_call *call)
{
    manage(call, (struct auth_user_request){.action = AUTH_USER_CREATE}, true);
}

void users_put(struct api_call *call)
{
    manage(call, (struct auth_user_request){.action = AUTH_USER_SET_RIGHTS}, true);
}

void users_reset_password(struct api_call *call)
{
    manage(call, (struct auth_user_request){.action = AUTH_USER_SET_PASSWORD}, true);
}

void users_delete_one(struct api_call *call)
{
    manage(call, (struct auth_user_request){.action = AUTH_USER_DELETE}, false);
}

/* --- one's own profile ------------------------------------------------------------------------ */

static int profile_work(struct api_job *job)
{
    const char *display_name = job->args[0], *email = job->args[1];
    struct user user = {0};
    int r = users_get(job->store, job->who.user_id, &user, &job->err);

    if (r == 0) {
        r = users_set_profile(job->store, user.id,
                              job->numbers[0] ? display_name : user.display_name,
                              job->numbers[1] ? email : user.email, time_utc_ms(), &job->err);
    }
    user_done(&user);
    if (r == 0)
        r = users_get(job->store, job->who.user_id, &user, &job->err);
    if (r == 0) {
        job->result = make_user_json(&user);
        (void)json_object_set_new(job->result, "success", json_true());
        (void)json_object_set_new(job->result, "message",
                                  json_text_str("Profile updated successfully"));
    }
    user_done(&user);
    return r;
}

static void profile_done(struct api_job *job)
{
    if (job->code == 0)
        auth_forget_all(job->call->api->o.auth); /* the display name is cached */
    api_job_answer(job);
}

void profile_post(struct api_call *call)
{
    const char *display_name = NULL, *email = NULL;
    bool with_display_name = false, with_email = false;
    struct error err = ERROR_INIT;
    struct api_job *job;
    const json_t *body;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0) {
        r = read_text(body, "display_name", USER_MAX_DISPLAY_NAME, &with_display_name,
                      &display_name, &err);
    }
    if (r == 0)
        r = read_text(body, "email", USER_MAX_EMAIL, &with_email, &email, &err);
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (call->who.user_id == 0) {
        api_fail(call, -EACCES, "An API key has no profile; log in as a user to change one");
        return;
    }
    job = api_job_new(call, profile_work, profile_done);
    job->args[0] = xstrdup(display_name);
    job->args[1] = xstrdup(email);
    job->numbers[0] = with_display_name;
    job->numbers[1] = with_email;
    api_job_start(job);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Returns the user whose sessions the caller may list and end; 0 for all users. A key without
 * limits has those of its user: the CLI has a key, and its user a browser. */
static int64_t get_sessions_owner(const struct api_call *call)
{
    const struct identity *who = &call->who;

    if (who->role == ROLE_ADMIN && !scope_is_limited(&who->scope) && !identity_is_limited_key(who))
        return 0;
    return who->owner_id && !identity_is_limited_key(who) ? who->owner_id : NOBODY;
}

struct session_list {
    struct api_job *job;
    json_t *sessions;
};

static void append_session(void *arg, const struct user_session *row)
{
    struct session_list *list = arg;
    struct user user = {0};

    if (users_get(list->job->store, row->user_id, &user, NULL) < 0)
        return; /* the user was just deleted */
    (void)json_array_append_new(
        list->sessions,
        json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:b}", "id",
                  json_stringn(row->id_hash, USER_SESSION_SHORT), "user_id",
                  (json_int_t)row->user_id, "username", json_text_str(user.name), "peer",
                  json_value_string(row->peer), "created_at", json_value_time(row->created_at_ms),
                  "expires_at", json_value_time(row->expires_at_ms), "is_current",
                  (int)str_eq(row->id_hash, list->job->args[0])));
    user_done(&user);
}

static int sessions_work(struct api_job *job)
{
    struct session_list list = {job, json_array()};
    int r;

    r = user_sessions_each(
        job->store,
        &(struct user_sessions_filter){.user_id = job->numbers[0], .now_ms = job->numbers[1]},
        append_session, &list, &job->err);
    job->result = json_pack("{s:o}", "sessions", list.sessions);
    return r;
}

void sessions_list(struct api_call *call)
{
    struct api_job *job = api_job_new(call, sessions_work, NULL);
    char hash[SECRET_HASH_SIZE];

    if (call->credentials->session_id && !call->credentials->bearer) {
        secret_hash(call->credentials->session_id, hash);
        job->args[0] = xstrdup(hash);
    }
    job->numbers[0] = get_sessions_owner(call);
    job->numbers[1] = time_utc_ms();
    api_job_start(job);
}

/* A session has the role of its user: a key with a lower one does not end it. */
static int check_key_role(struct api_job *job)
{
    struct user user = {0};
    int r = 0;

    if (!job->who.key_id || job->numbers[0] <= 0)
        return 0;
    r = users_get(job->store, job->numbers[0], &user, &job->err);
    if (r == 0 && user.role > job->who.role) {
        r = error_set(&job->err, -EACCES,
                      "Permission denied: a key of role %s cannot end a session of role %s",
                      role_name(job->who.role), role_name(user.role));
    }
    user_done(&user);
    return r;
}

static int revoke_work(struct api_job *job)
{
    int r = check_key_role(job);

    if (r == 0)
        r = user_sessions_revoke(job->store, job->args[0], job->numbers[0], &job->err);
    if (r == 0)
        job->result = json_pack("{s:s}", "message", "Session ended");
    return r;
}

static void revoke_done(struct api_job *job)
{
    if (job->code == 0)
        auth_forget_all(job->call->api->o.auth);
    api_job_answer(job);
}

void sessions_revoke(struct api_call *call)
{
    struct api_job *job = api_job_new(call, revoke_work, revoke_done);

    job->args[0] = xstrdup(api_param(call, 0));
    job->numbers[0] = get_sessions_owner(call);
    api_job_start(job);
}
