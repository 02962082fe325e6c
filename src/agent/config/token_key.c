#include "agent/config/token_key.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SECRET ((size_t)64 * 1024)
/* Keys the hash, so that the same secret may be used elsewhere. */
#define HASH_CONTEXT "dockmon token file 1"
#define MAX_PLACES   3

_Static_assert(TOKEN_KEY_SIZE == crypto_secretbox_KEYBYTES,
               "must have the size of a secretbox key");

struct place {
    char *path;
    const char *what;
};

struct places {
    struct place items[MAX_PLACES];
    size_t n;
};

static void places_done(struct places *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].path);
}

/*
 * Adds a file with a secret; a path that is there already, or a missing optional file, is skipped.
 */
static void add_place(struct places *p, char *path, const char *what, bool is_certain)
{
    bool is_known = false;

    for (size_t i = 0; i < p->n; i++)
        is_known = is_known || str_eq(p->items[i].path, path);
    if (is_known || (!is_certain && access(path, F_OK) < 0)) {
        free(path);
    } else {
        p->items[p->n++] = (struct place){path, what};
    }
}

int token_key_make(
    struct token_key *ret, const char *secret, size_t size, const char *source, struct error *err)
{
    if (size > TOKEN_KEY_SIZE && secret[size - 1] == '\n')
        size -= size > TOKEN_KEY_SIZE + 1 && secret[size - 2] == '\r' ? 2 : 1;
    if (size < TOKEN_KEY_SIZE) {
        return error_set(err, -EBADMSG,
                         "%s: expected at least %d bytes of a random secret, not %zu; "
                         "create one with `openssl rand -hex 32`",
                         source, TOKEN_KEY_SIZE, size);
    }
    if (sodium_init() < 0)
        return error_set(err, -EIO, "cannot initialise libsodium");

    *ret = (struct token_key){.is_set = true, .source = xstrdup(source)};
    if (size == TOKEN_KEY_SIZE) {
        memcpy(ret->bytes, secret, size);
    } else {
        (void)crypto_generichash(ret->bytes, sizeof(ret->bytes), (const unsigned char *)secret,
                                 size, (const unsigned char *)HASH_CONTEXT,
                                 strlen(HASH_CONTEXT)); /* valid sizes: always returns 0 */
    }
    return 0;
}

static int load(struct token_key *ret, const char *path, struct error *err)
{
    char *secret = NULL;
    size_t size;
    int r;

    r = file_read(path, MAX_SECRET, &secret, &size, err);
    if (r < 0)
        return r;
    r = token_key_make(ret, secret, size, path, err);
    sodium_memzero(secret, size);
    free(secret);
    return r;
}

int token_key_find(struct token_key *ret, const struct token_key_places *places, struct error *err)
{
    _cleanup_(places_done) struct places p = {0};

    *ret = (struct token_key){0};
    if (!str_is_empty(places->file))
        add_place(&p, xstrdup(places->file), "TOKEN_KEY_FILE", true);
    add_place(&p, xasprintf("%s%s", places->root, TOKEN_KEY_SECRET), "the Docker secret", false);
    if (!str_is_empty(places->credentials)) {
        add_place(&p, xasprintf("%s/%s", places->credentials, TOKEN_KEY_NAME),
                  "the systemd credential", false);
    }
    if (p.n == 0)
        return 0;
    if (p.n > 1) {
        return error_set(err, -EEXIST,
                         "the key of the token file has two sources, %s (%s) and %s (%s): "
                         "expected only one",
                         p.items[0].what, p.items[0].path, p.items[1].what, p.items[1].path);
    }
    return load(ret, p.items[0].path, err);
}

void token_key_done(struct token_key *k)
{
    sodium_memzero(k->bytes, sizeof(k->bytes));
    free(k->source);
    *k = (struct token_key){0};
}
