#include "server/common/running_file.h"
#include "base/alloc.h"
#include "base/file.h"
#include "proto/json_text.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define MAX_SIZE ((size_t)4096)

static char *make_path(const char *data_dir)
{
    return xasprintf("%s/running.json", data_dir);
}

int running_write(const char *data_dir, const struct running *running, struct error *err)
{
    _cleanup_free_ char *path = make_path(data_dir);
    const char *fingerprint = running->fingerprint ? running->fingerprint : "";
    json_t *o = json_pack("{s:o, s:i, s:b, s:o, s:b}", "host", json_text_str(running->host), "port",
                          (int)running->port, "tls", running->is_tls, "fingerprint",
                          json_text_str(fingerprint), "agents", running->has_agent_files);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    int r;

    json_decref(o);
    if (!text)
        return error_set(err, -EINVAL, "%s: the address cannot be written as JSON", path);
    r = file_write_atomic(path, text, strlen(text), 0600, err);
    free(text);
    return r;
}

void running_remove(const char *data_dir)
{
    _cleanup_free_ char *path = make_path(data_dir);

    (void)unlink(path); /* a file that is left is replaced by the next start */
}

bool running_read(const char *data_dir, struct running *ret)
{
    _cleanup_free_ char *path = make_path(data_dir), *text = NULL;
    const char *host = NULL, *fingerprint = NULL;
    int port = 0, is_tls = 0, has_agents = 0;
    size_t size;
    json_t *o;
    bool is_valid;

    if (file_read(path, MAX_SIZE, &text, &size, NULL) < 0)
        return false;
    o = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    is_valid = o &&
               json_unpack(o, "{s:s, s:i, s:b, s:s, s:b}", "host", &host, "port", &port, "tls",
                           &is_tls, "fingerprint", &fingerprint, "agents", &has_agents) == 0 &&
               port > 0 && port <= UINT16_MAX;
    if (is_valid) {
        *ret = (struct running){
            .host = xstrdup(host),
            .port = (unsigned)port,
            .is_tls = is_tls != 0,
            .fingerprint = *fingerprint ? xstrdup(fingerprint) : NULL,
            .has_agent_files = has_agents != 0,
        };
    }
    json_decref(o);
    return is_valid;
}

void running_done(struct running *running)
{
    free(running->host);
    free(running->fingerprint);
    *running = (struct running){0};
}
