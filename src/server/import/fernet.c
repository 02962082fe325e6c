#include "server/import/fernet.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/str.h"
#include "server/store/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#define MAX_KEY_FILE 256
#define KEY_SIZE     32
#define VERSION      0x80
#define HEAD_SIZE    (1 + 8 + IV_SIZE) /* version, time, initial vector */
#define IV_SIZE      16
#define MAC_SIZE     crypto_auth_hmacsha256_BYTES
#define MIN_SIZE     (HEAD_SIZE + IV_SIZE + (ssize_t)MAC_SIZE) /* with one block of AES */

/* base64url with padding. Returns the size, or -EINVAL. */
static ssize_t decode(const char *text, unsigned char *ret)
{
    size_t size = strlen(text), n = 0;
    _cleanup_(secret_freep) char *standard = xstrdup(text);

    if (strpbrk(text, "+/"))
        return -EINVAL;
    for (char *p = standard; *p; p++) {
        if (*p == '-')
            *p = '+';
        if (*p == '_')
            *p = '/';
    }
    return base64_decode(standard, size, ret, &n) < 0 ? -EINVAL : (ssize_t)n;
}

int fernet_key_read(struct fernet_key *ret, const char *path, struct error *err)
{
    _cleanup_(secret_freep) char *text = NULL;
    unsigned char bytes[BASE64_DECODED_MAX(MAX_KEY_FILE)];
    size_t size = 0;
    int r = file_read(path, MAX_KEY_FILE, &text, &size, err);

    if (r < 0 && r != -EMSGSIZE)
        return r;
    if (r < 0 || strlen(text) != size || decode(str_trim(text), bytes) != KEY_SIZE) {
        return error_set(err, -EINVAL,
                         "%s is not a key of DockMon (44 characters of base64); its file is "
                         "encryption.key beside the database",
                         path);
    }
    memcpy(ret->sign, bytes, sizeof(ret->sign));
    memcpy(ret->encrypt, bytes + sizeof(ret->sign), sizeof(ret->encrypt));
    sodium_memzero(bytes, sizeof(bytes));
    return 0;
}

void fernet_key_done(struct fernet_key *key)
{
    sodium_memzero(key, sizeof(*key));
}

bool fernet_is_token(const char *text)
{
    return str_starts_with(text, "gAAAA");
}

static bool is_signed(const struct fernet_key *key, const unsigned char *data, size_t size)
{
    crypto_auth_hmacsha256_state state;
    unsigned char mac[MAC_SIZE];

    crypto_auth_hmacsha256_init(&state, key->sign, sizeof(key->sign));
    crypto_auth_hmacsha256_update(&state, data, size - MAC_SIZE);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(&state, sizeof(state));
    return sodium_memcmp(mac, data + size - MAC_SIZE, MAC_SIZE) == 0;
}

/* `ret` has the size of the encrypted text, and a byte for the NUL. */
static bool decrypt(const struct fernet_key *key, const unsigned char *data, size_t size, char *ret)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    unsigned char *text = (unsigned char *)ret;
    int n = 0, n_last = 0;
    bool is_right =
        c &&
        EVP_DecryptInit_ex(c, EVP_aes_128_cbc(), NULL, key->encrypt, data + HEAD_SIZE - IV_SIZE) &&
        EVP_DecryptUpdate(c, text, &n, data + HEAD_SIZE, (int)(size - HEAD_SIZE - MAC_SIZE)) &&
        EVP_DecryptFinal_ex(c, text + n, &n_last);

    EVP_CIPHER_CTX_free(c);
    ret[is_right ? n + n_last : 0] = '\0';
    return is_right;
}

char *fernet_open(const struct fernet_key *key, const char *token)
{
    size_t length = strlen(token);
    _cleanup_free_ unsigned char *data = NULL;
    _cleanup_(secret_freep) char *text = NULL;
    ssize_t size;

    if (length > FERNET_MAX_TOKEN)
        return NULL;
    data = xmalloc(BASE64_DECODED_MAX(length) + 1);
    size = decode(token, data);
    if (size < MIN_SIZE || data[0] != VERSION || (size - MIN_SIZE) % IV_SIZE != 0 ||
        !is_signed(key, data, (size_t)size))
        return NULL;
    text = xcalloc(1, (size_t)size);
    return decrypt(key, data, (size_t)size, text) ? TAKE_PTR(text) : NULL;
}
