/*
 * The part of the server that asks registries; a row of wiring.c.
 */

#include "server/registry/checker.h"
#include "server/registry/transfer.h"
#include "server/server_internal.h"

int server_open_checker(struct server *s, const struct config *config, struct error *err)
{
    int r = transfer_init(err);

    if (r < 0)
        return r;
    return checker_open(&s->checker,
                        &(struct checker_options){
                            .loop = s->loop,
                            .store = s->store,
                            .store_jobs = s->store_jobs,
                            .fleet = s->fleet,
                            .data_dir = config->data_dir,
                            .interval_ms = config->image_check_ms,
                        },
                        err);
}

void server_close_checker(struct server *s)
{
    checker_stop(s->checker);
}

void server_free_checker(struct server *s)
{
    checker_free(s->checker);
}
