#pragma once

/*
 * Table user_preferences: settings of the web UI, one JSON object for each user. Only this module
 * names the table.
 */

#include "server/store/store.h"
#include <stdint.h>

/* The text of the object, which the caller frees. -ENOENT: the user has none. */
int user_preferences_get(struct db *s, int64_t user_id, char **ret, struct error *err) _nodiscard_;
/* Replaces the object. -EINVAL: no such user, or the text is not JSON. */
int user_preferences_set(
    struct db *s, int64_t user_id, const char *data, int64_t now_ms, struct error *err) _nodiscard_;
/* A user without preferences is not an error. */
int user_preferences_delete_user(struct db *s, int64_t user_id, struct error *err) _nodiscard_;
