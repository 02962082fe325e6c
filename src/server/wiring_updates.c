/* The part of wiring.c for the updates of containers. */

#include "server/server_internal.h"
#include "server/updates/updates.h"

int server_open_updates(struct server *s, const struct config *config, struct error *err)
{
    (void)config;
    return updates_open(&s->updates,
                        &(struct updates_options){
                            .loop = s->loop,
                            .fleet = s->fleet,
                            .sessions = s->sessions,
                            .checker = s->checker,
                            .store = s->store,
                            .store_jobs = s->store_jobs,
                        },
                        err);
}

void server_close_updates(struct server *s)
{
    updates_stop(s->updates);
}

void server_free_updates(struct server *s)
{
    updates_close(s->updates);
}
