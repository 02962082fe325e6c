/*
 * Says where the server listens: in the log, and in running.json for the offline commands.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "net/http_server.h"
#include "server/api/api.h"
#include "server/common/running_file.h"
#include "server/download/agent_files.h"
#include "server/server_internal.h"
#include "server/tls/tls_keeper.h"

#include <string.h>

void server_write_running(const struct server *s)
{
    const struct front *front = api_front(s->api);
    struct error err = ERROR_INIT;
    struct running running = {
        .host = s->listen_host,
        .port = http_server_port(s->http),
        .is_tls = s->tls != NULL,
        .has_agent_files = agent_files_have_programs(s->agent_files),
        .has_proxies = front->trusted.n > 0,
    };
    int r;

    running.fingerprint = s->tls ? xstrdup(tls_keeper_fingerprint(s->tls)) : NULL;
    running.base_path = xstrdup(front->base_path);
    running.public_url = xstrdup(front->public_url);
    r = running_write(s->data_dir, &running, &err);
    free(running.fingerprint);
    free(running.base_path);
    free(running.public_url);
    if (r < 0)
        log_warn(NULL, "offline commands will not know the address of this server: %s", err.msg);
}

void server_announce(const struct server *s, const struct config *config)
{
    const char *fingerprint = s->tls ? tls_keeper_fingerprint(s->tls) : NULL;
    bool is_v6 = strchr(config->host, ':') != NULL;

    server_write_running(s);
    log_info(fingerprint ? LOG_FIELDS("fingerprint", fingerprint) : NULL,
             "dockmond " DOCKMON_VERSION " listening on %s://%s%s%s:%u, data in %s",
             s->tls ? "https" : "http", is_v6 ? "[" : "",
             config->host[0] ? config->host : "0.0.0.0", is_v6 ? "]" : "",
             (unsigned)http_server_port(s->http), config->data_dir);
}
