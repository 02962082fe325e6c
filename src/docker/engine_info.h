#pragma once

/*
 * What the agent says about its engine: /info, /version and the networks, read in one go.
 */

#include "docker/engine.h"

struct engine_info {
    char *engine_id;  /* /info ID; "" when the engine has none */
    char *name;       /* host name as the engine knows it */
    char *os_type;    /* "linux" */
    char *os_version; /* "Debian GNU/Linux 12 (bookworm)" */
    char *kernel_version;
    char *docker_version;
    char *architecture;      /* as the engine says: "x86_64" */
    char *daemon_started_at; /* creation time of network "bridge"; "" when absent */
    int64_t total_memory;
    int64_t n_cpus;
    char **subnets; /* "172.17.0.0/16" of every network but macvlan and ipvlan ones */
    size_t n_subnets;
};

void engine_info_done(struct engine_info *info);

struct engine_info_call;

/* `info` is valid during the call only, NULL when code < 0. Take fields with TAKE_PTR if needed longer. */
typedef void (*engine_info_fn)(void *owner,
                               int code,
                               const char *message,
                               struct engine_info *info);

/* Same life cycle as engine_call. The networks are optional: without them their fields are empty. */
int engine_info_start(struct engine_info_call **ret,
                      struct engine *engine,
                      engine_info_fn done,
                      void *owner,
                      struct error *err) _nodiscard_;
void engine_info_cancel(struct engine_info_call *call);
DEFINE_CLEANUP(struct engine_info_call *, engine_info_cancel);
