/*
 * Changes of users by admins, as a flow: argon2 for a new password, then one transaction that
 * checks and applies the change.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "server/auth/auth.h"
#include "server/auth/auth_internal.h"
#include "server/auth/first_user.h"
#include "server/auth/password.h"
#include "server/store/api_keys.h"
#include "server/store/user_networks.h"
#include "server/store/user_sessions.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum manage_step { MANAGE_HASH, MANAGE_STORE, MANAGE_FINISH };

struct manage {
    struct auth_flow flow;
    enum manage_step step; /* the next one */
    enum auth_user_action action;
    struct identity by;
    int64_t user_id, now_ms;
    enum role role;
    char *name, *password;
    bool with_scope;
    char *scope; /* or NULL */
    bool keep_role, with_display_name, with_email;
    char *display_name, *email; /* or NULL */
    bool is_random;
    char *initial_password_file; /* or NULL */
    char hash[PASSWORD_HASH_SIZE];
    struct user user;
    int code;
    struct error err;
    auth_user_fn done;
    void *owner;
};

static void manage_free(struct manage *m)
{
    auth_flow_done(&m->flow);
    user_done(&m->user);
    free(m->name);
    free(m->scope);
    free(m->display_name);
    free(m->email);
    secret_free(m->password);
    free(m->initial_password_file);
    free(m);
}

static bool takes_password(enum auth_user_action action)
{
    return action == AUTH_USER_CREATE || action == AUTH_USER_SET_PASSWORD;
}

static void hash_work(void *job)
{
    struct manage *m = job;

    if (!m->password) {
        m->is_random = true;
        m->password = password_random();
    }
    m->code = password_hash(m->password, m->hash, &m->err);
}

static int create(struct db *s, struct manage *m, struct error *err)
{
    const struct user u = {
        .name = m->name,
        .password_hash = m->hash,
        .role = m->role,
        .scope = m->scope,
        .display_name = m->display_name,
        .email = m->email,
        .must_change_password = true,
        .created_at_ms = m->now_ms,
        .updated_at_ms = m->now_ms,
    };

    return users_insert(s, &u, &m->user_id, err);
}

/* A user without restrictions: an admin without a scope. */
static bool is_full_admin(enum role role, const char *scope)
{
    return role == ROLE_ADMIN && !scope;
}

/* Refuses to remove rights from the last full admin, or from the caller. */
static int check_loss(struct db *s, const struct manage *m, struct error *err)
{
    bool is_delete = m->action == AUTH_USER_DELETE;
    int64_t n_admins = 0;
    int r;

    r = users_count_admins(s, &n_admins, err);
    if (r < 0)
        return r;
    if (m->by.owner_id == m->user.id &&
        (is_delete || m->role < m->user.role || !str_eq(m->scope, m->user.scope))) {
        return error_set(err, -EACCES, "Permission denied: you cannot %s yourself",
                         is_delete                ? "delete"
                         : m->role < m->user.role ? "demote"
                                                  : "limit");
    }
    if (is_full_admin(m->user.role, m->user.scope) && n_admins <= 1 &&
        (is_delete || !is_full_admin(m->role, m->scope)))
        return error_set(err, -EBUSY, "%s is the last admin without a scope", m->user.name);
    return 0;
}

/* Ends the sessions of the user only if rights have changed. */
static int set_rights(struct db *s, struct manage *m, struct error *err)
{
    bool is_same;
    int r;

    if (!m->with_scope)
        m->scope = xstrdup(m->user.scope);
    if (m->keep_role)
        m->role = m->user.role;
    is_same = m->role == m->user.role && str_eq(m->scope, m->user.scope);
    r = check_loss(s, m, err);
    if (r == 0)
        r = users_set_rights(s, m->user_id, m->role, m->scope, m->now_ms, err);
    if (r == 0) {
        r = users_set_profile(s, m->user_id,
                              m->with_display_name ? m->display_name : m->user.display_name,
                              m->with_email ? m->email : m->user.email, m->now_ms, err);
    }
    return r < 0 || is_same ? r : user_sessions_delete_user(s, m->user_id, NULL, err);
}

static int act(struct db *s, struct manage *m, struct error *err)
{
    int r;

    switch (m->action) {
    case AUTH_USER_CREATE: return create(s, m, err);
    case AUTH_USER_SET_PASSWORD:
        r = users_set_password(s, m->user_id, m->hash, true, m->now_ms, err);
        if (r == 0)
            r = api_keys_delete_user(s, m->user_id, err);
        if (r == 0)
            r = user_networks_delete_user(s, m->user_id, err);
        break;
    case AUTH_USER_SET_RIGHTS: return set_rights(s, m, err);
    case AUTH_USER_DELETE:
        r = check_loss(s, m, err);
        return r < 0 ? r : users_delete(s, m->user_id, err);
    default: abort();
    }
    return r < 0 ? r : user_sessions_delete_user(s, m->user_id, NULL, err);
}

static int store_change(struct db *s, void *arg, struct error *err)
{
    struct manage *m = arg;
    int r = 0;

    if (m->action != AUTH_USER_CREATE)
        r = users_get(s, m->user_id, &m->user, err);
    if (r == 0)
        r = act(s, m, err);
    if (r < 0 || m->action == AUTH_USER_DELETE)
        return r;
    user_done(&m->user);
    return users_get(s, m->user_id, &m->user, err);
}

static void store_work(void *job)
{
    struct manage *m = job;

    m->code = db_tx(m->flow.store, store_change, m, &m->err);
    if (m->code == 0 && m->action == AUTH_USER_SET_PASSWORD && m->initial_password_file &&
        str_eq(m->user.name, FIRST_USER_NAME))
        (void)unlink(m->initial_password_file); /* usually deleted before */
}

static void manage_finish(struct manage *m)
{
    const struct auth_user_result result = {
        .code = m->code,
        .err = &m->err,
        .user = m->code == 0 ? &m->user : NULL,
        .random_password = m->is_random ? m->password : NULL,
    };

    if (m->code == 0 && m->action != AUTH_USER_CREATE)
        auth_forget_all(m->flow.auth); /* including the user's keys */
    m->done(m->owner, &result);
    manage_free(m);
}

static void manage_next(void *job);

static void refuse(void *job)
{
    struct manage *m = job;

    m->code = error_code_set(&m->err, CODE_BUSY, "%s", error_code_sentence(CODE_BUSY));
    job_defer(m->flow.auth->o.store_jobs, m, manage_next);
}

static void manage_next(void *job)
{
    struct manage *m = job;
    struct auth *a = m->flow.auth;
    bool is_hash = m->step == MANAGE_HASH;

    if (!a) {
        manage_free(m);
        return;
    }
    if (m->code < 0 || m->step == MANAGE_FINISH) {
        manage_finish(m); /* frees m */
        return;
    }
    m->step++;
    if ((is_hash ? auth_flow_hash(&m->flow, hash_work, manage_next, refuse)
                 : job_submit(a->o.store_jobs, m, store_work, manage_next)) < 0)
        refuse(m);
}

bool auth_name_is_valid(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
    size_t n = strlen(name);

    return n > 0 && n <= AUTH_MAX_NAME && strspn(name, allowed) == n;
}

static int check_name(const char *name, struct error *err)
{
    if (!auth_name_is_valid(name)) {
        return error_set(err, -EDOM,
                         "`username` must have 1 to %d letters, digits, `.`, `_`, `@` or `-`",
                         AUTH_MAX_NAME);
    }
    return 0;
}

void auth_manage_user(struct auth *a,
                      const struct auth_user_request *request,
                      auth_user_fn done,
                      void *owner)
{
    struct manage *m = xcalloc(1, sizeof(*m));

    auth_flow_init(&m->flow, a);
    auth_flow_set_known(&m->flow, request->by.owner_id);
    m->step = takes_password(request->action) ? MANAGE_HASH : MANAGE_STORE;
    m->action = request->action;
    m->by = request->by;
    m->user_id = request->user_id;
    m->now_ms = a->o.utc_ms();
    m->role = request->role;
    m->with_scope = request->with_scope;
    m->scope = xstrdup(request->scope);
    m->keep_role = request->keep_role;
    m->with_display_name = request->with_display_name;
    m->with_email = request->with_email;
    m->display_name = xstrdup(request->display_name);
    m->email = xstrdup(request->email);
    m->name = xstrdup(request->name);
    m->password = xstrdup(request->password);
    m->initial_password_file = xstrdup(a->initial_password_file);
    m->done = done;
    m->owner = owner;

    if (m->action == AUTH_USER_CREATE)
        m->code = check_name(m->name, &m->err);
    if (m->code == 0 && m->password)
        m->code = password_check(m->password, &m->err);
    if (m->code < 0) {
        job_defer(a->o.store_jobs, m, manage_next);
    } else {
        manage_next(m);
    }
}
