#pragma once

/*
 * users: people who log in with a password. Only this module names the table `users`.
 */

#include "proto/role.h"
#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

struct user {
    int64_t id;
    char *name;          /* unique, 1 to 63 bytes */
    char *password_hash; /* argon2id, see auth/password.h */
    enum role role;
    bool must_change_password;
    int64_t created_at_ms, updated_at_ms;
    int64_t last_login_at_ms; /* 0: never */
    char *scope;              /* what the user is limited to, see auth/scope.h; NULL: everything */
};

void user_done(struct user *u);

int users_insert(struct db *s, const struct user *u, int64_t *ret_id, struct error *err)
    _nodiscard_; /* u->id is ignored; -EEXIST: the name */
int users_get(struct db *s, int64_t id, struct user *ret, struct error *err) _nodiscard_;
int users_get_by_name(struct db *s, const char *name, struct user *ret, struct error *err)
    _nodiscard_;
int users_set_password(struct db *s,
                       int64_t id,
                       const char *password_hash,
                       bool must_change,
                       int64_t now_ms,
                       struct error *err) _nodiscard_; /* -ENOENT */
int users_touch_login(struct db *s, int64_t id, int64_t now_ms, struct error *err) _nodiscard_;
int users_count(struct db *s, int64_t *ret, struct error *err) _nodiscard_;

typedef void (*users_row_fn)(void *arg, const struct user *u);
int users_each(struct db *s, users_row_fn fn, void *arg, struct error *err)
    _nodiscard_; /* by name */
int users_set_rights(struct db *s,
                     int64_t id,
                     enum role role,
                     const char *scope /* or NULL */,
                     int64_t now_ms,
                     struct error *err) _nodiscard_; /* -ENOENT */
/* Sessions and API keys of the user go with it. -ENOENT. */
int users_delete(struct db *s, int64_t id, struct error *err) _nodiscard_;
/* Those without a scope: somebody has to be able to do everything. */
int users_count_admins(struct db *s, int64_t *ret, struct error *err) _nodiscard_;
