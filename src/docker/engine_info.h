#pragma once

/*
 * Facts about the engine for registration: /info, /version and the networks, read with one call.
 */

#include "docker/engine.h"

struct engine_info {
    char *engine_id;  /* ID of /info, or "" */
    char *name;       /* host name, from the engine */
    char *os_type;    /* "linux" */
    char *os_version; /* "Debian GNU/Linux 12 (bookworm)" */
    char *kernel_version;
    char *docker_version;
    char *architecture;      /* "x86_64" */
    char *daemon_started_at; /* creation time of network "bridge", or "" */
    int64_t total_memory;
    int64_t n_cpus;
    char **subnets; /* such as "172.17.0.0/16", of all networks except macvlan and ipvlan */
    size_t n_subnets;
};

void engine_info_done(struct engine_info *info);

struct engine_info_call;

/* `info` is valid during the call, and NULL if code < 0. Use TAKE_PTR() to keep members. */
typedef void (*engine_info_fn)(void *owner,
                               int code,
                               const char *message,
                               struct engine_info *info);

/*
 * The life cycle is that of engine_call. Networks are optional: after a failure their members are
 * empty.
 */
int engine_info_start(struct engine_info_call **ret,
                      struct engine *engine,
                      engine_info_fn done,
                      void *owner,
                      struct error *err) _nodiscard_;
void engine_info_cancel(struct engine_info_call *call);
DEFINE_CLEANUP(struct engine_info_call *, engine_info_cancel);
