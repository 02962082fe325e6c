#include "agent/join/kept_engine.h"
#include "agent/config/token.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE 1024

void kept_engine_load(struct kept_engine *k, const char *path)
{
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    const char *id = NULL;
    size_t size;
    int r;

    *k = (struct kept_engine){.path = path};
    r = file_read(path, MAX_FILE, &text, &size, &err);
    if (r == 0)
        id = str_trim(text);
    if (r < 0 && r != -ENOENT) {
        log_warn(LOG_FIELDS("path", path), "cannot read the engine id of the registration: %s",
                 err.msg);
    } else if (r == 0 && (strlen(text) > size || !token_is_valid(id))) {
        log_warn(LOG_FIELDS("path", path), "the file contains no valid engine id: ignored");
    } else if (r == 0) {
        k->id = xstrdup(id);
        k->is_stored = true;
    }
}

void kept_engine_done(struct kept_engine *k)
{
    free(k->id);
    free(k->sent);
    *k = (struct kept_engine){0};
}

const char *kept_engine_choose(struct kept_engine *k, const char *present)
{
    if (!k->id)
        k->id = xstrdup(present);
    free(k->sent);
    k->sent = xstrdup(k->tries_present ? present : k->id);
    k->is_other = !str_eq(k->sent, present);
    return k->sent;
}

void kept_engine_accept(struct kept_engine *k)
{
    k->tries_present = false;
    if (!k->sent || str_eq(k->sent, k->id))
        return;
    free(k->id);
    k->id = xstrdup(k->sent);
    k->is_stored = false;
}

void kept_engine_refuse(struct kept_engine *k)
{
    k->tries_present = false;
    if (k->is_stored)
        return;
    free(k->id);
    k->id = NULL;
}

int kept_engine_save(struct kept_engine *k, struct error *err)
{
    int r;

    if (!k->id || k->is_stored)
        return 0;
    r = file_write_atomic(k->path, k->id, strlen(k->id), 0600, err);
    if (r < 0)
        return error_wrap(err, r, "cannot store the engine id of the registration");
    k->is_stored = true;
    return 0;
}
