#include "server/registry/vault.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/random.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES

_Static_assert(VAULT_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "size of the key");

int vault_open(struct vault *ret, const char *data_dir, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" VAULT_FILE, data_dir);
    char *content = NULL;
    size_t size = 0;
    int r = file_read(path, VAULT_KEY_SIZE, &content, &size, err);

    if (r == -ENOENT) {
        random_bytes(ret->key, sizeof(ret->key));
        return file_write_atomic(path, ret->key, sizeof(ret->key), 0600, err);
    }
    if (r < 0)
        return r;
    if (size == VAULT_KEY_SIZE) {
        memcpy(ret->key, content, size);
    } else {
        r = error_set(err, -EBADMSG, "%s: it must have %d bytes; remove it to make a new one", path,
                      VAULT_KEY_SIZE);
    }
    sodium_memzero(content, size);
    free(content);
    return r;
}

void vault_close(struct vault *v)
{
    sodium_memzero(v->key, sizeof(v->key));
}

char *vault_seal(const struct vault *v, const char *name, const char *secret)
{
    size_t size = strlen(secret), n = NONCE + size + TAG;
    _cleanup_free_ unsigned char *sealed = xmalloc(n);

    random_bytes(sealed, NONCE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed + NONCE, NULL, (const unsigned char *)secret, size, (const unsigned char *)name,
        strlen(name), NULL, sealed, v->key);
    return base64_encode(sealed, n);
}

int vault_unseal(
    const struct vault *v, const char *name, const char *sealed, char **ret, struct error *err)
{
    size_t size = strlen(sealed), n = 0;
    _cleanup_free_ unsigned char *bytes = xmalloc(BASE64_DECODED_MAX(size) + 1);
    char *secret;

    if (base64_decode(sealed, size, bytes, &n) < 0 || n < NONCE + TAG)
        return error_set(err, -EKEYREJECTED, "the sealed password of %s is damaged", name);
    secret = xcalloc(1, n - NONCE - TAG + 1);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)secret, NULL, NULL, bytes + NONCE, n - NONCE,
            (const unsigned char *)name, strlen(name), bytes, v->key) != 0) {
        free(secret);
        return error_set(err, -EKEYREJECTED,
                         "the password of %s was sealed with another key (" VAULT_FILE
                         "): enter it again",
                         name);
    }
    *ret = secret;
    return 0;
}
