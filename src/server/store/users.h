#pragma once

/*
 * Table users: people who log in with a password. Only this module names the table.
 */

#include "proto/role.h"
#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

#define USER_MAX_DISPLAY_NAME 100 /* bytes */
#define USER_MAX_EMAIL        254

struct user {
    int64_t id;
    char *name;          /* unique, 1 to 63 bytes */
    char *password_hash; /* argon2id or bcrypt, see auth/password.h */
    enum role role;
    bool must_change_password;
    int64_t created_at_ms, updated_at_ms;
    int64_t last_login_at_ms;   /* 0: never */
    char *display_name, *email; /* or NULL */
    char *scope;                /* the objects the user may access, see rights/scope.h; NULL: all */
};

void user_done(struct user *u);

/* Ignores u->id. -EEXIST: the name is in use. */
int users_insert(struct db *s, const struct user *u, int64_t *ret_id, struct error *err)
    _nodiscard_;
/* Fill *ret, which the caller frees with user_done(). -ENOENT. */
int users_get(struct db *s, int64_t id, struct user *ret, struct error *err) _nodiscard_;
int users_get_by_name(struct db *s, const char *name, struct user *ret, struct error *err)
    _nodiscard_;
/* -ENOENT. */
int users_set_password(struct db *s,
                       int64_t id,
                       const char *password_hash,
                       bool must_change,
                       int64_t now_ms,
                       struct error *err) _nodiscard_;
int users_touch_login(struct db *s, int64_t id, int64_t now_ms, struct error *err) _nodiscard_;
int users_count(struct db *s, int64_t *ret, struct error *err) _nodiscard_;

typedef void (*users_row_fn)(void *arg, const struct user *u);
/* In the order of their names. */
int users_each(struct db *s, users_row_fn fn, void *arg, struct error *err) _nodiscard_;
/* `scope` may be NULL. -ENOENT. */
int users_set_rights(
    struct db *s, int64_t id, enum role role, const char *scope, int64_t now_ms, struct error *err)
    _nodiscard_;
/* Either text may be NULL. -ENOENT. */
int users_set_profile(struct db *s,
                      int64_t id,
                      const char *display_name,
                      const char *email,
                      int64_t now_ms,
                      struct error *err) _nodiscard_;
/* Deletes the user with its sessions and API keys. -ENOENT. */
int users_delete(struct db *s, int64_t id, struct error *err) _nodiscard_;
/* Counts the admins without a scope, of whom one must remain. */
int users_count_admins(struct db *s, int64_t *ret, struct error *err) _nodiscard_;
