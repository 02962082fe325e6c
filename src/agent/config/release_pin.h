#pragma once

/*
 * The key with which the server signs programs of the agent, in the file `release_key` of the data
 * directory. It is pinned: the first key that a server shows is stored, and another one is never
 * taken instead. A server that has really got a new key is accepted after the file was removed.
 */

#include "base/error.h"

#define RELEASE_PIN_FILE "release_key"

/*
 * Returns the key in base64, to be freed. -ENOENT: none is pinned; -EBADMSG: the file has no valid
 * key.
 */
int release_pin_load(const char *path, char **ret, struct error *err) _nodiscard_;

/*
 * Stores the key that the server has shown, if it is the first one. -EINVAL: it is not valid;
 * -EKEYREJECTED: it differs from the pinned one, which stays.
 */
int release_pin_keep(const char *path, const char *key, struct error *err) _nodiscard_;
/* The same; NULL: the server shows none. A failure is logged. */
void release_pin_note(const char *path, const char *key);
