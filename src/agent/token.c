#include "agent/token.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define MAX_FILE 4096

static const char token_charset[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:";

bool token_is_valid(const char *token)
{
    size_t n = strlen(token);

    return n > 0 && n <= TOKEN_MAX && strspn(token, token_charset) == n;
}

int token_load(const char *path, char **ret, struct error *err)
{
    char *text = NULL;
    const char *token;
    bool is_text;
    size_t size;
    int r;

    r = file_read(path, MAX_FILE, &text, &size, err);
    if (r < 0)
        return r;

    is_text = strlen(text) == size;
    token = str_trim(text);
    if (is_text && !*token) {
        r = error_set(err, -ENOENT, "is empty");
    } else if (!is_text || !token_is_valid(token)) {
        r = error_set(err, -EBADMSG, "holds no token: expected " TOKEN_EXPECTED);
    } else {
        *ret = xstrdup(token);
    }
    explicit_bzero(text, size);
    free(text);
    return r;
}

int token_save(const char *path, const char *token, struct error *err)
{
    int r;

    if (!token_is_valid(token))
        return error_set(err, -EBADMSG, "the server's token is refused: expected " TOKEN_EXPECTED);

    r = file_write_atomic(path, token, strlen(token), 0600, err);
    if (r < 0) {
        return error_wrap(err, r,
                          "cannot keep the permanent token, so after a restart this agent would "
                          "have to join again; make the directory writable or set DATA_PATH");
    }
    return 0;
}
