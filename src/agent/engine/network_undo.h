#pragma once

/*
 * Connections to restore: a forced removal of a network disconnects its containers, and if it ends
 * before the network is removed, they have to be connected again. The removal does that itself
 * when the engine refuses. Here it is done for one that was cut: by its deadline, by the end of
 * the session or of the agent, or because the engine did not answer.
 *
 *   network_undo_add      a container is about to be disconnected; stored on disk
 *   network_undo_drop     it is connected again, or was not disconnected
 *   network_undo_forget   the network is removed
 *   network_undo_run      the removal was cut: those that are left are connected again, one after
 *                         the other, until the engine has answered for each
 *
 * Connections on disk, of an agent that ended, are restored from network_undo_start() on. An engine
 * that refuses, for example because network or container do not exist any more, is not asked
 * again. All functions accept NULL.
 */

#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>

struct engine;
struct network_undo;

/* `path` is the file for the connections; NULL: they are in memory only. Reads the file. */
struct network_undo *network_undo_new(struct engine *engine, const char *path);
void network_undo_free(struct network_undo *u);
DEFINE_CLEANUP(struct network_undo *, network_undo_free);

void network_undo_start(struct network_undo *u);

/* `removal` identifies a removal; `body` of the request that connects the container is borrowed. */
void network_undo_add(struct network_undo *u,
                      const void *removal,
                      const char *network,
                      const json_t *body);
void network_undo_drop(struct network_undo *u, const void *removal, const json_t *body);
void network_undo_forget(struct network_undo *u, const void *removal);
void network_undo_run(struct network_undo *u, const void *removal);
