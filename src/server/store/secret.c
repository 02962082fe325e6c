#include "server/store/secret.h"
#include "base/random.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES 32

_Static_assert(SECRET_HASH_SIZE == crypto_hash_sha256_BYTES * 2 + 1, "hex of a SHA-256");

void secret_hash(const char *secret, char ret[SECRET_HASH_SIZE])
{
    unsigned char hash[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256(hash, (const unsigned char *)secret, strlen(secret)); /* always 0 */
    (void)sodium_bin2hex(ret, SECRET_HASH_SIZE, hash, sizeof(hash));               /* returns ret */
}

char *secret_new(void)
{
    return random_token(SECRET_BYTES);
}

void secret_free(char *s)
{
    if (!s)
        return;
    sodium_memzero(s, strlen(s));
    free(s);
}
