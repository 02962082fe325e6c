#pragma once

/*
 * Following the logs of containers (`logs -f`) over one WebSocket, /ws/logs. The server merges the
 * lines by time; this side prints them and remembers a cursor for each log.
 *
 * When the connection is lost, it dials again with backoff and subscribes from the cursors, so that
 * no line is missing or printed again. A log has ended when the server says so; when all have, the
 * program ends.
 */

#include "cli/common/client.h"
#include <stdbool.h>
#include <stdio.h>

struct logs_follow {
    struct client *client;
    const json_t *const *containers; /* elements of the server's list */
    char *const *prefixes;           /* printed before the lines of each */
    size_t n;
    int64_t tail;      /* -1: all */
    const char *since; /* RFC 3339 or NULL */
    bool timestamps, has_details;
    bool until_exit; /* ends with the containers instead of waiting for their next start */
};

/*
 * Prints the logs until all have ended, a signal arrives or stdout is closed. Returns the exit
 * code.
 */
int logs_follow(const struct logs_follow *o);

/* A line without its end; `timestamp` may be NULL. */
struct logs_text {
    const char *prefix, *timestamp, *text;
    size_t size;
};

/* In logs.c: prints it to stdout or stderr; on a terminal its control characters are escaped. */
void logs_print(FILE *to, const struct logs_text *t);

/* stdout or stderr: where docker prints such a line of a container. */
FILE *logs_file_of(const json_t *line);
