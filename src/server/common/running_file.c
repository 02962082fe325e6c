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

static json_t *pack_text(const char *text)
{
    return json_text_str(text ? text : "");
}

static char *copy_text(const char *text)
{
    return *text ? xstrdup(text) : NULL;
}

int running_write(const char *data_dir, const struct running *running, struct error *err)
{
    _cleanup_free_ char *path = make_path(data_dir);
    json_t *o = json_pack(
        "{s:o, s:i, s:b, s:o, s:b, s:o, s:o, s:b}", "host", json_text_str(running->host), "port",
        (int)running->port, "tls", running->is_tls, "fingerprint", pack_text(running->fingerprint),
        "agents", running->has_agent_files, "base_path", pack_text(running->base_path),
        "public_url", pack_text(running->public_url), "proxies", running->has_proxies);
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
    const char *host = NULL, *fingerprint = NULL, *base_path = "", *public_url = "";
    int port = 0, is_tls = 0, has_agents = 0, has_proxies = 0;
    size_t size;
    json_t *o;
    bool is_valid;

    if (file_read(path, MAX_SIZE, &text, &size, NULL) < 0)
        return false;
    o = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    is_valid = o &&
               json_unpack(o, "{s:s, s:i, s:b, s:s, s:b, s?s, s?s, s?b}", "host", &host, "port",
                           &port, "tls", &is_tls, "fingerprint", &fingerprint, "agents",
                           &has_agents, "base_path", &base_path, "public_url", &public_url,
                           "proxies", &has_proxies) == 0 &&
               port > 0 && port <= UINT16_MAX;
    if (is_valid) {
        *ret = (struct running){
            .host = xstrdup(host),
            .port = (unsigned)port,
            .is_tls = is_tls != 0,
            .fingerprint = copy_text(fingerprint),
            .has_agent_files = has_agents != 0,
            .base_path = copy_text(base_path),
            .public_url = copy_text(public_url),
            .has_proxies = has_proxies != 0,
        };
    }
    json_decref(o);
    return is_valid;
}

void running_done(struct running *running)
{
    free(running->host);
    free(running->fingerprint);
    free(running->base_path);
    free(running->public_url);
    *running = (struct running){0};
}
