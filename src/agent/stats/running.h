#pragma once

/*
 * The running containers, from the engine: its list at the start and whenever events may have been
 * missed, and the events in between. Details that the list does not have come from one inspect per
 * start, a few at a time. Lives as long as the process.
 */

#include "agent/engine/events.h"
#include "base/container_id.h"
#include "docker/json_scan.h"

#define RUNNING_MAX       5000
#define RUNNING_NAME_SIZE 256

struct running { /* of one container */
    char id[CONTAINER_ID_SIZE];
    char name[RUNNING_NAME_SIZE]; /* without the leading slash */
    int64_t pid;                  /* in the host's numbering; 0: unknown */
    int64_t started_at_ms;        /* UTC; METRIC_NONE: unknown */
    int64_t restarts;             /* METRIC_NONE: unknown */
    bool is_host_network;
};

struct running_handler {
    void (*on_start)(void *owner, const struct running *r); /* also called after a restart */
    void (*on_end)(void *owner, const char *id);            /* called once for every on_start */
    void (*on_rename)(void *owner, const char *id, const char *name);
};

struct running_list;

struct running_list *running_new(struct engine *engine,
                                 struct events *events, /* both are borrowed and outlive the list */
                                 const struct running_handler *handler,
                                 void *owner);
void running_free(struct running_list *l); /* the handler is not called afterwards */
DEFINE_CLEANUP(struct running_list *, running_free);

/* METRIC_NONE until the engine has answered. */
int64_t running_n_all(const struct running_list *l); /* containers in any state */
int64_t running_n(const struct running_list *l);

/* Reads an inspect object; false if the container is not running. For running.c and its test. */
bool running_from_inspect(struct json_span inspect, struct running *ret);
