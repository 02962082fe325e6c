#pragma once

/*
 * Table settings: values of the whole installation, by key. Only this module names the table.
 */

#include "server/store/store.h"

/* The caller frees *ret. -ENOENT. */
int settings_get(struct db *s, const char *key, char **ret, struct error *err) _nodiscard_;
/* Sets a value; NULL deletes it. */
int settings_set(struct db *s, const char *key, const char *value, struct error *err) _nodiscard_;
