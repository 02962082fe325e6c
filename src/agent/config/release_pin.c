#include "agent/config/release_pin.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/release.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE 256

static bool is_key(const char *text)
{
    struct release_keys keys = {0};

    return release_keys_add(&keys, text) == 0;
}

int release_pin_load(const char *path, char **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    const char *key;
    size_t size;
    int r = file_read(path, MAX_FILE, &text, &size, err);

    if (r < 0)
        return r;
    key = str_trim(text);
    if (!is_key(key)) {
        return error_set(err, -EBADMSG,
                         "%s: the file has no valid key; remove it to pin the server's key again",
                         path);
    }
    *ret = xstrdup(key);
    return 0;
}

int release_pin_keep(const char *path, const char *key, struct error *err)
{
    _cleanup_free_ char *pinned = NULL;
    int r;

    if (!is_key(key))
        return error_set(err, -EINVAL, "the server's key for programs of the agent is not valid");
    r = release_pin_load(path, &pinned, err);
    if (r == -ENOENT) {
        r = file_write_atomic(path, key, strlen(key), 0600, err);
        if (r == 0) {
            log_info(LOG_FIELDS("path", path, "key", key),
                     "pinned the server's key for self-updates");
        }
        return r;
    }
    if (r == 0 && !str_eq(pinned, key)) {
        return error_set(err, -EKEYREJECTED,
                         "the server signs programs of the agent with another key than the pinned "
                         "one, which stays: if the server was really set up again, remove %s",
                         path);
    }
    return r;
}

void release_pin_note(const char *path, const char *key)
{
    struct error err = ERROR_INIT;

    if (key && release_pin_keep(path, key, &err) < 0)
        log_warn(LOG_FIELDS("key", key), "the key for self-updates was not pinned: %s", err.msg);
}
