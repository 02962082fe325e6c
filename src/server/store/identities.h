#pragma once

/*
 * Who a secret belongs to: reads across users, user_sessions and api_keys, for auth/.
 */

#include "proto/role.h"
#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

struct identity_row {
    int64_t user_id; /* 0 for an API key */
    int64_t key_id;  /* 0 for a session */
    char *name;
    enum role role; /* of a key: never above what its creator has now */
    bool must_change_password;
    int64_t expires_at_ms;   /* 0: never */
    int64_t last_used_at_ms; /* of a key */
    char *networks;          /* of a key: where it may be used from; NULL: everywhere */
    char *scope;             /* what it is limited to; NULL: everything */
    char *scope_ceiling;     /* of a key: what its creator is limited to now, on top of that */
};

void identity_row_done(struct identity_row *row);

/* -ENOENT: unknown or expired. */
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
