#include "server/auth/password.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/str.h"

#include <crypt.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#define MIN_MEMORY_KIB 8
#define MAX_MEMORY_KIB 262144
#define MAX_PASSES     10
#define BCRYPT_LENGTH  60
#define BCRYPT_LETTERS "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define MIN_COST       4
#define MAX_COST       14 /* 12 is usual and takes a quarter of a second, 14 a whole one */
#define RANDOM_LENGTH  20 /* characters out of 31: 99 bits */

_Static_assert(PASSWORD_HASH_SIZE == crypto_pwhash_STRBYTES, "the size of libsodium's hashes");

/* The hash of a discarded random password, with the limits of password_hash(). */
static const char unknown_user_hash[] =
    "$argon2id$v=19$m=65536,t=2,p=1$+FYYLBn8cu1VU07a7RLBfA$iz2oM81tZ6LKf8n9HJ7T2eVpRnyfVX3AfZiucdb28jc";

int password_hash(const char *password, char ret[PASSWORD_HASH_SIZE], struct error *err)
{
    if (sodium_init() < 0 ||
        crypto_pwhash_str_alg(ret, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                              crypto_pwhash_MEMLIMIT_INTERACTIVE,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return error_set(err, -ENOMEM, "hash a password: out of memory");
    return 0;
}

/* Skips `name` and the number after it, and returns whether that is within the limits. */
static bool skip_field(const char **at, const char *name, uint64_t min, uint64_t max)
{
    uint64_t n = 0;

    if (!str_starts_with(*at, name))
        return false;
    *at += strlen(name);
    for (; **at >= '0' && **at <= '9' && n <= max; (*at)++)
        n = n * 10 + (uint64_t)(**at - '0');
    return n >= min && n <= max;
}

/* The variants a, b and y differ in how programs of the past computed them, not here. */
static bool is_bcrypt(const char *hash)
{
    const char *at;

    if (strlen(hash) != BCRYPT_LENGTH || !str_starts_with(hash, "$2") || !strchr("aby", hash[2]))
        return false;
    at = hash + 3;
    return skip_field(&at, "$", MIN_COST, MAX_COST) && at == hash + 6 && *at == '$' &&
           strspn(at + 1, BCRYPT_LETTERS) == strlen(at + 1);
}

/* bcrypt reads the first 72 bytes of a password, in DockMon as here. */
static bool verify_bcrypt(const char *password, const char *hash)
{
    struct crypt_data *data = xcalloc(1, sizeof(*data));
    const char *computed = crypt_rn(password, hash, data, sizeof(*data));
    bool is_right = computed && str_eq_secret(computed, hash);

    sodium_memzero(data, sizeof(*data));
    free(data);
    return is_right;
}

bool password_verify(const char *password, const char *hash)
{
    int r;

    if (sodium_init() < 0)
        return false;
    if (hash && is_bcrypt(hash))
        return verify_bcrypt(password, hash);
    r = crypto_pwhash_str_verify(hash ? hash : unknown_user_hash, password, strlen(password));
    return r == 0 && hash;
}

bool password_is_known_hash(const char *hash)
{
    const char *at = hash;

    if (is_bcrypt(hash))
        return true;
    return strlen(hash) < PASSWORD_HASH_SIZE && skip_field(&at, "$argon2id$v=", 19, 19) &&
           skip_field(&at, "$m=", MIN_MEMORY_KIB, MAX_MEMORY_KIB) &&
           skip_field(&at, ",t=", 1, MAX_PASSES) && skip_field(&at, ",p=", 1, 1) && *at == '$' &&
           strchr(at + 1, '$');
}

bool password_is_outdated_hash(const char *hash)
{
    return sodium_init() >= 0 &&
           crypto_pwhash_str_needs_rehash(hash, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0;
}

int password_check(const char *password, struct error *err)
{
    size_t size = strlen(password), n;

    if (!str_is_utf8(password, size))
        return error_set(err, -EDOM, "The password is not valid UTF-8");
    n = str_code_points(password);
    if (n < PASSWORD_MIN || n > PASSWORD_MAX) {
        return error_set(err, -EDOM, "The password must have %d to %d characters", PASSWORD_MIN,
                         PASSWORD_MAX);
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)password[i] < ' ' || password[i] == 0x7f)
            return error_set(err, -EDOM, "The password must not contain control characters");
    }
    return 0;
}

char *password_random(void)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
    char *text = xmalloc(RANDOM_LENGTH + 1);

    for (size_t i = 0; i < RANDOM_LENGTH; i++)
        text[i] = letters[random_below(sizeof(letters) - 1)];
    text[RANDOM_LENGTH] = '\0';
    return text;
}
