#pragma once

/*
 * Sends the state of one container after an operation has changed it, so that the reply to the
 * operation, which is sent afterwards, finds the server's model up to date.
 *
 * The engine's list lags behind: a container that has been stopped is listed as running for some
 * milliseconds more. The description of a single container does not, so both are read until they
 * agree on state and name:
 *
 *   INSPECT -description, or no such container-> READ -the list agrees-> done
 *      '------------- delay <- the list differs -'
 *
 * It gives up after SETTLE_MS, and after a failure; the inventory reads the container again later
 * in any case. The owner frees it in `done`, or earlier with settle_free(); `done` is called once,
 * never before settle_start() has returned.
 */

#include "agent/inventory/inventory.h"

#define SETTLE_MS 2000

struct settle;

struct settle_options {
    struct engine *engine;
    struct facts *facts;
    struct inventory *inventory; /* when it is freed, `done` is called */
    const char *id;              /* of the container, in full; copied */
    void (*done)(void *owner);
    void *owner;
};

struct settle *settle_start(const struct settle_options *o);
void settle_free(struct settle *s); /* NULL is fine */
