#pragma once

/*
 * One operation on many containers, as a job that goes on when the client has gone: 4 at a time per host, 32 in
 * all. Jobs are kept in memory for an hour after their end,
 * and then until the next one comes. Belongs to the api.
 */

struct api;
struct bulk;

struct bulk *bulk_new(struct api *api);
void bulk_free(struct bulk *b); /* no command of it is pending any more */
