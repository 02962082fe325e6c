#pragma once

/*
 * The engine id that this agent registered with, in the file `engine_id` of the data directory. It
 * is sent again in every later connection, because servers of DockMon compare it, while the engine
 * may report another one: Podman invents one per answer, and upgrades of Docker replace it. The
 * file counts only beside a permanent token.
 *
 * Until a server has accepted the agent, the id is kept in memory: the answer to a registration
 * may be lost, and the repetition must send the same id.
 */

#include "base/error.h"
#include <stdbool.h>

struct kept_engine {
    const char *path;   /* borrowed */
    char *id;           /* NULL: none yet */
    char *sent;         /* in the last attempt; NULL: there was none */
    bool is_stored;     /* `id` is in the file */
    bool tries_present; /* `id` was refused: next, the present one is sent */
    bool is_other;      /* `sent` is not the engine's present id */
};

/* Reads the file. A missing or invalid one is the same as none; an invalid one is logged. */
void kept_engine_load(struct kept_engine *k, const char *path);
void kept_engine_done(struct kept_engine *k);

/* Returns the id for the next attempt, valid until the next call. */
const char *kept_engine_choose(struct kept_engine *k, const char *present);
/* The server accepted the agent with the id that was sent. */
void kept_engine_accept(struct kept_engine *k);
/* The server refused the agent: an id that is not stored is forgotten. */
void kept_engine_refuse(struct kept_engine *k);
/* Writes the file unless it has the id. */
int kept_engine_save(struct kept_engine *k, struct error *err) _nodiscard_;
