#pragma once

/*
 * The fleet: the live model in memory, host -> containers. Sessions write it, the API reads it. It is
 * loaded from the store at start (hosts and agents, all offline). Offline is a state of a host; its
 * containers stay listed with their age. Lives on the loop.
 */

#include "base/container_id.h"
#include "base/list.h"
#include "base/listeners.h"
#include "base/map.h"
#include "proto/codec.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define FLEET_MAX_CONTAINERS 5000 /* of one host unless told otherwise; what is beyond is skipped */
#define FLEET_DIGEST_SIZE    16

/*
 * The newest figures of a container, or of a host (then only the percentages and net_bytes_per_sec). A container's
 * net_bytes_per_sec is made here: received and sent since its sample before; -1 while there was none. -1 is what is
 * not known, everywhere.
 */
struct fleet_sample {
    int64_t sampled_at_ms; /* when it reached us; 0: none yet */
    double cpu_percent;    /* 100 is one core for a container, all cores for a host */
    double memory_percent;
    double net_bytes_per_sec;
    int64_t memory_usage, memory_limit; /* bytes */
    int64_t network_rx, network_tx;     /* bytes since the container's start */
    int64_t disk_read, disk_write;
    int64_t pids; /* of containers */
};

/* JSON that the API has made of an object which does not change; NULL until somebody wanted it. */
struct fleet_text {
    char *text;
    size_t size;
};

struct fleet_container {
    char id[CONTAINER_ID_SIZE];
    char *name; /* without the leading '/' */
    /* running paused restarting exited unknown (created, dead, exited all become exited) */
    char *state;
    char *engine_state; /* as the engine says */
    int64_t created_s;
    char *element;                             /* see fleet_container_element() */
    uint8_t element_digest[FLEET_DIGEST_SIZE]; /* of it, once it is forgotten */
    json_t *labels;                            /* of the element: object, or NULL */
    char *image;                               /* the same; "" when it says none */
    struct fleet_sample sample;
    uint64_t sample_version;      /* the host's samples_version when it came */
    uint64_t version;             /* the host's containers_version when it came or changed */
    struct fleet_text shown, env; /* see server/view/container_json.h; freed here */
    bool is_seen;                 /* used while a snapshot is applied */
};

struct fleet_host {
    struct host row;
    struct agent agent;             /* zeroed for hosts that are not agents */
    bool is_online;                 /* its agent has a session */
    char *trouble;                  /* of the agent or its engine, for humans; NULL: none known */
    int64_t seen_at_ms;             /* when its agent was last heard of */
    int64_t containers_at_ms;       /* when the container list was last confirmed; 0: never */
    struct map containers;          /* 64-hex id -> struct fleet_container */
    struct map_order order;         /* of them in the samples of the agent */
    uint64_t containers_version;    /* grows whenever the list or an element of it changes */
    uint64_t version;               /* grows whenever row, agent or is_online change */
    struct fleet_text shown, named; /* made by the API of these versions; freed here */
    uint64_t shown_version, named_version;
    uint64_t samples_version; /* grows with every sample of the host or a container of it */
    uint64_t sample_version;  /* what that was when the host's own came */
    struct {
        uint64_t version, containers_version, samples_version;
        size_t n_containers;
    } fed; /* the feed's: what it has told of */
    size_t max_containers;
    struct strings removed; /* ids that have gone since fleet_forget_removed() */
    bool is_removed_cut;    /* ... and more than it keeps */
    struct fleet_sample sample;
    json_t *stats_source; /* see fleet_take_stats_source(); NULL: its agent has not said */
    json_t
        *migration_candidates; /* [{"host_id", "host_name"}] the user may migrate from, or NULL */
};

struct fleet;

struct fleet *fleet_new(void);
void fleet_set_max_containers(struct fleet *f, size_t max); /* of each host that is added later */
void fleet_free(struct fleet *f);
struct listeners *fleet_listeners(struct fleet *f); /* for fleet_listener.c */

/*
 * Copies rows in (insert or replace); agent may be NULL. The pointer stays good until fleet_remove_host();
 * replacing keeps containers, samples and is_online.
 */
struct fleet_host *fleet_put_host(struct fleet *f,
                                  const struct host *row,
                                  const struct agent *agent);
void fleet_remove_host(struct fleet *f, const char *host_id);
struct fleet_host *fleet_find_host(const struct fleet *f, const char *host_id);
struct fleet_host *fleet_find_agent(const struct fleet *f, const char *agent_id);
const struct map *fleet_hosts(const struct fleet *f); /* host id -> struct fleet_host */
/* The ids of hosts that have gone since fleet_forget_removed_hosts(); NULL: more than are remembered. */
const struct strings *fleet_removed_hosts(const struct fleet *f);
void fleet_forget_removed_hosts(struct fleet *f);
void fleet_set_online(struct fleet *f, struct fleet_host *h, bool is_online, int64_t now_ms);
void fleet_set_trouble(struct fleet_host *h, const char *trouble); /* copied; NULL: none */

/*
 * A complete list (array of list_containers elements). Elements that do not decode are skipped; the
 * result is how many. Containers that stay keep their newest sample.
 */
size_t fleet_apply_snapshot(struct fleet_host *h, const json_t *containers, int64_t now_ms);
size_t fleet_apply_delta(struct fleet_host *h,
                         const json_t *containers,
                         const struct strings *removed,
                         int64_t now_ms);

void fleet_forget_removed(struct fleet_host *h);

/*
 * The list_containers element of a container: Ports, Mounts, Env, RepoDigests, ... The caller's. It is kept as compact text, as a tree
 * takes six times as much, and only until everything was made of it that is shown: then it is to be forgotten.
 */
json_t *fleet_container_element(const struct fleet_container *c) _nodiscard_;
void fleet_container_forget_element(struct fleet_container *c);

/*
 * The newest sample of a container (64-hex or 12-hex id); false when the host has no such container. `place`: of the container
 * in the batch (of 5,000 at most), where it is looked for first.
 */
bool fleet_put_sample(struct fleet_host *h,
                      size_t place,
                      const char *container_id,
                      const struct fleet_sample *s);
/* A net_bytes_per_sec of -1 is made of the counters, as a container's. */
void fleet_put_host_sample(struct fleet_host *h, const struct fleet_sample *s);
/* Takes an object that says where samples come from: containers, network, why, notes. */
void fleet_take_stats_source(struct fleet_host *h, json_t *source);
void fleet_set_candidates(struct fleet_host *h, const json_t *candidates); /* copied; NULL: none */

/* What its agent has said that it can: a key of the capabilities. */
bool fleet_host_can(const struct fleet_host *h, const char *capability);

/* By 64-hex id, name (with or without '/'), 12-hex short id, or unique id prefix. -ENOENT; -EEXIST when ambiguous. */
int fleet_find_container(const struct fleet_host *h, const char *ref, struct fleet_container **ret);

/*
 * DockMon's own containers: named dockmon or dockmon-*, or labelled app=dockmon.
 * The name may begin with '/'.
 */
bool fleet_is_own_container(const char *name, const json_t *labels);
