#pragma once

/*
 * user_sessions: logged-in browsers, by the hash of the session id in their cookie. Only this module
 * and identities.c name the table `user_sessions`.
 */

#include "server/store/store.h"
#include <stdint.h>

struct user_session {
    char *id_hash;
    int64_t user_id;
    char *peer; /* address it logged in from; may be NULL */
    int64_t created_at_ms, expires_at_ms;
};

int user_sessions_insert(struct db *s, const struct user_session *row, struct error *err)
    _nodiscard_; /* -EINVAL: no such user */
int user_sessions_delete(struct db *s, const char *id_hash, struct error *err)
    _nodiscard_; /* 0 also when there was none */
int user_sessions_delete_user(struct db *s,
                              int64_t user_id,
                              const char *keep_id_hash /* or NULL */,
                              struct error *err) _nodiscard_;

#define USER_SESSION_SHORT \
    16 /* digits of the hash by which a session can be named: the id is a secret */

/* Those that have not expired, newest first; user_id 0: of all users. */
typedef void (*user_sessions_row_fn)(void *arg, const struct user_session *row);
struct user_sessions_filter {
    int64_t user_id, now_ms;
};
int user_sessions_each(struct db *s,
                       const struct user_sessions_filter *filter,
                       user_sessions_row_fn fn,
                       void *arg,
                       struct error *err) _nodiscard_;
/* By the first digits of the hash; user_id 0: whoever's. -ENOENT. */
int user_sessions_revoke(struct db *s, const char *short_hash, int64_t user_id, struct error *err)
    _nodiscard_;

int user_sessions_purge(struct db *s, int64_t now_ms, struct error *err)
    _nodiscard_; /* expired ones */
