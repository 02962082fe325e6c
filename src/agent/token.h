#pragma once

/*
 * The permanent token: what this agent proves with that it has joined before. It lives in one file in
 * the data directory, mode 0600, written atomically. Tokens never go into messages.
 */

#include "base/error.h"
#include <stdbool.h>

#define TOKEN_MAX      255
#define TOKEN_EXPECTED "1 to 255 characters of A-Z a-z 0-9 _ - :"

bool token_is_valid(const char *token);

/* The token without surrounding space, to be freed. -ENOENT: no such file, or an empty one. */
int token_load(const char *path, char **ret, struct error *err) _nodiscard_;

/* err says what to do about it. */
int token_save(const char *path, const char *token, struct error *err) _nodiscard_;
