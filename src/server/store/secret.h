#pragma once

/*
 * Random secrets (agent tokens, API keys, session ids, registration tokens). They have 256 or 122
 * bits from the kernel, so that a plain SHA-256 is a sufficient hash. For passwords see
 * auth/password.h.
 */

#define SECRET_HASH_SIZE 65 /* 64 hex digits and the NUL */

void secret_hash(const char *secret, char ret[SECRET_HASH_SIZE]);
char *secret_new(void);    /* 64 hex digits; the caller frees it with secret_free() */
void secret_free(char *s); /* erases it first */
static inline void secret_freep(char **s)
{
    secret_free(*s);
}
