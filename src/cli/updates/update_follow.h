#pragma once

/*
 * Follows updates until they are over: with a bar for each layer of the pull on a terminal, with a
 * line for each change elsewhere. An interrupted follower leaves the updates in progress, and prints
 * how to follow or cancel them.
 */

#include "cli/common/polling.h"

struct update_watch {
    char *word;      /* owned; the container as the user calls it */
    char *update_id; /* owned */
    json_t *record;  /* owned; the newest answer about the update, or NULL */
    bool is_over;
};

void update_watch_done(struct update_watch *w);

struct update_follow {
    struct update_watch *watches;
    size_t n;
    struct polling polling;
    bool was_away;      /* the server has not answered */
    size_t n_bar_lines; /* on the terminal, above the cursor */
    int exit_code;
};

/* Catches SIGINT, SIGTERM and SIGHUP from now on. Call before the updates are requested. */
int update_follow_start(struct update_follow *f, struct client *c, struct error *err) _nodiscard_;
/* Returns the exit code: 0 if all updates succeeded, 130 after ^C. */
int update_follow_run(struct update_follow *f);

/* Prints the outcome of an update that is over. Returns the exit code. */
int update_print_outcome(const char *word, const json_t *record);
