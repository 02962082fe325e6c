/*
 * Login and logout. A login is a flow of three jobs: read the user's row, verify the password
 * (argon2), store the new session. Between the first two the limits of attempts are checked, which
 * depend on the user: see await_turn().
 */

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "server/auth/auth.h"
#include "server/auth/auth_internal.h"
#include "server/auth/password.h"
#include "server/store/identities.h"
#include "server/store/user_networks.h"
#include "server/store/user_sessions.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_PASSWORD   1024
#define MAX_DELAYED    64 /* logins that wait for their turn, of all users */
#define MAX_OF_NETWORK 3  /* of one user and network */

enum login_step { LOGIN_LOOKUP, LOGIN_ADMIT, LOGIN_VERIFY, LOGIN_STORE, LOGIN_FINISH };

struct login {
    struct auth_flow flow;
    enum login_step step; /* the next one */
    char *peer, *name, *password;
    char network[NETWORK_KEY_SIZE], group[NETWORK_KEY_SIZE];
    char session_key[IDENTITY_KEY_SIZE]; /* empty: none was sent */
    int64_t now_ms, expires_at_ms;
    struct user user;                      /* name NULL: there is no such user */
    bool is_known_network;                 /* the user has logged in from there before */
    bool is_peer_taken, is_user_taken;     /* of the limits */
    char known_key[NETWORK_KEY_SIZE + 24]; /* of auth.by_known */
    struct loop_timer turn;
    struct list delayed_link; /* on auth.delayed while `turn` runs */
    bool is_right;
    char new_hash[PASSWORD_HASH_SIZE]; /* replaces an outdated one; empty: none */
    bool is_again;                     /* the hash was replaced while this login verified it */
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

/* Only failed attempts count, and those that were not verified at all do not. */
static void settle_limits(struct login *l)
{
    struct auth *a = l->flow.auth;

    if (l->code == -ENOKEY || l->code == -EAGAIN)
        return;
    if (l->is_peer_taken)
        limit_undo_address(a->by_peer, l->peer);
    if (l->code == 0) {
        limit_forget(a->by_user, l->name);
    } else if (l->is_user_taken) {
        limit_undo(a->by_user, l->name);
    }
}

static void login_finish(struct login *l)
{
    struct auth_login_result result = {.retry_after_s = l->retry_after_s};

    if (l->code == 0)
        l->code = scope_rules_parse(l->user.scope, &result.who.scope.own, &l->err);
    settle_limits(l);
    result.code = l->code;
    if (l->code == 0) {
        result.session_id = l->session_id;
        result.who.user_id = result.who.owner_id = l->user.id;
        str_copy(result.who.name, sizeof(result.who.name), l->user.name);
        str_copy(result.who.owner_name, sizeof(result.who.owner_name), l->user.name);
        if (l->user.display_name) {
            str_copy(result.who.display_name, sizeof(result.who.display_name),
                     l->user.display_name);
        }
        result.who.role = l->user.role;
        result.who.must_change_password = l->user.must_change_password;
    } else if (l->code != -ENOKEY && l->code != -EAGAIN && l->code != -ENOBUFS) {
        log_error(LOG_FIELDS("user", l->name, "peer", l->peer), "login failed: %s", l->err.msg);
        result.code = -ENOBUFS;
    }
    l->done(l->owner, &result);
    login_free(l);
}

/* A client is known by a session of any user, or by a network that this user has used before. */
static int find_known(struct login *l)
{
    struct identity_row row = {0};
    int r = 0;

    if (l->user.name) {
        r = user_networks_have(l->flow.store, l->user.id, l->network, l->now_ms,
                               &l->is_known_network, &l->err);
    }
    if (r == 0 && l->session_key[0]) {
        r = identities_get_by_session(l->flow.store, auth_key_hash(l->session_key), l->now_ms, &row,
                                      NULL);
        l->flow.hash.is_known = r == 0;
        identity_row_done(&row);
        r = 0; /* an old cookie is no error */
    }
    l->flow.hash.is_known |= l->is_known_network;
    return r;
}

static void lookup_work(void *job)
{
    struct login *l = job;

    l->code = users_get_by_name(l->flow.store, l->name, &l->user, &l->err);
    if (l->code == -ENOENT)
        l->code = 0; /* reported after the time that a wrong password takes */
    if (l->code == 0)
        l->code = find_known(l);
}

static void verify_work(void *job)
{
    struct login *l = job;

    l->is_right = password_verify(l->password, l->user.name ? l->user.password_hash : NULL);
    if (l->is_right && password_is_outdated_hash(l->user.password_hash) &&
        password_hash(l->password, l->new_hash, NULL) < 0)
        l->new_hash[0] = '\0'; /* without memory, the next login replaces it */
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
    if (r == 0 && l->new_hash[0]) {
        r = users_set_password(s, l->user.id, l->new_hash, l->user.must_change_password, l->now_ms,
                               err);
    }
    if (r == 0)
        r = user_sessions_purge(s, l->now_ms, err);
    if (r == 0)
        r = user_sessions_insert(s, &row, err);
    if (r == 0)
        r = users_touch_login(s, l->user.id, l->now_ms, err);
    if (r == 0)
        r = user_networks_note(s, l->user.id, l->network, l->now_ms, err);
    return r;
}

static void store_work(void *job)
{
    struct login *l = job;

    secret_free(l->session_id); /* of an attempt that another login has overtaken */
    l->session_id = secret_new();
    l->code = db_tx(l->flow.store, store_login, l, &l->err);
}

static void login_next(void *job);

static void refuse(void *job)
{
    struct login *l = job;

    l->code = error_set(&l->err, -ENOBUFS, "too many jobs wait");
    job_defer(l->flow.auth->o.store_jobs, l, login_next);
}

/* Returns -EAGAIN when a limit is reached. */
static int take_limits(struct login *l, uint64_t *ret_wait_ms)
{
    struct auth *a = l->flow.auth;
    uint64_t now_ms = a->o.clock_ms();
    int r;

    r = limit_take_address(a->by_peer, l->peer, now_ms, ret_wait_ms);
    l->is_peer_taken = r == 0;
    /* A name that cannot exist needs no protection, and would take a place of one that does. */
    if (r == 0 && auth_name_is_valid(l->name)) {
        r = limit_take(a->by_user, l->name, l->group, now_ms, ret_wait_ms);
        l->is_user_taken = r == 0;
    }
    return r;
}

static bool may_wait(const struct auth *a, const struct login *l)
{
    unsigned n = 0;

    for (struct list *i = a->delayed.next; i != &a->delayed; i = i->next)
        n += str_eq(CONTAINER_OF(i, struct login, delayed_link)->known_key, l->known_key);
    return a->o.loop && a->n_delayed < MAX_DELAYED && n < MAX_OF_NETWORK;
}

static void stop_waiting(struct login *l)
{
    loop_timer_stop(&l->turn);
    list_unlink(&l->delayed_link);
    l->flow.abandon = NULL;
}

/* auth has been freed, and its count of delayed logins with it. */
static void abandon(struct auth_flow *f)
{
    struct login *l = CONTAINER_OF(f, struct login, flow);

    stop_waiting(l);
    login_free(l);
}

static void on_turn(struct loop_timer *t);

/*
 * The limits are reached, perhaps by others who want to lock the user out. A login from a network
 * that the user is known to use waits for the turn of this user and network. Returns true when it
 * waits.
 */
static bool await_turn(struct login *l)
{
    struct auth *a = l->flow.auth;
    uint64_t wait_ms = 0;

    if (limit_take(a->by_known, l->known_key, l->group, a->o.clock_ms(), &wait_ms) == 0)
        return false;
    if (!may_wait(a, l)) {
        l->code = -EAGAIN;
        l->retry_after_s = (wait_ms + 999) / 1000;
        return false;
    }
    l->flow.abandon = abandon;
    list_append(&a->delayed, &l->delayed_link);
    a->n_delayed++;
    loop_timer_start(a->o.loop, &l->turn, wait_ms, on_turn);
    return true;
}

static void on_turn(struct loop_timer *t)
{
    struct login *l = CONTAINER_OF(t, struct login, turn);

    l->flow.auth->n_delayed--;
    stop_waiting(l);
    if (!await_turn(l))
        login_next(l);
}

/* Returns true when the login waits, and continues later. */
static bool admit(struct login *l)
{
    uint64_t wait_ms = 0;

    if (take_limits(l, &wait_ms) == 0)
        return false;
    if (l->is_known_network) {
        (void)snprintf(l->known_key, sizeof(l->known_key), "%jd %s", (intmax_t)l->user.id,
                       l->network);
        return await_turn(l);
    }
    l->code = -EAGAIN;
    l->retry_after_s = (wait_ms + 999) / 1000;
    return false;
}

/* Another login may have replaced the outdated hash in the meantime; the password is still right. */
static void start_again(struct login *l)
{
    user_done(&l->user);
    l->new_hash[0] = '\0';
    l->is_again = true;
    l->code = 0;
    l->step = LOGIN_LOOKUP;
}

static void login_next(void *job)
{
    static const struct {
        job_fn work;
        enum login_step next;
        bool is_hash;
    } steps[] = {
        [LOGIN_LOOKUP] = {lookup_work, LOGIN_ADMIT,  false},
        [LOGIN_VERIFY] = {verify_work, LOGIN_STORE,  true },
        [LOGIN_STORE] = {store_work,  LOGIN_FINISH, false},
    };
    struct login *l = job;
    struct auth *a = l->flow.auth;
    enum login_step step;

    if (!a) {
        login_free(l);
        return;
    }
    if (l->code == 0 && l->step == LOGIN_ADMIT) {
        l->step = LOGIN_VERIFY;
        if (!l->is_again && admit(l))
            return;
    }
    if (l->code == -ENOKEY && l->step == LOGIN_FINISH && l->new_hash[0])
        start_again(l);
    step = l->step;
    if (l->code == 0 && step == LOGIN_STORE && !l->is_right)
        l->code = -ENOKEY;
    if (l->code < 0 || step == LOGIN_FINISH) {
        login_finish(l); /* frees l */
        return;
    }
    l->step = steps[step].next;
    if ((steps[step].is_hash ? auth_flow_hash(&l->flow, steps[step].work, login_next, refuse)
                             : job_submit(a->o.store_jobs, l, steps[step].work, login_next)) < 0)
        refuse(l);
}

/* Names and passwords that are invalid are refused before argon2. */
void auth_login(struct auth *a,
                const struct auth_login_request *request,
                auth_login_fn done,
                void *owner)
{
    struct login *l = xcalloc(1, sizeof(*l));
    uint64_t wait_ms = 0;

    auth_flow_init(&l->flow, a);
    list_init(&l->delayed_link);
    l->peer = xstrdup(request->peer ? request->peer : "");
    network_key(l->peer, l->network);
    network_group(l->peer, l->group);
    str_copy(l->flow.hash.source, sizeof(l->flow.hash.source), l->network);
    l->name = xstrndup(request->name, AUTH_MAX_NAME + 1);
    l->password = xstrndup(request->password, MAX_PASSWORD + 1);
    (void)auth_session_key(request->session_id, l->session_key); /* or it stays empty */
    l->now_ms = a->o.utc_ms();
    l->expires_at_ms = l->now_ms + (int64_t)a->o.session_lifetime_ms;
    l->done = done;
    l->owner = owner;

    if (!auth_name_is_valid(l->name) || strlen(l->password) > MAX_PASSWORD) {
        l->code = take_limits(l, &wait_ms) < 0 ? -EAGAIN : -ENOKEY;
        l->retry_after_s = (wait_ms + 999) / 1000;
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
