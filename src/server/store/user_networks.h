#pragma once

/*
 * Table user_networks: the networks (net/network_key.h) that users have logged in from. Only this
 * module names the table. It keeps the newest USER_NETWORKS_MAX of each user, for
 * USER_NETWORKS_DAYS after the last login from there.
 */

#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

#define USER_NETWORKS_MAX  16
#define USER_NETWORKS_DAYS 90

/* Notes a login. -EINVAL: no such user. */
int user_networks_note(struct db *s,
                       int64_t user_id,
                       const char *network,
                       int64_t now_ms,
                       struct error *err) _nodiscard_;
/* Sets *ret to whether the user has logged in from this network. */
int user_networks_have(struct db *s,
                       int64_t user_id,
                       const char *network,
                       int64_t now_ms,
                       bool *ret,
                       struct error *err) _nodiscard_;
/* Forgets all networks of a user. */
int user_networks_delete_user(struct db *s, int64_t user_id, struct error *err) _nodiscard_;
