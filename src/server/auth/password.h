#pragma once

/*
 * Passwords: argon2id at libsodium's interactive limits (64 MiB, some 60 ms). Only for worker threads and
 * the offline commands.
 */

#include "base/error.h"
#include <stdbool.h>

#define PASSWORD_HASH_SIZE 128
#define PASSWORD_MIN       8 /* characters */
#define PASSWORD_MAX       128

int password_hash(const char *password, char ret[PASSWORD_HASH_SIZE], struct error *err)
    _nodiscard_;
/* `hash` NULL: nobody has that name. It takes as long as a wrong password and is never right. */
bool password_verify(const char *password, const char *hash);
/* -EDOM: too short, too long, not UTF-8, or with control characters. */
int password_check(const char *password, struct error *err) _nodiscard_;
char *password_random(void); /* for humans to copy: 20 unambiguous characters; secret_free() it */
