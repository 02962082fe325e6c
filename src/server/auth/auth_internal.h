#pragma once

/*
 * The inside of auth/: what its flows share. A flow is one request under way, a list of jobs in a row; its
 * struct begins with struct auth_flow. It outlives the auth it began with (flow.auth NULL): then its
 * next step only frees it.
 */

#include "base/list.h"
#include "server/auth/auth.h"
#include "server/auth/cache.h"
#include "server/auth/limit.h"
#include "server/store/secret.h"

#define SESSION_ID_LENGTH 64 /* hex digits */

struct auth {
    struct auth_options o;
    char *initial_password_file; /* or NULL */
    struct identity_cache *cache;
    struct limit *by_peer, *by_user; /* attempts with a password */
    struct list flows;

    /* watch.c */
    struct list watches;
    struct loop_timer watch_timer;
    struct auth_watch *watch_checked; /* whose check is under way; NULL: cancelled since, or none */
    bool is_watch_checking, is_sweeping;
    uint64_t watch_sweep; /* the number of the sweep at hand */
};

struct auth_flow {
    struct list link; /* on auth.flows */
    struct auth *auth;
    struct db *store; /* for work functions: auth belongs to the loop */
};

void auth_flow_init(struct auth_flow *f, struct auth *a);
void auth_flow_done(struct auth_flow *f);

/* "s:" and the hash; false when the text cannot be a session id. */
bool auth_session_key(const char *session_id, char ret[IDENTITY_KEY_SIZE]);
bool auth_proof_key(const struct auth_proof *proof, char ret[IDENTITY_KEY_SIZE]);
/* auth_check() for such a key; of the proof only peer and request count. */
void auth_check_key(struct auth *a,
                    const char *key,
                    const struct auth_proof *proof,
                    auth_identity_fn done,
                    void *owner);
void auth_watches_init(struct auth *a);
void auth_watches_done(struct auth *a);
/* Something has changed of users, sessions or keys: those who are watched are looked at anew. */
void auth_watches_sweep(struct auth *a);
const char *auth_key_hash(const char *key); /* the hash in such a key */
