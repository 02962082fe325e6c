#pragma once

/*
 * Ends processes that the agent started in containers. The engine cannot do it, and such a process
 * goes on when its connection is gone. Each of them carries a mark in its environment, and so do those that
 * it started. Where the agent sees the host's processes it ends them itself; elsewhere a second exec of sh
 * does it inside the container. SIGHUP first, SIGKILL for what is still there.
 *
 * It outlives sessions: a lost connection is the moment when it is needed.
 */

#include "docker/engine.h"
#include "net/completion.h"

#define EXEC_MARK_NAME "DOCKMON_EXEC"
#define EXEC_MARK_SIZE 96

struct exec_killer;

/* `home` is a file or directory of this agent's own: by it the marks of earlier runs are told from others'. */
struct exec_killer *exec_killer_new(struct engine *engine, const char *home);
void exec_killer_free(struct exec_killer *k); /* gives up what is under way */
DEFINE_CLEANUP(struct exec_killer *, exec_killer_free);

/* "DOCKMON_EXEC=...", for the environment of a new process. */
void exec_killer_make_mark(struct exec_killer *k, char ret[EXEC_MARK_SIZE]);
/* All are copied. `user` is whom the process runs as, NULL for the container's own: others cannot see its mark. */
struct exec_process {
    const char *container, *exec_id, *mark, *user;
};
void exec_killer_end(struct exec_killer *k, const struct exec_process *p);
/* Processes that are being ended. */
size_t exec_killer_pending(const struct exec_killer *k);
/* What an earlier run of this agent left behind, as far as it can be seen from here. */
void exec_killer_sweep(struct exec_killer *k);

/* Completes when no process is being ended. */
void exec_killer_drain(struct exec_killer *k, struct completion_wait *w, completion_fn fn);
