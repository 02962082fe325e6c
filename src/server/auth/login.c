/*
 * Login and logout. A login is a flow of three jobs: read the user's row, verify the password
 * (argon2), store the new session.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "server/auth/auth.h"
#include "server/auth/auth_internal.h"
#include "server/auth/password.h"
#include "server/store/user_sessions.h"
#include "server/store/users.h"

#include <errno.h>
#include <string.h>

#define MAX_NAME     63
#define MAX_PASSWORD 1024

enum login_step { LOGIN_LOOKUP, LOGIN_VERIFY, LOGIN_STORE, LOGIN_FINISH };

struct login {
    struct auth_flow flow;
    enum login_step step; /* the next one */
    char *peer, *name, *password;
    int64_t now_ms, expires_at_ms;
    struct user user; /* name NULL: there is no such user */
    bool is_right;
    char *session_id;
    int code;
    uint64_t retry_after_s;
    struct error err;
    auth_login_fn done;
    void *owner;
};

static void login_free(struct login *l)
{
    auth_flow_done(&l->flow);
    user_done(&l->user);
    free(l->peer);
    free(l->name);
    secret_free(l->password);
    secret_free(l->session_id);
    free(l);
}

static void login_finish(struct login *l)
{
    struct auth_login_result result = {.retry_after_s = l->retry_after_s};

    if (l->code == 0)
        l->code = scope_rules_parse(l->user.scope, &result.who.scope.own, &l->err);
    result.code = l->code;
    if (l->code == 0) {
        /* Only failed attempts count. */
        limit_forget(l->flow.auth->by_user, l->name);
        limit_undo(l->flow.auth->by_peer, l->peer);
        result.session_id = l->session_id;
        result.who.user_id = result.who.owner_id = l->user.id;
        str_copy(result.who.name, sizeof(result.who.name), l->user.name);
        result.who.role = l->user.role;
        result.who.must_change_password = l->user.must_change_password;
    } else if (l->code != -ENOKEY && l->code != -EAGAIN) {
        log_error(LOG_FIELDS("user", l->name, "peer", l->peer), "login failed: %s", l->err.msg);
        result.code = -ENOBUFS;
    }
    l->done(l->owner, &result);
    login_free(l);
}

static void lookup_work(void *job)
{
    struct login *l = job;

    l->code = users_get_by_name(l->flow.store, l->name, &l->user, &l->err);
    if (l->code == -ENOENT)
        l->code = 0; /* reported after the time that a wrong password takes */
}

static void verify_work(void *job)
{
    struct login *l = job;

    l->is_right = password_verify(l->password, l->user.name ? l->user.password_hash : NULL);
}

static int store_login(struct db *s, void *arg, struct error *err)
{
    struct login *l = arg;
    char hash[SECRET_HASH_SIZE];
    struct user_session row = {
        .id_hash = hash,
        .user_id = l->user.id,
        .peer = l->peer,
        .created_at_ms = l->now_ms,
        .expires_at_ms = l->expires_at_ms,
    };
    int r;

    secret_hash(l->session_id, hash);
    r = auth_check_unchanged(s, &l->user, err);
    if (r == 0)
        r = user_sessions_purge(s, l->now_ms, err);
    if (r == 0)
        r = user_sessions_insert(s, &row, err);
    if (r == 0)
        r = users_touch_login(s, l->user.id, l->now_ms, err);
    return r;
}

static void store_work(void *job)
{
    struct login *l = job;

    l->session_id = secret_new();
    l->code = db_tx(l->flow.store, store_login, l, &l->err);
}

static void login_next(void *job)
{
    static const struct {
        job_fn work;
        enum login_step next;
        bool is_hash;
    } steps[] = {
        [LOGIN_LOOKUP] = {lookup_work, LOGIN_VERIFY, false},
        [LOGIN_VERIFY] = {verify_work, LOGIN_STORE,  true },
        [LOGIN_STORE] = {store_work,  LOGIN_FINISH, false},
    };
    struct login *l = job;
    enum login_step step = l->step;
    struct auth *a = l->flow.auth;

    if (!a) {
        login_free(l);
        return;
    }
    if (l->code == 0 && step == LOGIN_STORE && !l->is_right)
        l->code = -ENOKEY;
    if (l->code < 0 || step == LOGIN_FINISH) {
        login_finish(l); /* frees l */
        return;
    }
    l->step = steps[step].next;
    if (job_submit(steps[step].is_hash ? a->o.hash_jobs : a->o.store_jobs, l, steps[step].work,
                   login_next) < 0) {
        l->code = error_set(&l->err, -ENOBUFS, "too many jobs wait");
        job_defer(a->o.store_jobs, l, login_next);
    }
}

/* Names and passwords beyond the valid length are truncated or refused before argon2. */
void auth_login(struct auth *a,
                const char *peer,
                const char *name,
                const char *password,
                auth_login_fn done,
                void *owner)
{
    struct login *l = xcalloc(1, sizeof(*l));
    uint64_t wait_ms = 0;

    auth_flow_init(&l->flow, a);
    l->peer = xstrdup(peer ? peer : "");
    l->name = xstrndup(name, MAX_NAME + 1);
    l->password = xstrndup(password, MAX_PASSWORD + 1);
    l->now_ms = a->o.utc_ms();
    l->expires_at_ms = l->now_ms + (int64_t)a->o.session_lifetime_ms;
    l->done = done;
    l->owner = owner;

    if (limit_take(a->by_peer, l->peer, a->o.clock_ms(), &wait_ms) < 0 ||
        limit_take(a->by_user, l->name, a->o.clock_ms(), &wait_ms) < 0) {
        l->code = -EAGAIN;
        l->retry_after_s = (wait_ms + 999) / 1000;
    } else if (strlen(l->name) > MAX_NAME || strlen(l->password) > MAX_PASSWORD) {
        l->code = -ENOKEY;
    }
    if (l->code < 0) {
        job_defer(a->o.store_jobs, l, login_next);
    } else {
        login_next(l);
    }
}

struct logout {
    struct auth_flow flow;
    char key[IDENTITY_KEY_SIZE]; /* empty: the id is malformed, so there is no session to end */
    int code;
    struct error err;
    auth_code_fn done;
    void *owner;
};

static void logout_work(void *job)
{
    struct logout *l = job;

    l->code = user_sessions_delete(l->flow.store, auth_key_hash(l->key), &l->err);
}

static void logout_finish(void *job)
{
    struct logout *l = job;

    if (l->flow.auth) {
        /* Not earlier: a check in progress may have cached the session in the meantime. */
        identity_cache_remove(l->flow.auth->cache, l->key);
        auth_watches_sweep(l->flow.auth);
        l->done(l->owner, l->code, &l->err);
    }
    auth_flow_done(&l->flow);
    free(l);
}

void auth_logout(struct auth *a, const char *session_id, auth_code_fn done, void *owner)
{
    struct logout *l = xcalloc(1, sizeof(*l));

    auth_flow_init(&l->flow, a);
    l->done = done;
    l->owner = owner;
    if (!auth_session_key(session_id, l->key)) {
        job_defer(a->o.store_jobs, l, logout_finish);
    } else if (job_submit(a->o.store_jobs, l, logout_work, logout_finish) < 0) {
        l->code = error_set(&l->err, -ENOBUFS, "too many jobs wait");
        job_defer(a->o.store_jobs, l, logout_finish);
    }
}
