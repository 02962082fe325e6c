#pragma once

/*
 * settings: values of the whole installation by key. Only this module names the table `settings`.
 */

#include "server/store/store.h"

int settings_get(struct db *s, const char *key, char **ret, struct error *err)
    _nodiscard_; /* to be freed; -ENOENT */
int settings_set(struct db *s, const char *key, const char *value, struct error *err)
    _nodiscard_; /* NULL deletes it */
