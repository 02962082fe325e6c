#pragma once

/*
 * Logs of containers as they grow, over one WebSocket (/ws/logs of the server), which merges them.
 */

#include "cli/common/client.h"
#include <stdbool.h>

struct logs_follow {
    struct client *client;
    const json_t *const *containers; /* elements of the server's list */
    char *const *prefixes;           /* of their lines */
    size_t n;
    int64_t tail;      /* -1: all */
    const char *since; /* RFC 3339 or NULL */
    bool timestamps;
};

/*
 * Shows them until all have ended, Ctrl-C, or nobody reads any more; connects again as often as it takes, and goes on
 * where it was. Returns the exit code.
 */
int logs_follow(const struct logs_follow *o);

/* logs.c: one line on stdout, escaped for a terminal. `timestamp` NULL: without. */
void logs_print(const char *prefix, const char *timestamp, const char *text, size_t size);
