/* The parts of wiring.c that serve files: the web UI, and the agents that new hosts download. */

#include "server/download/agent_files.h"
#include "server/server_internal.h"
#include "server/web/files.h"

int server_open_web(struct server *s, const struct config *config, struct error *err)
{
    int r = 0;

    if (config->web_dir) {
        r = web_files_load(&s->web, config->web_dir, err);
    } else {
        web_files_embedded(&s->web);
    }
    if (s->web)
        web_files_set_base(s->web, config->front.base_path);
    return r;
}

void server_free_web(struct server *s)
{
    web_files_free(s->web);
}

int server_open_agent_files(struct server *s, const struct config *config, struct error *err)
{
    return agent_files_open(&s->agent_files, config->agent_dir, err);
}

void server_free_agent_files(struct server *s)
{
    agent_files_close(s->agent_files);
}
