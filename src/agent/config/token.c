#include "agent/config/token.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/str.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE 4096

#define MAGIC        "{dockmon-sealed-token-1}\n"
#define MAGIC_SIZE   (sizeof(MAGIC) - 1)
#define MAGIC_FAMILY "{dockmon-sealed-token-" /* common to all versions */
#define NONCE_SIZE   crypto_secretbox_NONCEBYTES
#define OVERHEAD     (MAGIC_SIZE + NONCE_SIZE + crypto_secretbox_MACBYTES)

static const char token_charset[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:";

bool token_is_valid(const char *token)
{
    size_t n = strlen(token);

    return n > 0 && n <= TOKEN_MAX && strspn(token, token_charset) == n;
}

void token_free(char *token)
{
    if (token)
        sodium_memzero(token, strlen(token));
    free(token);
}

static bool has_key(const struct token_file *f)
{
    return f->key && f->key->is_set;
}

/* --- sealed ----------------------------------------------------------------------------------- */

static int refuse_sealed(const struct token_file *f, const char *why, struct error *err)
{
    return error_set(
        err, -EKEYREJECTED,
        "%s cannot be opened with the key of %s: %s; restore the key it was sealed with, or delete "
        "the file to register again with a REGISTRATION_TOKEN",
        f->path, f->key->source, why);
}

/* Decrypts a token; `text` begins with a brace. */
static int open_sealed(
    const struct token_file *f, const char *text, size_t size, char **ret, struct error *err)
{
    const unsigned char *nonce = (const unsigned char *)text + MAGIC_SIZE;
    _cleanup_(token_freep) char *token = NULL;
    size_t n;

    if (!has_key(f)) {
        return error_set(
            err, -ENOKEY,
            "%s is sealed, and there is no key: set TOKEN_KEY_FILE, or provide the Docker secret "
            "%s or the systemd credential %s; or delete the file to register again with a "
            "REGISTRATION_TOKEN",
            f->path, TOKEN_KEY_SECRET, TOKEN_KEY_NAME);
    }
    if (str_starts_with(text, MAGIC_FAMILY) && size >= MAGIC_SIZE &&
        memcmp(text, MAGIC, MAGIC_SIZE) != 0)
        return refuse_sealed(f, "it is damaged, or was written by a newer agent", err);
    if (size <= OVERHEAD || size > OVERHEAD + TOKEN_MAX || memcmp(text, MAGIC, MAGIC_SIZE) != 0)
        return refuse_sealed(f, "it is damaged", err);

    n = size - OVERHEAD;
    token = xcalloc(n + 1, 1);
    if (crypto_secretbox_open_easy((unsigned char *)token, nonce + NONCE_SIZE,
                                   size - MAGIC_SIZE - NONCE_SIZE, nonce, f->key->bytes) != 0)
        return refuse_sealed(f, "it was sealed with another key, or has been changed", err);
    if (strlen(token) != n || !token_is_valid(token))
        return refuse_sealed(f, "it does not contain a valid token", err);
    *ret = TAKE_PTR(token);
    return 0;
}

/* Writes at most OVERHEAD + TOKEN_MAX bytes to `ret`; returns the number of bytes. */
static size_t seal(const struct token_key *key, const char *token, unsigned char *ret)
{
    unsigned char *nonce = ret + MAGIC_SIZE;
    size_t n = strlen(token);

    memcpy(ret, MAGIC, MAGIC_SIZE);
    random_bytes(nonce, NONCE_SIZE);
    (void)crypto_secretbox_easy(nonce + NONCE_SIZE, (const unsigned char *)token, n, nonce,
                                key->bytes); /* fails for sizes of gigabytes only */
    return OVERHEAD + n;
}

/* --- plain ------------------------------------------------------------------------------------ */

static int open_plain(
    const struct token_file *f, char *text, size_t size, char **ret, struct error *err)
{
    bool is_text = strlen(text) == size;
    const char *token = str_trim(text);

    if (is_text && !*token)
        return error_set(err, -ENOENT, "%s is empty", f->path);
    if (!is_text || !token_is_valid(token)) {
        return error_set(err, -EBADMSG,
                         "%s does not contain a valid token: expected " TOKEN_EXPECTED, f->path);
    }
    *ret = xstrdup(token);
    return 0;
}

int token_load(const struct token_file *f, char **ret, bool *ret_is_sealed, struct error *err)
{
    char *text = NULL;
    bool is_sealed;
    size_t size;
    int r;

    r = file_read(f->path, MAX_FILE, &text, &size, err);
    if (r < 0)
        return r;

    is_sealed = text[0] == MAGIC[0];
    r = is_sealed ? open_sealed(f, text, size, ret, err) : open_plain(f, text, size, ret, err);
    if (ret_is_sealed)
        *ret_is_sealed = is_sealed;
    sodium_memzero(text, size);
    free(text);
    return r;
}

bool token_is_fatal(const struct token_file *f, int code)
{
    return code == -ENOKEY || code == -EKEYREJECTED || (code < 0 && code != -ENOENT && has_key(f));
}

int token_save(const struct token_file *f, const char *token, struct error *err)
{
    unsigned char sealed[OVERHEAD + TOKEN_MAX];
    int r;

    if (!token_is_valid(token)) {
        return error_set(err, -EBADMSG,
                         "the token from the server is invalid: expected " TOKEN_EXPECTED);
    }

    if (has_key(f)) {
        r = file_write_atomic(f->path, sealed, seal(f->key, token, sealed), 0600, err);
    } else {
        r = file_write_atomic(f->path, token, strlen(token), 0600, err);
    }
    if (r < 0) {
        return error_wrap(err, r,
                          "cannot store the permanent token, so this agent would have to register "
                          "again after a restart; make the directory writable or set DATA_PATH");
    }
    return 0;
}
