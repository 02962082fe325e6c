/* The part of wiring.c for the updates of containers. */

#include "server/server_internal.h"
#include "server/updates/batches.h"

int server_open_updates(struct server *s, const struct config *config, struct error *err)
{
    int r;

    (void)config;
    r = updates_open(&s->updates,
                     &(struct updates_options){
                         .loop = s->loop,
                         .fleet = s->fleet,
                         .sessions = s->sessions,
                         .checker = s->checker,
                         .store = s->store,
                         .store_jobs = s->store_jobs,
                     },
                     err);
    if (r < 0)
        return r;
    return batches_open(&s->batches,
                        &(struct batches_options){
                            .loop = s->loop,
                            .fleet = s->fleet,
                            .sessions = s->sessions,
                            .updates = s->updates,
                            .feed = s->feed,
                            .store = s->store,
                            .store_jobs = s->store_jobs,
                        },
                        err);
}

void server_close_updates(struct server *s)
{
    batches_stop(s->batches);
    updates_stop(s->updates);
}

void server_free_updates(struct server *s)
{
    batches_close(s->batches);
    updates_close(s->updates);
}
