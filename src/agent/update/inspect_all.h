#pragma once

/*
 * Reads the inspect objects of all containers, one after the other: links, volumes-from, pid and
 * ipc references are in no list of the engine. A container that disappears meanwhile is left out.
 */

#include "docker/engine.h"

#define INSPECT_ALL_MAX 5000 /* containers */

struct inspect_all;

/*
 * Never calls `done` before it has returned. `containers` is an array, borrowed; NULL: the engine
 * has failed with `code` (a negative errno), and `message` says how.
 */
struct inspect_all *inspect_all_start(
    struct engine *engine,
    void (*done)(void *owner, json_t *containers, int code, const char *message),
    void *owner);
void inspect_all_free(struct inspect_all *a); /* NULL is fine; inside `done` it does nothing */
