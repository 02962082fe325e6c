#pragma once

/*
 * The fleet is the live model in memory: hosts, their containers, and the newest sample of each.
 * Lives on the loop.
 *
 *   written by   server/wiring.c at start: the hosts and agents of the store, all offline, and their
 *                last known containers (maintenance/list_keeper.h)
 *                server/session/: registered hosts, online and offline, containers, samples
 *                server/api/: removal of a host
 *   read by      API, feed, statistics, shells and followed logs
 *   notified     listeners of fleet_listener.h, by the module that has made the change
 *
 * A host is offline unless its agent has a registered session. Absence of data is not deletion:
 * an offline host keeps its containers, with the time of the last list (containers_at_ms).
 *
 * Changes are found by versions, which only grow. A reader stores the versions that it has seen
 * and compares them later:
 *
 *   host.version              the row, the agent, is_online, trouble or the source of samples
 *   host.containers_version   the list, or an element of it; container.version is its value at
 *                             that container's last change
 *   host.samples_version      any sample of the host; own_sample_version (of the host and of each
 *                             container) is its value at that sample
 *
 * Removed containers and hosts are remembered by id for the feed, up to a limit, until it calls
 * fleet_forget_removed() and fleet_forget_removed_hosts(). Beyond the limit the feed sends
 * everything again.
 *
 * Ownership: the fleet owns all hosts, a host all of its containers. Pointers to a host are valid
 * until fleet_remove_host() or fleet_free(), pointers to a container until the next list or delta
 * of its host. Across callbacks, callers hold ids.
 *
 *   element     one object of a list_containers reply: all that the engine says of a container
 *   snapshot    the complete list of a host; delta: changed and removed containers only
 *   candidates  hosts without an agent that a user may migrate to this one (session/registration.h)
 *   own         containers of DockMon itself, which protected operations and shells refuse
 */

#include "base/container_id.h"
#include "base/list.h"
#include "base/listeners.h"
#include "base/map.h"
#include "proto/codec.h"
#include "server/fleet/condition.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define FLEET_MAX_CONTAINERS 5000 /* default of one host; containers beyond the limit are skipped */
#define FLEET_DIGEST_SIZE    16

/*
 * The newest sample of a container or a host. -1 means unknown. The fleet computes
 * net_bytes_per_sec of a container from the bytes received and sent since its previous sample.
 */
struct fleet_sample {
    int64_t sampled_at_ms; /* when it was received, by our clock; 0: there is none yet */
    double cpu_percent;    /* 100 is one core for a container, all cores for a host */
    double memory_percent;
    double net_bytes_per_sec;
    int64_t memory_usage, memory_limit; /* bytes */
    int64_t network_rx, network_tx;     /* bytes since the container's start */
    int64_t disk_read, disk_write;
    int64_t pids; /* of containers */
    /* Set by the fleet: see staleness.h. */
    int64_t interval_ms; /* since the previous sample; 0: unknown */
    bool is_expired;     /* the metrics are unknown, because too many samples are missing */
    bool is_derived;     /* of a host: not measured, but the sum of its containers: host_sum.h */
};

/* Sets all metrics to -1, which means unknown; the other members stay. */
void fleet_sample_clear(struct fleet_sample *s);

/*
 * JSON that the API has encoded from an object and keeps until that changes; NULL: not encoded
 * yet.
 */
struct fleet_text {
    char *text;
    size_t size;
};

/*
 * Bytes of memory for what agents say of their containers. An element beyond a limit is left out,
 * so that one host takes neither the memory nor the messages of the others.
 */
#define FLEET_MAX_ELEMENT     ((size_t)1 << 20)
#define FLEET_MAX_HOST_COST   ((size_t)64 << 20)
#define FLEET_MAX_COST        ((size_t)1 << 30)
#define FLEET_MAX_LABEL       ((size_t)4 << 10)  /* of a value; longer ones are cut */
#define FLEET_MAX_LABEL_BYTES ((size_t)64 << 10) /* of a container; further ones are left out */

struct host_settings;

struct fleet_cost {
    size_t used, max;
};

struct fleet_container {
    char id[CONTAINER_ID_SIZE];
    char *name; /* without the leading '/' */
    /* created running paused restarting exited unknown (dead becomes exited) */
    char *state;
    char *engine_state; /* the state in the engine's words */
    int64_t created_s;
    char *element;                             /* see fleet_container_element(); NULL: forgotten */
    uint8_t element_digest[FLEET_DIGEST_SIZE]; /* of a forgotten element */
    json_t *labels;                            /* of the element: object, or NULL */
    char *image;                               /* of the element; "": it has none */
    struct fleet_condition condition;
    struct fleet_sample sample;
    uint64_t own_sample_version; /* the host's samples_version with this sample */
    uint64_t version;            /* the host's containers_version with its last change */
    size_t cost;                 /* bytes that count towards the limits above */
    struct fleet_text shown, secrets, settings; /* see server/view/container_json.h */
    bool is_cut;  /* parts of it were shortened or left out, and it was logged */
    bool is_seen; /* used by fleet_apply_snapshot() */
};

struct fleet_host {
    struct host row;
    struct agent agent;             /* zeroed for hosts without an agent */
    bool is_online;                 /* its agent has a registered session */
    char *trouble;                  /* a failure of the agent or its engine, as text; NULL: none */
    int64_t seen_at_ms;             /* when its agent last sent something */
    int64_t containers_at_ms;       /* when the container list was last confirmed; 0: never */
    struct map containers;          /* 64-hex id -> struct fleet_container */
    struct map_order order;         /* of the containers in the agent's samples */
    uint64_t containers_version;    /* see above */
    uint64_t version;               /* see above */
    struct fleet_text shown, named; /* the API's; freed here */
    uint64_t shown_version, named_version; /* that the two texts were encoded from */
    uint64_t samples_version;              /* see above */
    uint64_t own_sample_version;           /* samples_version with the host's own sample */
    struct {
        uint64_t since_ms; /* on the monotonic clock */
        unsigned n;
    } cut_warnings;
    struct {
        uint64_t version, containers_version, samples_version;
        size_t n_containers, n_running;
        bool is_online;
    } fed; /* the feed's: the versions that it has sent */
    struct {
        uint64_t version; /* containers_version */
        int64_t listed_at_ms, written_at_ms;
        uint64_t turn; /* of the last attempt to store it */
        size_t n_left_out;
    } stored; /* maintenance/list_keeper.h's: the list that is on disk */
    size_t max_containers;
    size_t cost;               /* of its containers */
    struct fleet_cost *budget; /* of all hosts; borrowed from the fleet */
    const char *own_container; /* the server's; borrowed from the fleet */
    struct strings removed;    /* ids of containers removed since fleet_forget_removed() */
    bool is_removed_cut;       /* more were removed than are remembered */
    struct fleet_sample sample;
    struct {
        uint64_t measured_ms;       /* when a measured sample, or the connection, came last */
        uint64_t derived_ms;        /* when a sum was last made; both on the monotonic clock */
    } sums;                         /* see session/host_sum.h */
    double net_counted;             /* bytes, of an agent that sends only a rate */
    json_t *stats_source;           /* see fleet_take_stats_source(); NULL: unknown */
    json_t *agent_update;           /* newest record of a self-update of its agent, or NULL */
    struct host_settings *settings; /* see host_settings.h; NULL: none */
    json_t *migration_candidates;   /* [{"host_id", "host_name"}], or NULL */
};

struct fleet;

struct fleet *fleet_new(void);
void fleet_set_max_containers(struct fleet *f, size_t max); /* per host, for hosts added later */
void fleet_set_max_cost(struct fleet *f, size_t bytes);     /* of all hosts, see FLEET_MAX_COST */
/*
 * Counts bytes that a session holds for the fleet, such as parts of a list, to the limit of all
 * hosts. False: there is no room. The caller returns them with fleet_release().
 */
bool fleet_reserve(struct fleet *f, size_t bytes) _nodiscard_;
void fleet_release(struct fleet *f, size_t bytes);
void fleet_free(struct fleet *f);
struct listeners *fleet_listeners(struct fleet *f); /* for fleet_listener.c */

/*
 * Inserts or replaces a host; copies the rows. `agent` may be NULL. Replacing keeps the pointer,
 * containers, samples and is_online.
 */
struct fleet_host *fleet_put_host(struct fleet *f,
                                  const struct host *row,
                                  const struct agent *agent);
void fleet_remove_host(struct fleet *f, const char *host_id);
struct fleet_host *fleet_find_host(const struct fleet *f, const char *host_id);
struct fleet_host *fleet_find_agent(const struct fleet *f, const char *agent_id);
const struct map *fleet_hosts(const struct fleet *f); /* host id -> struct fleet_host */
/* The ids of hosts removed since fleet_forget_removed_hosts(); NULL: more than are remembered. */
const struct strings *fleet_removed_hosts(const struct fleet *f);
void fleet_forget_removed_hosts(struct fleet *f);
void fleet_set_online(struct fleet *f, struct fleet_host *h, bool is_online, int64_t now_ms);
void fleet_set_trouble(struct fleet_host *h, const char *trouble); /* copied; NULL: none */

/*
 * Applies a complete list (an array of list_containers elements). Returns the number of elements
 * that were skipped, because they could not be decoded or the host is full. Containers that
 * remain keep their newest sample, unless they have ended.
 */
size_t fleet_apply_snapshot(struct fleet_host *h, const json_t *containers, int64_t now_ms);
/* Applies new and changed elements, and removed ids; both may be NULL. Returns as above. */
size_t fleet_apply_delta(struct fleet_host *h,
                         const json_t *containers,
                         const struct strings *removed,
                         int64_t now_ms);

void fleet_forget_removed(struct fleet_host *h);

/*
 * Returns the list_containers element of a container, with Ports, Mounts, Env, RepoDigests, ...;
 * the caller owns it. The element is stored as compact text, because a tree takes six times as
 * much, and only until the API has encoded what it shows: fleet_container_forget_element() then
 * keeps a digest to detect changes.
 */
json_t *fleet_container_element(const struct fleet_container *c) _nodiscard_;
void fleet_container_forget_element(struct fleet_container *c);

/*
 * Sets the newest sample of a container (64-hex or 12-hex id). False: the host has no such
 * container. `place` is the container's position in the batch (below 5,000), which makes the
 * search fast.
 */
bool fleet_put_sample(struct fleet_host *h,
                      size_t place,
                      const char *container_id,
                      const struct fleet_sample *s);
/*
 * Sets the newest sample of the host. A net_bytes_per_sec of -1 is computed from the counters. The
 * host changes its version if its samples are derived now, or no longer.
 */
void fleet_put_host_sample(struct fleet_host *h, const struct fleet_sample *s);
/* Takes ownership of an object with the source of samples: containers, network, why, notes. */
void fleet_take_stats_source(struct fleet_host *h, json_t *source);
void fleet_set_candidates(struct fleet_host *h, const json_t *candidates); /* copied; NULL: none */

/* True: the agent of the host has sent this capability. */
bool fleet_host_can(const struct fleet_host *h, const char *capability);

/*
 * Finds a container by its 64-hex id, its name (with or without '/'), or a unique prefix of the
 * id, in this order. -ENOENT; -EEXIST: the prefix is ambiguous.
 */
int fleet_find_container(const struct fleet_host *h, const char *ref, struct fleet_container **ret);

/* The full or short id of the container that the server runs in; copied; "": none. */
void fleet_set_own_container(struct fleet *f, const char *id);
