/*
 * Change of a password as a flow: read the user's row, verify the current password and hash the new
 * one (argon2), store it, end the other sessions.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "server/auth/auth.h"
#include "server/auth/auth_internal.h"
#include "server/auth/first_user.h"
#include "server/auth/password.h"
#include "server/store/api_keys.h"
#include "server/store/user_sessions.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum change_step { CHANGE_LOOKUP, CHANGE_HASH, CHANGE_STORE, CHANGE_FINISH };

struct change {
    struct auth_flow flow;
    enum change_step step; /* the next one */
    int64_t user_id, now_ms;
    char *current, *new_password;
    char *initial_password_file;  /* or NULL */
    char keep[IDENTITY_KEY_SIZE]; /* empty: end all sessions */
    bool keep_api_keys;
    struct user user;
    char new_hash[PASSWORD_HASH_SIZE];
    int code;
    struct error err;
    auth_code_fn done;
    void *owner;
};

static void change_free(struct change *c)
{
    auth_flow_done(&c->flow);
    user_done(&c->user);
    secret_free(c->current);
    secret_free(c->new_password);
    free(c->initial_password_file);
    free(c);
}

static void lookup_work(void *job)
{
    struct change *c = job;

    c->code = users_get(c->flow.store, c->user_id, &c->user, &c->err);
}

static void hash_work(void *job)
{
    struct change *c = job;

    c->code = password_verify(c->current, c->user.password_hash)
                  ? password_hash(c->new_password, c->new_hash, &c->err)
                  : error_set(&c->err, -ENOKEY, "The current password is wrong");
}

static int store_change(struct db *s, void *arg, struct error *err)
{
    const struct change *c = arg;
    const char *keep = c->keep[0] ? auth_key_hash(c->keep) : NULL;
    int r;

    r = auth_check_unchanged(s, &c->user, err);
    if (r == 0)
        r = users_set_password(s, c->user_id, c->new_hash, false, c->now_ms, err);
    if (r == 0)
        r = user_sessions_delete_user(s, c->user_id, keep, err);
    if (r == 0 && !c->keep_api_keys)
        r = api_keys_delete_user(s, c->user_id, err);
    return r;
}

static void store_work(void *job)
{
    struct change *c = job;

    c->code = db_tx(c->flow.store, store_change, c, &c->err);
    if (c->code == 0 && c->initial_password_file && str_eq(c->user.name, FIRST_USER_NAME)) {
        /* The password in the file is out of date now. */
        (void)unlink(c->initial_password_file);
    }
}

static void change_finish(struct change *c)
{
    if (c->code == 0) {
        auth_forget_all(c->flow.auth);
    }
    c->done(c->owner, c->code, &c->err);
    change_free(c);
}

static void change_next(void *job);

static void refuse(void *job)
{
    struct change *c = job;

    c->code = error_code_set(&c->err, CODE_BUSY, "%s", error_code_sentence(CODE_BUSY));
    job_defer(c->flow.auth->o.store_jobs, c, change_next);
}

static void change_next(void *job)
{
    static const struct {
        job_fn work;
        enum change_step next;
        bool is_hash;
    } steps[] = {
        [CHANGE_LOOKUP] = {lookup_work, CHANGE_HASH,   false},
        [CHANGE_HASH] = {hash_work,   CHANGE_STORE,  true },
        [CHANGE_STORE] = {store_work,  CHANGE_FINISH, false},
    };
    struct change *c = job;
    enum change_step step = c->step;
    struct auth *a = c->flow.auth;

    if (!a) {
        change_free(c);
        return;
    }
    if (c->code < 0 || step == CHANGE_FINISH) {
        change_finish(c); /* frees c */
        return;
    }
    c->step = steps[step].next;
    if ((steps[step].is_hash ? auth_flow_hash(&c->flow, steps[step].work, change_next, refuse)
                             : job_submit(a->o.store_jobs, c, steps[step].work, change_next)) < 0)
        refuse(c);
}

static int check_request(struct auth *a, const struct change *c, struct error *err)
{
    char key[32];
    uint64_t wait_ms;
    int r;

    (void)snprintf(key, sizeof(key), "%jd", (intmax_t)c->user_id);
    if (limit_take(a->by_change, key, key, a->o.clock_ms(), &wait_ms) < 0) {
        return error_set(err, -EAGAIN, "Too many attempts, try again in %u seconds",
                         (unsigned)((wait_ms + 999) / 1000));
    }
    r = password_check(c->new_password, err);
    if (r < 0)
        return r;
    if (str_eq_secret(c->current, c->new_password))
        return error_set(err, -EDOM, "The new password must differ from the current one");
    return 0;
}

void auth_change_password(struct auth *a,
                          const struct auth_password_change *request,
                          auth_code_fn done,
                          void *owner)
{
    struct change *c = xcalloc(1, sizeof(*c));

    auth_flow_init(&c->flow, a);
    auth_flow_set_known(&c->flow, request->user_id);
    c->user_id = request->user_id;
    c->now_ms = a->o.utc_ms();
    c->current = xstrdup(request->current);
    c->new_password = xstrdup(request->new_password);
    c->keep_api_keys = request->keep_api_keys;
    c->initial_password_file = xstrdup(a->initial_password_file);
    c->done = done;
    c->owner = owner;
    (void)auth_session_key(request->keep_session_id,
                           c->keep); /* without a session, keep stays empty */

    c->code = check_request(a, c, &c->err);
    if (c->code < 0) {
        job_defer(a->o.store_jobs, c, change_next);
    } else {
        change_next(c);
    }
}
