#pragma once

/*
 * Which containers run, as the engine tells: its list at the beginning and when events may have been missed, and
 * the events in between. What the list does not say comes from an inspect per start, a few at a time. Lives as
 * long as the process.
 */

#include "agent/engine/events.h"
#include "base/container_id.h"
#include "docker/json_scan.h"

#define RUNNING_MAX       5000
#define RUNNING_NAME_SIZE 256

struct running { /* of one container */
    char id[CONTAINER_ID_SIZE];
    char name[RUNNING_NAME_SIZE]; /* without slash */
    int64_t pid;                  /* as the host counts; 0: the engine does not say */
    int64_t started_at_ms;        /* UTC; METRIC_NONE: not known */
    int64_t restarts;             /* METRIC_NONE: not known */
    bool is_host_network;
};

struct running_handler {
    void (*on_start)(void *owner, const struct running *r); /* also after a restart */
    void (*on_end)(void *owner, const char *id);            /* for every on_start, one */
    void (*on_rename)(void *owner, const char *id, const char *name);
};

struct running_list;

struct running_list *running_new(struct engine *engine,
                                 struct events *events, /* both outlive it */
                                 const struct running_handler *handler,
                                 void *owner);
void running_free(struct running_list *l); /* the handler is not called any more */
DEFINE_CLEANUP(struct running_list *, running_free);

/* METRIC_NONE until the engine was asked. */
int64_t running_n_all(const struct running_list *l); /* containers in any state */
int64_t running_n(const struct running_list *l);

/* From an inspect object; false when it does not run. For running.c and its test. */
bool running_from_inspect(struct json_span inspect, struct running *ret);
