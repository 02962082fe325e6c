#pragma once

/*
 * Parts of auth.h that its flows share. A flow is a request in progress, a sequence of jobs; its
 * struct begins with struct auth_flow. A flow can outlive its auth (flow.auth is NULL then): its
 * next step only frees it.
 */

#include "base/list.h"
#include "server/auth/auth.h"
#include "server/auth/cache.h"
#include "server/auth/hash_queue.h"
#include "server/auth/limit.h"
#include "server/store/secret.h"

#define SESSION_ID_LENGTH 64 /* hex digits */

struct auth {
    struct auth_options o;
    char *initial_password_file; /* or NULL */
    struct identity_cache *cache;
    struct hash_queue *hashes;
    struct list flows;

    /* Attempts with a password: logins by network, by name of the user, and by user with a network
     * that is known (login.c); changes of a password by user. */
    struct limit *by_peer, *by_user, *by_known, *by_change;
    struct list delayed; /* logins (login.c) */
    size_t n_delayed;

    /* watch.c */
    struct list watches;
    struct loop_timer watch_timer;
    struct auth_watch
        *watch_checked; /* the watch that is being checked; NULL: none, or it was cancelled */
    bool is_watch_checking, is_sweeping;
    uint64_t watch_sweep; /* number of the current sweep */
};

struct auth_flow {
    struct list link; /* on auth.flows */
    struct auth *auth;
    struct db *store; /* for work(), which must not access auth */
    struct hash_job hash;
    void (*abandon)(struct auth_flow *f); /* frees a flow that waits for no job; or NULL */
};

/* Adds the flow to auth.flows, so that auth_free() can detach it. */
void auth_flow_init(struct auth_flow *f, struct auth *a);
/* Removes the flow from auth.flows; harmless after auth_free(). */
void auth_flow_done(struct auth_flow *f);

/* Names the source of the flow's hashes: a user who has authenticated. */
void auth_flow_set_known(struct auth_flow *f, int64_t user_id);
/* Runs `work` by the queue of hashes and then `next`; both get the flow. Returns -ENOBUFS when there
 * is no place. When the flow loses its place later, `refuse` is called instead. */
int auth_flow_hash(struct auth_flow *f, job_fn work, job_fn next, job_fn refuse) _nodiscard_;

/* Returns -ENOKEY if the password of the user is another one than in the row, which was read before
 * argon2: a password that was replaced in the meantime must not open or change anything. */
int auth_check_unchanged(struct db *s, const struct user *user, struct error *err) _nodiscard_;

/* Writes "s:" and the hash. Returns false when the text cannot be a session id. */
bool auth_session_key(const char *session_id, char ret[IDENTITY_KEY_SIZE]);
/* Writes the cache key of the bearer, or else of the session. Returns false when it is
 * malformed. */
bool auth_proof_key(const struct auth_proof *proof, char ret[IDENTITY_KEY_SIZE]);
/* auth_check() for a cache key; of the proof, only peer and request are used. */
void auth_check_key(struct auth *a,
                    const char *key,
                    const struct auth_proof *proof,
                    auth_identity_fn done,
                    void *owner);
/* Starts the periodic sweep, if auth has a loop. */
void auth_watches_init(struct auth *a);
/* Stops the sweep and detaches the watches, which remain their owners' to cancel. */
void auth_watches_done(struct auth *a);
/* Checks all watches again, after a change of users, sessions or keys. */
void auth_watches_sweep(struct auth *a);
const char *auth_key_hash(const char *key); /* the hash within a cache key */
