#include "server/auth/auth.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "server/auth/auth_internal.h"
#include "server/common/audit_log.h"
#include "server/store/api_keys.h"
#include "server/store/identities.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CACHE_LIFETIME_MS   5000
#define CACHE_MAX           4096
#define LOGIN_ATTEMPTS      10
#define LOGIN_WINDOW_MS     60000
#define LOGIN_DELAY_MS      5000
#define LIMIT_MAX_KEYS      4096
#define KEY_TOUCH_PERIOD_MS 60000

struct auth *auth_new(const struct auth_options *o)
{
    struct auth *a = xcalloc(1, sizeof(*a));
    unsigned attempts = o->login_attempts ? o->login_attempts : LOGIN_ATTEMPTS;

    a->o = *o;
    if (!a->o.clock_ms)
        a->o.clock_ms = time_monotonic_ms;
    if (!a->o.utc_ms)
        a->o.utc_ms = time_utc_ms;
    a->initial_password_file = xstrdup(o->initial_password_file);
    a->o.initial_password_file = NULL; /* borrowed from the caller; not used any more */
    a->cache = identity_cache_new(CACHE_LIFETIME_MS, CACHE_MAX);
    a->by_peer = limit_new(attempts, LOGIN_WINDOW_MS, LIMIT_MAX_KEYS);
    a->by_user = limit_new(attempts, LOGIN_WINDOW_MS, LIMIT_MAX_KEYS);
    a->by_known = limit_new(1, o->login_delay_ms ? o->login_delay_ms : LOGIN_DELAY_MS,
                            LIMIT_MAX_KEYS);
    a->by_change = limit_new(attempts, LOGIN_WINDOW_MS, LIMIT_MAX_KEYS);
    a->hashes = hash_queue_new(o->hash_jobs, AUTH_HASH_PARALLEL);
    list_init(&a->flows);
    list_init(&a->delayed);
    auth_watches_init(a);
    return a;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    hash_queue_free(a->hashes);
    while (!list_empty(&a->flows)) {
        struct auth_flow *f = CONTAINER_OF(a->flows.next, struct auth_flow, link);

        list_unlink(&f->link);
        f->auth = NULL;
        if (f->abandon)
            f->abandon(f);
    }
    auth_watches_done(a);
    identity_cache_free(a->cache);
    limit_free(a->by_peer);
    limit_free(a->by_user);
    limit_free(a->by_known);
    limit_free(a->by_change);
    free(a->initial_password_file);
    free(a);
}

void auth_flow_init(struct auth_flow *f, struct auth *a)
{
    f->auth = a;
    f->store = a->o.store;
    list_init(&f->link);
    list_append(&a->flows, &f->link);
}

void auth_flow_done(struct auth_flow *f)
{
    list_unlink(&f->link);
}

void auth_flow_set_known(struct auth_flow *f, int64_t user_id)
{
    f->hash.is_known = true;
    (void)snprintf(f->hash.source, sizeof(f->hash.source), "user %jd", (intmax_t)user_id);
}

int auth_flow_hash(struct auth_flow *f, job_fn work, job_fn next, job_fn refuse)
{
    f->hash.work = work;
    f->hash.done = next;
    f->hash.refuse = refuse;
    f->hash.owner = f;
    return hash_queue_submit(f->auth->hashes, &f->hash);
}

static void make_key(char kind, const char *secret, char ret[IDENTITY_KEY_SIZE])
{
    ret[0] = kind;
    ret[1] = ':';
    secret_hash(secret, ret + 2);
}

bool auth_session_key(const char *session_id, char ret[IDENTITY_KEY_SIZE])
{
    if (!session_id || !str_is_hex(session_id, SESSION_ID_LENGTH))
        return false;
    make_key('s', session_id, ret);
    return true;
}

/* The form of keys that DockMon's server made; they are valid here after an import. */
static bool is_foreign_key(const char *bearer)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t length;

    if (!str_starts_with(bearer, API_KEY_PREFIX))
        return false;
    bearer += strlen(API_KEY_PREFIX);
    length = strlen(bearer);
    return length == API_KEY_FOREIGN_LENGTH && strspn(bearer, letters) == length;
}

static bool make_bearer_key(const char *bearer, char ret[IDENTITY_KEY_SIZE])
{
    static const char *const prefixes[] = {API_KEY_PREFIX, API_KEY_OLD_PREFIX};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (str_starts_with(bearer, prefixes[i]) &&
            str_is_hex(bearer + strlen(prefixes[i]), API_KEY_SECRET_LENGTH)) {
            make_key('k', bearer, ret);
            return true;
        }
    }
    if (!is_foreign_key(bearer))
        return false;
    make_key('k', bearer, ret);
    return true;
}

bool identity_is_limited_key(const struct identity *who)
{
    return who->key_id && (who->expires_at_ms || who->networks.n > 0 || who->scope.own.n_rules > 0);
}

int auth_check_unchanged(struct db *s, const struct user *user, struct error *err)
{
    _cleanup_(user_done) struct user now = {0};
    int r;

    r = users_get(s, user->id, &now, err);
    if (r == 0 && !str_eq(now.password_hash, user->password_hash))
        r = -ENOKEY;
    return r == -ENOENT || r == -ENOKEY
               ? error_set(err, -ENOKEY, "The password was changed in the meantime")
               : r;
}

const char *auth_key_hash(const char *key)
{
    return key + 2;
}

struct check {
    struct auth_flow flow;
    char key[IDENTITY_KEY_SIZE];
    char *peer, *request;
    int64_t now_ms;
    struct identity_row row;
    int code;
    struct error err;
    auth_identity_fn done;
    void *owner;
};

static void check_free(struct check *c)
{
    auth_flow_done(&c->flow);
    identity_row_done(&c->row);
    free(c->peer);
    free(c->request);
    free(c);
}

static void check_work(void *job)
{
    struct check *c = job;
    const char *hash = auth_key_hash(c->key);

    if (c->key[0] == 's') {
        c->code = identities_get_by_session(c->flow.store, hash, c->now_ms, &c->row, &c->err);
        return;
    }
    c->code = identities_get_by_key(c->flow.store, hash, c->now_ms, &c->row, &c->err);
    /* A database that cannot be written, which is reported elsewhere, must not lock clients out. */
    if (c->code == 0 && c->now_ms - c->row.last_used_at_ms >= KEY_TOUCH_PERIOD_MS &&
        db_state(c->flow.store) == 0)
        (void)api_keys_touch(c->flow.store, c->row.key_id, c->now_ms, NULL);
}

/* Reads are not recorded in the audit log, but a refused key is: it may be in the wrong hands. */
static void check_address(struct auth *a,
                          const struct auth_proof *proof,
                          const struct identity *who,
                          auth_identity_fn done,
                          void *owner)
{
    bool is_allowed = networks_have(&who->networks, proof->peer);
    struct audit_entry entry;

    if (!is_allowed && proof->request) {
        entry = (struct audit_entry){
            .at_ms = time_utc_ms(),
            .who = xstrdup(who->name),
            .peer = xstrdup(proof->peer),
            .action = xstrdup("apikey_refused"),
            .target = xstrdup(proof->request),
            .result = xstrdup("403 not from this address"),
        };
        log_warn(LOG_FIELDS("key", who->name, "peer", proof->peer),
                 "API key refused: its address is not allowed");
        audit_add(a->o.store, a->o.store_jobs, &entry);
    }
    done(owner, is_allowed ? 0 : -EACCES, who);
}

static void check_on_work(void *job)
{
    struct check *c = job;
    struct auth *a = c->flow.auth;
    struct identity who = {0};

    if (!a) {
        check_free(c);
        return;
    }
    if (c->code == 0)
        c->code = networks_parse(c->row.networks, &who.networks, &c->err);
    if (c->code == 0)
        c->code = scope_rules_parse(c->row.scope, &who.scope.own, &c->err);
    if (c->code == 0)
        c->code = scope_rules_parse(c->row.scope_ceiling, &who.scope.ceiling, &c->err);
    if (c->code == 0) {
        who.user_id = c->row.user_id;
        who.key_id = c->row.key_id;
        who.owner_id = c->row.owner_id;
        str_copy(who.name, sizeof(who.name), c->row.name);
        if (c->row.owner_name)
            str_copy(who.owner_name, sizeof(who.owner_name), c->row.owner_name);
        if (c->row.display_name)
            str_copy(who.display_name, sizeof(who.display_name), c->row.display_name);
        who.role = c->row.role;
        who.must_change_password = c->row.must_change_password;
        who.expires_at_ms = c->row.expires_at_ms;
        identity_cache_put(a->cache, c->key, &who, a->o.clock_ms());
        check_address(a, &(struct auth_proof){.peer = c->peer, .request = c->request}, &who,
                      c->done, c->owner);
    } else if (c->code == -ENOENT) {
        c->done(c->owner, -ENOKEY, NULL);
    } else {
        log_error(NULL, "could not check credentials: %s", c->err.msg);
        c->done(c->owner, -ENOBUFS, NULL);
    }
    check_free(c);
}

static void check_start(struct auth *a,
                        const char *key,
                        const struct auth_proof *proof,
                        auth_identity_fn done,
                        void *owner)
{
    struct check *c = xcalloc(1, sizeof(*c));

    auth_flow_init(&c->flow, a);
    str_copy(c->key, sizeof(c->key), key);
    c->now_ms = a->o.utc_ms();
    c->peer = xstrdup(proof->peer);
    c->request = xstrdup(proof->request);
    c->done = done;
    c->owner = owner;
    if (job_submit(a->o.store_jobs, c, check_work, check_on_work) < 0) {
        check_free(c);
        done(owner, -ENOBUFS, NULL);
    }
}

bool auth_proof_key(const struct auth_proof *proof, char ret[IDENTITY_KEY_SIZE])
{
    return proof->bearer ? make_bearer_key(proof->bearer, ret)
                         : auth_session_key(proof->session_id, ret);
}

void auth_check_key(struct auth *a,
                    const char *key,
                    const struct auth_proof *proof,
                    auth_identity_fn done,
                    void *owner)
{
    const struct identity *known = identity_cache_find(a->cache, key, a->o.clock_ms());
    struct identity who;

    if (!known || (known->expires_at_ms && known->expires_at_ms <= a->o.utc_ms())) {
        check_start(a, key, proof, done, owner);
        return;
    }
    who = *known; /* done() may change the cache */
    check_address(a, proof, &who, done, owner);
}

void auth_check(struct auth *a, const struct auth_proof *proof, auth_identity_fn done, void *owner)
{
    char key[IDENTITY_KEY_SIZE];

    if (auth_proof_key(proof, key)) {
        auth_check_key(a, key, proof, done, owner);
    } else {
        done(owner, -ENOKEY, NULL);
    }
}

void auth_forget_all(struct auth *a)
{
    identity_cache_free(a->cache);
    a->cache = identity_cache_new(CACHE_LIFETIME_MS, CACHE_MAX);
    auth_watches_sweep(a);
}
