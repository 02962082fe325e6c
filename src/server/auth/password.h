#pragma once

/*
 * Passwords: argon2id with libsodium's interactive limits (64 MiB, about 60 ms). Only for worker
 * threads and the offline commands.
 *
 * A user of DockMon 1 comes with a hash of bcrypt (server/import/), which libcrypt verifies. The
 * first login with the right password replaces it, and hashes of argon2id with other limits, too.
 */

#include "base/error.h"
#include <stdbool.h>

#define PASSWORD_HASH_SIZE 128
#define PASSWORD_MIN       8 /* characters */
#define PASSWORD_MAX       128

/* Writes the salted hash in libsodium's text form. Returns -ENOMEM without memory for argon2. */
int password_hash(const char *password, char ret[PASSWORD_HASH_SIZE], struct error *err)
    _nodiscard_;
/* `hash` NULL: an unknown user. Takes as long as for a wrong password, and returns false. */
bool password_verify(const char *password, const char *hash);
/*
 * True: password_verify() can check a hash of another program, within a cost of about a second:
 * argon2id of 256 MiB and 10 passes, bcrypt of 2^14 rounds. It never computes a more costly one of
 * bcrypt.
 */
bool password_is_known_hash(const char *hash);
/* True: password_hash() makes another kind of hash today. */
bool password_is_outdated_hash(const char *hash);
/* Returns -EDOM for a password that is too short, too long, not UTF-8, or has control
 * characters. */
int password_check(const char *password, struct error *err) _nodiscard_;
/* Generates a password of 20 unambiguous characters. Free it with secret_free(). */
char *password_random(void);
