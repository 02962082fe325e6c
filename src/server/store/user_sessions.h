#pragma once

/*
 * Table user_sessions: logged-in browsers, by the hash of the session id in their cookie. Only
 * this module and identities.c name the table.
 */

#include "server/store/store.h"
#include <stdint.h>

struct user_session {
    char *id_hash;
    int64_t user_id;
    char *peer; /* address of the login; may be NULL */
    int64_t created_at_ms, expires_at_ms;
};

/* -EINVAL: no such user. */
int user_sessions_insert(struct db *s, const struct user_session *row, struct error *err)
    _nodiscard_;
/* Returns 0 even if there is no such session. */
int user_sessions_delete(struct db *s, const char *id_hash, struct error *err) _nodiscard_;
/* Deletes all sessions of a user, except keep_id_hash (may be NULL). */
int user_sessions_delete_user(struct db *s,
                              int64_t user_id,
                              const char *keep_id_hash,
                              struct error *err) _nodiscard_;

/* The first digits of the hash identify a session in the API, because its id is a secret. */
#define USER_SESSION_SHORT 16

typedef void (*user_sessions_row_fn)(void *arg, const struct user_session *row);
struct user_sessions_filter {
    int64_t user_id, now_ms; /* user_id 0: all users */
};
/* Sessions that have not expired, newest first. */
int user_sessions_each(struct db *s,
                       const struct user_sessions_filter *filter,
                       user_sessions_row_fn fn,
                       void *arg,
                       struct error *err) _nodiscard_;
/* Deletes a session by the first digits of its hash; user_id 0: of any user. -ENOENT. */
int user_sessions_revoke(struct db *s, const char *short_hash, int64_t user_id, struct error *err)
    _nodiscard_;

/* Deletes expired sessions. */
int user_sessions_purge(struct db *s, int64_t now_ms, struct error *err) _nodiscard_;
