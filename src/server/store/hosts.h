#pragma once

/*
 * Table hosts: Docker hosts. Only this module names the table.
 */

#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

enum host_connection {
    HOST_LOCAL,
    HOST_REMOTE,
    HOST_AGENT
}; /* stored as "local", "remote", "agent" */

struct host {
    char *id;           /* UUID */
    char *name;         /* unique among active hosts */
    bool is_name_given; /* by a user: the agent does not change it */
    char *url;
    enum host_connection connection;
    bool is_active;
    char *replaced_by; /* host id or NULL */
    char *engine_id;
    char *tags; /* JSON array of strings */
    char *description;
    char *os_type, *os_version, *kernel_version, *docker_version, *daemon_started_at;
    int64_t total_memory; /* bytes; 0: unknown */
    int64_t num_cpus;     /* 0: unknown */
    char *host_ips;       /* JSON array of strings */
    bool is_podman;
    int64_t created_at_ms, updated_at_ms;
};

void host_done(struct host *h);

/* -EEXIST: the name is in use. */
int hosts_insert(struct db *s, const struct host *h, struct error *err) _nodiscard_;
/* Updates all columns of the row with this id. -EEXIST: the name is in use; -ENOENT. */
int hosts_update(struct db *s, const struct host *h, struct error *err) _nodiscard_;
/* Fills *ret, which the caller frees with host_done(). -ENOENT. */
int hosts_get(struct db *s, const char *id, struct host *ret, struct error *err) _nodiscard_;
/* Finds an active host by its id or its name, like hosts_get(). */
int hosts_find(struct db *s, const char *ref, struct host *ret, struct error *err) _nodiscard_;
/* Deletes the host with its agent and events; its name is remembered. -ENOENT. */
int hosts_delete(struct db *s, const char *id, struct error *err) _nodiscard_;
/* True: an active host other than except_id (may be NULL) has the name. */
bool hosts_name_taken(struct db *s, const char *name, const char *except_id);

/* True: another host had this name before it was renamed or deleted. */
bool hosts_name_was_of_other(struct db *s, const char *name, const char *host_id);

typedef void (*hosts_row_fn)(void *arg, const struct host *h); /* the row is borrowed */
/* Active hosts, in the order of their names. */
int hosts_each(struct db *s, hosts_row_fn fn, void *arg, struct error *err) _nodiscard_;
/* Active hosts of a connection type with this engine id. */
int hosts_each_engine(struct db *s,
                      const char *engine_id,
                      enum host_connection c,
                      hosts_row_fn fn,
                      void *arg,
                      struct error *err) _nodiscard_;
