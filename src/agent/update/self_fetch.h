#pragma once

/*
 * Downloads a program of the agent, from the server or another place, and passes it on in pieces.
 * At most SELF_FETCH_MAX_MS, SELF_UPDATE_MAX_BYTES and, elsewhere, SELF_FETCH_MAX_REDIRECTS. The
 * permanent token is sent to the server only.
 */

#include "agent/config/config.h"
#include "net/loop.h"
#include <stddef.h>
#include <stdint.h>

#define SELF_FETCH_MAX_MS        (UINT64_C(10) * 60 * 1000)
#define SELF_FETCH_MAX_REDIRECTS 5

struct self_fetch;

struct self_fetch_options {
    struct loop *loop;
    const struct config *config; /* outlives the download */
    const char *url;             /* copied; NULL or "": `path` on the server */
    const char *path;            /* copied */
    const char *token;           /* copied; for the server */
    int64_t size;                /* in bytes; 0: unknown */
    /* A negative errno with `err` set ends the download. */
    int (*on_data)(void *owner, const void *data, size_t size, struct error *err);
    /* Called once, and the download is freed then; `err` is NULL after a success. */
    void (*done)(void *owner, const struct error *err);
    void *owner;
};

int self_fetch_start(struct self_fetch **ret, const struct self_fetch_options *o, struct error *err)
    _nodiscard_;
void self_fetch_cancel(struct self_fetch *f); /* NULL is fine; `done` is not called */
