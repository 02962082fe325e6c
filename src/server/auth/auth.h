#pragma once

/*
 * Authentication: resolves sessions and API keys to an identity. Lives on the loop.
 *
 * The proof of a request (a session cookie or a bearer) is hashed to a key of the cache (cache.h),
 * which keeps identities for a few seconds, so that most API calls need no store job. A change made
 * here drops the affected entries at once; a change by another process is noticed when the entry
 * expires.
 *
 * Logins, password changes and changes of users are flows (auth_internal.h): jobs of the store and
 * of argon2, one after the other, and then one call of `done` on the loop. auth_free() abandons the
 * flows in progress; the queues and the store must outlive auth. A connection that stays open is
 * watched (watch.h), because its identity can end or change.
 *
 *   proof      session id or bearer, with the address of the client
 *   identity   the user or API key that a proof belongs to, with role and scope
 *   bearer     the secret of an API key, in the header Authorization
 *   peer       the address that a request comes from
 */

#include "base/error.h"
#include "proto/role.h"
#include "server/auth/networks.h"
#include "server/common/job.h"
#include "server/rights/scope.h"
#include "server/store/store.h"
#include "server/store/users.h"
#include <stdbool.h>
#include <stdint.h>

struct identity {
    int64_t user_id;     /* 0 for an API key */
    int64_t key_id;      /* 0 for a session */
    int64_t owner_id;    /* the user, or the one who created the API key; 0: created offline */
    char name[64];       /* user name or key name */
    char owner_name[64]; /* of owner_id; "": none */
    char display_name[USER_MAX_DISPLAY_NAME + 1]; /* of a user; "": none */
    enum role role;
    bool must_change_password;
    struct networks networks; /* where an API key may be used */
    int64_t expires_at_ms;    /* 0: never */
    struct scope scope;       /* the hosts and containers that may be accessed */
};

/* Returns whether the identity is an API key with an expiry, networks or a scope of its own. Such a
 * key must not get rid of these limits by means of what it creates or changes. */
bool identity_is_limited_key(const struct identity *who);

/* Returns whether a user can have this name: 1 to AUTH_MAX_NAME letters, digits and ._@- */
bool auth_name_is_valid(const char *name);
#define AUTH_MAX_NAME 63

/* A session with an initial password may only change it. */
#define AUTH_MUST_CHANGE "The initial password must be changed first"

#define AUTH_HASH_PARALLEL 2

struct auth;

struct auth_options {
    /* For delayed logins and auth/watch.h; NULL: no login waits, and no watch notices expiry. */
    struct loop *loop;
    struct job_queue *store_jobs; /* in order */
    struct job_queue *hash_jobs;  /* argon2, AUTH_HASH_PARALLEL at a time */
    struct db *store;
    uint64_t session_lifetime_ms;      /* 24 h */
    const char *initial_password_file; /* deleted at the first change of that password; or NULL */
    unsigned login_attempts;           /* failed ones per minute, by network and by user; 0: 10 */
    uint64_t login_delay_ms;    /* between attempts beyond that from known networks; 0: 5 s */
    uint64_t (*clock_ms)(void); /* NULL: time_monotonic_ms */
    int64_t (*utc_ms)(void);    /* NULL: time_utc_ms */
};

/* Copies the options; queues, store and loop are borrowed. */
struct auth *auth_new(const struct auth_options *o);
/* Abandons the flows in progress: their `done` is never called. The queues and the store must
 * outlive them. */
void auth_free(struct auth *a);

/* Calls `done` exactly once, on the loop, possibly before the function returns (when the identity
 * is cached). `code` is 0, -ENOKEY, -ENOBUFS, or -EACCES for an API key that may not be used from
 * the address of the peer; `who` is that key then. A bearer takes precedence over a session; both
 * may be NULL. */
typedef void (*auth_identity_fn)(void *owner, int code, const struct identity *who);
struct auth_proof {
    const char *session_id, *bearer;
    const char *peer;    /* address of the client */
    const char *request; /* for the audit row of a key refused for its address; NULL: no row */
};
/* Resolves the proof to an identity. The proof is copied. */
void auth_check(struct auth *a, const struct auth_proof *proof, auth_identity_fn done, void *owner);

/* The functions below call `done` exactly once, on the loop, after they have returned. */

struct auth_login_result {
    int code; /* 0, -ENOKEY wrong name or password, -EAGAIN too many attempts, -ENOBUFS busy */
    const char *session_id; /* secret, for the cookie */
    struct identity who;
    uint64_t retry_after_s;
};
typedef void (*auth_login_fn)(void *owner, const struct auth_login_result *r);
struct auth_login_request {
    const char *peer, *name, *password;
    const char *session_id; /* of an older session, which proves a known client; or NULL */
};
/*
 * Verifies name and password and opens a session. The texts are copied. Failed attempts count
 * against the limits of the network and of the user; a success resets the user's. From a network
 * that this user has logged in from before, an attempt beyond these limits is not refused but
 * waits for its turn, which comes every login_delay_ms, so that nobody else can lock the user out.
 */
void auth_login(struct auth *a,
                const struct auth_login_request *request,
                auth_login_fn done,
                void *owner);

typedef void (*auth_code_fn)(void *owner, int code, const struct error *err);
/* Ends the session. An unknown or malformed session id is not an error. */
void auth_logout(struct auth *a, const char *session_id, auth_code_fn done, void *owner);
/* `code` is -ENOKEY when the current password is wrong, -EDOM when the new one is invalid (8 to 128
 * characters, not the current one), -EAGAIN after too many attempts. Ends the user's other
 * sessions and, unless keep_api_keys, the user's API keys: a key that was made with a known
 * password must not survive the change of that password unnoticed. */
struct auth_password_change {
    int64_t user_id;
    const char *current, *new_password;
    const char *keep_session_id; /* or NULL */
    bool keep_api_keys;
};
void auth_change_password(struct auth *a,
                          const struct auth_password_change *request,
                          auth_code_fn done,
                          void *owner);

/*
 * Changes of users by an admin. -EBUSY for deleting, demoting or limiting the last admin without a
 * scope, and -EACCES for doing so to oneself. A password set by an admin must be changed by its
 * user, and ends the user's API keys. All actions end the sessions of the user, except creation and a
 * change that leaves role and scope as they are. They drop all cached identities.
 */
enum auth_user_action {
    AUTH_USER_CREATE,
    AUTH_USER_SET_RIGHTS,
    AUTH_USER_SET_PASSWORD,
    AUTH_USER_DELETE,
};
struct auth_user_request {
    enum auth_user_action action;
    struct identity by;
    int64_t user_id;   /* not for create */
    const char *name;  /* create */
    enum role role;    /* create, set rights */
    bool keep_role;    /* set rights: the role stays as it is */
    bool with_scope;   /* set rights: without it the scope stays as it is */
    const char *scope; /* create, set rights: text of scope_rules_text(), NULL: everything */
    /* Set rights: without these, the texts stay as they are. */
    bool with_display_name, with_email;
    const char *display_name, *email; /* create, set rights; or NULL */
    const char *password;             /* create, set password; NULL: a random one */
};
struct auth_user_result {
    int code; /* 0, -EACCES, -EBUSY, -EDOM, -EEXIST, -ENOENT, -ENOBUFS */
    const struct error *err;
    const struct user *user;     /* after the change, or before its deletion */
    const char *random_password; /* NULL: none was generated */
};
typedef void (*auth_user_fn)(void *owner, const struct auth_user_result *r);
void auth_manage_user(struct auth *a,
                      const struct auth_user_request *request,
                      auth_user_fn done,
                      void *owner);

/* Call after a session was revoked by its short name, and after api_keys_delete(), so that the
 * proofs of these are refused at once. */
void auth_forget_all(struct auth *a);
