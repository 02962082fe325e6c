#pragma once

/*
 * The identity that an agent registers with: facts of the engine, a name for the host, its
 * addresses, and the container the agent runs in. It is built from the engine's answer before every
 * attempt to connect.
 */

#include "agent/common/host_ips.h"
#include "agent/config/config.h"
#include "daemon/own_container.h"
#include "docker/engine_info.h"
#include "proto/register.h"

struct identity {
    char *engine_id;
    char *hostname;
    const char *hostname_source; /* agent_name, daemon, os or engine_id; static */
    char *os_type, *os_version, *kernel_version, *docker_version, *daemon_started_at;
    int64_t total_memory, num_cpus;
    struct host_ips host_ips;
    char own_container[OWN_CONTAINER_SIZE]; /* "" outside of a container */
};

/* Sources of an identity besides the engine; tests use recorded trees. */
struct identity_source {
    const char *root;         /* "": the root of the system */
    const char *agent_name;   /* AGENT_NAME or NULL */
    const char *os_hostname;  /* "" when unknown */
    const char *env_hostname; /* HOSTNAME or NULL */
};

/* -ENODATA: the engine has no ID. On failure *ret is unchanged. */
int identity_build(struct identity *ret,
                   const struct engine_info *info,
                   const struct identity_source *source,
                   struct error *err) _nodiscard_;
/* The same with the root, host name and environment of the system. */
int identity_read(struct identity *ret,
                  const struct engine_info *info,
                  const struct config *config,
                  struct error *err) _nodiscard_;
void identity_done(struct identity *id);
/* The facts that change when the engine is exchanged, as one text to compare; to be freed. */
char *identity_facts(const struct identity *id);

/*
 * Fills a register message, to be released with msg_register_done(). `engine_id` is the one of the
 * registration: kept_engine.h.
 */
void identity_fill_register(const struct identity *id,
                            const struct config *config,
                            const char *token,
                            const char *engine_id,
                            struct msg_register *ret);
