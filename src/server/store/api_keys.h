#pragma once

/*
 * Table api_keys: Bearer keys of programs, stored as hashes. Only this module and identities.c
 * name the table. A key is deleted with the user who created it and with the key that created it,
 * and its rights never exceed theirs.
 */

#include "proto/role.h"
#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

#define API_KEY_PREFIX          "dockmon_" /* and 64 hex digits */
#define API_KEY_OLD_PREFIX      "dm_"      /* of keys that earlier versions created */
#define API_KEYS_MAX_OF_USER    100
#define API_KEY_MAX_NAME        63
#define API_KEY_SECRET_LENGTH   64
#define API_KEY_MAX_DESCRIPTION 500 /* bytes */
#define API_KEY_FOREIGN_LENGTH  43  /* base64url, of DockMon's server */

struct api_key {
    int64_t id;
    char *name;   /* unique */
    char *prefix; /* the first characters of the key, to recognise it */
    enum role role;
    int64_t created_by; /* user id; 0: created by an offline command, or by a key of one */
    int64_t parent_id;  /* the key that it was created with; 0: none */
    int64_t created_at_ms;
    int64_t last_used_at_ms; /* exact to a minute; 0: never */
    int64_t expires_at_ms;   /* 0: never */
    char *networks;          /* from which it may be used, see auth/networks.h; NULL: all */
    int64_t usage_count;     /* the minutes in which it was used */
    char *description;       /* or NULL */
    char *scope;             /* the objects it may access, see rights/scope.h; NULL: all */
};

void api_key_done(struct api_key *k);

/*
 * Stores `spec`, without its id, prefix and last_used_at_ms. The key itself is not stored:
 * *ret_key is its only copy, which the caller frees with secret_free(). -EEXIST: the name is in
 * use; -EDOM: the name or role is invalid; -EBUSY: the user has API_KEYS_MAX_OF_USER keys, or the
 * keys of offline commands have created as many.
 */
int api_keys_create(struct db *s,
                    const struct api_key *spec,
                    char **ret_key,
                    struct api_key *ret, /* the row as stored; may be NULL */
                    struct error *err) _nodiscard_;

/*
 * Stores a key of which only the hash (SHA-256 of the whole key, in hex) is known. -EEXIST: the name
 * or the key is in use; -EDOM as above.
 */
int api_keys_adopt(struct db *s, const struct api_key *spec, const char *hash, struct error *err)
    _nodiscard_;
/* The keys of a user, or a key with those derived from it; both 0: all keys. */
struct api_keys_owner {
    int64_t user_id, key_id;
};
/* Stores name, description and networks of `k`, a key of the owner. -ENOENT: the owner has no such
 * key; -EDOM and -EEXIST as for api_keys_create(). */
int api_keys_update(struct db *s,
                    const struct api_key *k,
                    const struct api_keys_owner *owner,
                    struct error *err) _nodiscard_;
/* Deletes a key of the owner, with the keys derived from it. -ENOENT: the owner has no such key. */
int api_keys_delete(struct db *s, int64_t id, const struct api_keys_owner *owner, struct error *err)
    _nodiscard_;
int api_keys_delete_user(struct db *s, int64_t user_id, struct error *err) _nodiscard_;
int api_keys_get(struct db *s, int64_t id, struct api_key *ret, struct error *err) _nodiscard_;

typedef void (*api_keys_row_fn)(void *arg, const struct api_key *k);
/* The keys of the owner, in the order of their names. */
int api_keys_each(struct db *s,
                  const struct api_keys_owner *owner,
                  api_keys_row_fn fn,
                  void *arg,
                  struct error *err) _nodiscard_;
int api_keys_touch(struct db *s, int64_t id, int64_t now_ms, struct error *err) _nodiscard_;
