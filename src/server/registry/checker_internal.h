#pragma once

/*
 * Shared by the files of the checker: checker.c (life, sweep, waits), checker_run.c (exchanges) and
 * checker_registries.c. Nobody else includes it.
 */

#include "base/list.h"
#include "base/map.h"
#include "server/registry/checker.h"
#include "server/registry/client.h"
#include "server/registry/vault.h"

#define CHECKER_MAX_REFERENCES 20000
#define CHECKER_PARALLEL       2 /* exchanges with one registry at a time */

enum check_state { CHECK_IDLE, CHECK_QUEUED, CHECK_RUNNING };

/* One reference. */
struct check {
    struct checker *checker;
    struct image_check row;
    json_t *platforms, *newer; /* of the row, parsed; NULL: unknown */
    struct peer *peer;
    struct list link; /* in the queue of the peer, while queued */
    struct list waits;
    enum check_state state;
    int64_t due_at_ms; /* UTC; 0: not planned yet */
    bool is_seen;      /* a container has it; used by the sweep */
};

struct check_wait {
    struct list link;
    checker_done_fn done;
    void *owner;
};

/* A token for one repository. */
struct peer_token {
    char *text; /* secret */
    int64_t until_ms;
};

/* A registry that references name. */
struct peer {
    char *domain;
    struct registry_access access;
    char *webhook_hash;
    struct list queue; /* of checks */
    unsigned n_running;
    int64_t rests_until_ms; /* UTC */
    char *why_rests;        /* NULL: it does not */
    struct map tokens;      /* path -> struct peer_token * */
    uint64_t called_at_ms;  /* its webhook; monotonic */
};

struct checker {
    struct checker_options o;
    struct job_queue *jobs;
    struct vault vault;
    struct map checks; /* reference -> struct check * */
    struct map peers;  /* domain -> struct peer * */
    struct map facts;  /* host id/container id -> struct image_facts * */
    struct loop_timer sweep;
    atomic_bool is_cancelled;
    bool is_stopped;
};

/* checker_registries.c */
struct peer *checker_peer(struct checker *c, const char *domain); /* makes it if it is new */
void checker_peer_free(struct peer *p);
void checker_forget_tokens(struct peer *p);

/* checker.c */
void check_end_waits(struct check *k, int code);
/* Returns the facts of a container as they are now. */
struct image_facts *checker_facts(struct checker *c,
                                  const struct fleet_host *h,
                                  const struct fleet_container *container);

/* checker_run.c */
void check_queue(struct check *k, bool is_urgent);
void checker_pump(struct checker *c, struct peer *p);
