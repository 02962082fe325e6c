#pragma once

/*
 * Who is asking: users, sessions and API keys resolved to an identity, with a short-lived cache in front
 * of the store so that an API call normally needs no job. Lives on the loop.
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
    int64_t user_id; /* 0 for an API key */
    int64_t key_id;  /* 0 for a session */
    char name[64];   /* user name or key name */
    enum role role;
    bool must_change_password;
    struct networks networks; /* of an API key: where it may be used */
    struct scope scope;       /* what may be seen and touched */
};

/* Until that has happened, a session is good for nothing else. */
#define AUTH_MUST_CHANGE "The initial password must be changed first"

struct auth;

struct auth_options {
    struct loop *loop;            /* for auth/watch.h; NULL: what time ends is not noticed there */
    struct job_queue *store_jobs; /* in order */
    struct job_queue *hash_jobs;  /* argon2, two side by side at most */
    struct db *store;
    uint64_t session_lifetime_ms;      /* 24 h */
    const char *initial_password_file; /* removed with the first change of that password; or NULL */
    unsigned login_attempts;           /* that fail, per minute, by peer and by user; 0: 10 */
    uint64_t (*clock_ms)(void);        /* NULL: time_monotonic_ms */
    int64_t (*utc_ms)(void);           /* NULL: time_utc_ms */
};

struct auth *auth_new(const struct auth_options *o);
/* What is still under way is abandoned: its done is never called. Queues and store must outlive it. */
void auth_free(struct auth *a);

/* Exactly one call of done, on the loop, possibly before the function returns (cache hit). code 0,
   -ENOKEY, -ENOBUFS; -EACCES: an API key that may not be used from there, `who` is it. A bearer counts before a session;
   both may be NULL. */
typedef void (*auth_identity_fn)(void *owner, int code, const struct identity *who);
struct auth_proof {
    const char *session_id, *bearer;
    const char *peer; /* address that it comes from */
    const char
        *request; /* for the audit log, when a key is refused for its address; NULL: no row */
};
void auth_check(struct auth *a, const struct auth_proof *proof, auth_identity_fn done, void *owner);

/* The functions below call done exactly once, on the loop, after they have returned. */

struct auth_login_result {
    int code; /* 0, -ENOKEY wrong name or password, -EAGAIN too many attempts, -ENOBUFS busy */
    const char *session_id; /* secret for the cookie */
    struct identity who;
    uint64_t retry_after_s;
};
typedef void (*auth_login_fn)(void *owner, const struct auth_login_result *r);
void auth_login(struct auth *a,
                const char *peer,
                const char *name,
                const char *password,
                auth_login_fn done,
                void *owner);

typedef void (*auth_code_fn)(void *owner, int code, const struct error *err);
void auth_logout(struct auth *a, const char *session_id, auth_code_fn done, void *owner);
/* -ENOKEY: current password wrong; -EDOM: the new one is refused (8 to 128 characters, not the old one);
   -EAGAIN: too many attempts. Ends the user's other sessions. */
struct auth_password_change {
    int64_t user_id;
    const char *current, *new_password;
    const char *keep_session_id; /* or NULL */
};
void auth_change_password(struct auth *a,
                          const struct auth_password_change *request,
                          auth_code_fn done,
                          void *owner);

/*
 * What an admin does to users. Nobody deletes, demotes or limits the last admin that has no scope (-EBUSY) or oneself
 * (-EACCES). A password that an admin has set must be changed by its user. All but a new user end the sessions of the user, and nothing
 * remembered of anybody's role is believed any longer.
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
    int64_t user_id;      /* not for create */
    const char *name;     /* create */
    enum role role;       /* create, set rights */
    bool with_scope;      /* set rights: without it the scope stays as it is */
    const char *scope;    /* create, set rights: text of scope_rules_text(), NULL: everything */
    const char *password; /* create, set password; NULL: a random one */
};
struct auth_user_result {
    int code; /* 0, -EACCES, -EBUSY, -EDOM, -EEXIST, -ENOENT, -ENOBUFS */
    const struct error *err;
    const struct user *user;     /* as it is now, or was before it was deleted */
    const char *random_password; /* NULL: none was made */
};
typedef void (*auth_user_fn)(void *owner, const struct auth_user_result *r);
void auth_manage_user(struct auth *a,
                      const struct auth_user_request *request,
                      auth_user_fn done,
                      void *owner);

/* After a session was revoked by its short name. */
void auth_forget_all(struct auth *a);

/* After api_keys_delete(): the key counts no longer, without waiting for the cache to age. */
void auth_forget_key(struct auth *a, int64_t key_id);
