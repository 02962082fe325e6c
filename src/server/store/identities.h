#pragma once

/*
 * Finds the identity that a secret belongs to: reads across users, user_sessions and api_keys,
 * for auth/.
 */

#include "proto/role.h"
#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

struct identity_row {
    int64_t user_id; /* 0 for an API key */
    int64_t key_id;  /* 0 for a session */
    /* The user of the session, or the creator of the key; 0: an offline command created it. */
    int64_t owner_id;
    char *owner_name;   /* NULL without an owner */
    char *display_name; /* of the user of a session; NULL: none */
    char *name;
    enum role role; /* of a key: at most the present role of its creator */
    bool must_change_password;
    int64_t expires_at_ms;   /* 0: never */
    int64_t last_used_at_ms; /* of a key */
    char *networks;          /* of a key: from which it may be used; NULL: all */
    char *scope;             /* the objects it may access; NULL: all */
    char *scope_ceiling;     /* of a key: the present scope of its creator, which also applies */
};

void identity_row_done(struct identity_row *row);

/* Fill *ret, which the caller frees with identity_row_done(). -ENOENT: unknown or expired. */
int identities_get_by_session(struct db *s,
                              const char *id_hash,
                              int64_t now_ms,
                              struct identity_row *ret,
                              struct error *err) _nodiscard_;
int identities_get_by_key(struct db *s,
                          const char *key_hash,
                          int64_t now_ms,
                          struct identity_row *ret,
                          struct error *err) _nodiscard_;
/* The present rights of a user or, with user_id 0, of an API key. -ENOENT: deleted or expired. */
int identities_get_by_id(struct db *s,
                         int64_t user_id,
                         int64_t key_id,
                         int64_t now_ms,
                         struct identity_row *ret,
                         struct error *err) _nodiscard_;
