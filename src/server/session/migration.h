#pragma once

/*
 * Migrates a host that DockMon reached over mTLS ("remote") to the agent that now runs on the
 * same engine: its container-scoped settings move to the agent's host, the old host becomes
 * inactive, refers to its successor and is renamed to "<name> (migrated)". Runs in store jobs
 * only.
 */

#include "server/store/hosts.h"
#include "server/store/store.h"
#include <stdint.h>

struct migration_result {
    char *agent_id, *host_id;           /* the agent and its host */
    char *source_host_id, *source_name; /* the host it replaces, with the name it had */
    int64_t n_transferred;              /* settings that moved */
};

void migration_result_done(struct migration_result *r);

/*
 * Migrates the host that the user has chosen, in one transaction. -ENOENT: no such agent or host;
 * -EINVAL: the host is not an active remote host of the agent's engine.
 */
int migration_run(struct db *s,
                  const char *agent_id,
                  const char *source_host_id,
                  struct migration_result *ret,
                  struct error *err) _nodiscard_;

/*
 * The two halves of a migration, for callers inside a transaction. Retire renames the old host
 * and updates *source, so that the new host can have its name; transfer needs the row of the new
 * host and returns the number of settings that moved.
 */
int migration_retire(struct db *s, struct host *source, int64_t now_ms, struct error *err)
    _nodiscard_;
int migration_transfer(struct db *s,
                       struct host *source,
                       const char *host_id,
                       int64_t *ret_n,
                       struct error *err) _nodiscard_;
