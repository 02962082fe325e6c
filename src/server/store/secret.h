#pragma once

/*
 * Secrets that are random themselves (agent tokens, API keys, session ids, registration tokens): 256 or
 * 122 bits from the kernel, so a plain SHA-256 is all the hash they need. Passwords are another matter,
 * see auth/password.h.
 */

#define SECRET_HASH_SIZE 65 /* 64 hex digits and the NUL */

void secret_hash(const char *secret, char ret[SECRET_HASH_SIZE]);
char *secret_new(void);    /* 64 hex digits, to be freed with secret_free() */
void secret_free(char *s); /* wipes it first */
static inline void secret_freep(char **s)
{
    secret_free(*s);
}
