#include "server/download/release_key.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SEED_SIZE crypto_sign_SEEDBYTES

void release_key_free(struct release_key *k)
{
    if (!k)
        return;
    sodium_memzero(k->secret, sizeof(k->secret));
    free(k->public);
    free(k);
}

/* Reads the seed of the pair from the file, or makes both. */
static int load_seed(const char *path, unsigned char ret[SEED_SIZE], struct error *err)
{
    char *content = NULL;
    size_t size = 0;
    int r = file_read(path, SEED_SIZE, &content, &size, err);

    if (r == -ENOENT) {
        randombytes_buf(ret, SEED_SIZE);
        return file_write_atomic(path, ret, SEED_SIZE, 0600, err);
    }
    if (r < 0)
        return r;
    if (size == SEED_SIZE) {
        memcpy(ret, content, size);
    } else {
        r = error_set(err, -EBADMSG,
                      "%s: it must have %u bytes; restore it from a backup, or remove it: then "
                      "agents refuse self-updates until their file release_key is removed, too",
                      path, SEED_SIZE);
    }
    sodium_memzero(content, size);
    free(content);
    return r;
}

int release_key_open(struct release_key **ret, const char *data_dir, struct error *err)
{
    _cleanup_(release_key_freep) struct release_key *k = xcalloc(1, sizeof(*k));
    _cleanup_free_ char *path = xasprintf("%s/" RELEASE_KEY_FILE, data_dir);
    unsigned char seed[SEED_SIZE], public[RELEASE_KEY_SIZE];
    int r = load_seed(path, seed, err);

    if (r == 0) {
        (void)crypto_sign_seed_keypair(public, k->secret, seed);
        k->public = base64_encode(public, sizeof(public));
        *ret = TAKE_PTR(k);
    }
    sodium_memzero(seed, sizeof(seed));
    return r;
}
