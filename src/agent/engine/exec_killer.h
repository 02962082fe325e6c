#pragma once

/*
 * Ends processes that the agent started in containers with an exec. The engine has no request for
 * that, and such a process continues when its connection is closed.
 *
 * Each process carries a mark in its environment, and its children inherit it. Where the agent sees
 * the processes of the host it signals those with the mark itself; elsewhere a second exec runs sh
 * inside the container, which does the same there. SIGHUP comes first, SIGKILL after it.
 *
 * Each process that is being ended is a task:
 *
 *     CHECKING --signalled on the host, or not started yet--> WAITING --> CHECKING ...
 *        |                                                       ^
 *        +--processes not visible--> CREATING --> STARTING ------+
 *
 * CHECKING asks the engine whether the process runs. CREATING and STARTING make the exec that
 * signals it inside the container. A task ends in any state: when the process no longer runs, when
 * the container was removed, when a request fails, and when the process still runs after the last
 * check. The failures are logged.
 *
 * The killer belongs to main.c and outlives sessions: its work begins when a connection is lost.
 * It copies what it is given; exec_killer_free() drops the tasks that are left.
 */

#include "docker/engine.h"
#include "net/completion.h"

#define EXEC_MARK_NAME "DOCKMON_EXEC"
#define EXEC_MARK_SIZE 96

struct exec_killer;

/*
 * `home` is a file or directory that belongs to this agent alone: its inode distinguishes the marks
 * of this agent from those of others.
 */
struct exec_killer *exec_killer_new(struct engine *engine, const char *home);
void exec_killer_free(struct exec_killer *k); /* drops all tasks */
DEFINE_CLEANUP(struct exec_killer *, exec_killer_free);

/* Writes "DOCKMON_EXEC=...", for the environment of a new process. */
void exec_killer_make_mark(struct exec_killer *k, char ret[EXEC_MARK_SIZE]);
/*
 * All texts are copied. `user` is the user of the process, NULL for the default of the container:
 * the environment of a process is visible to its own user only.
 */
struct exec_process {
    const char *container, *exec_id, *mark, *user;
};
void exec_killer_end(struct exec_killer *k, const struct exec_process *p);
/* Returns the number of processes that are being ended. */
size_t exec_killer_pending(const struct exec_killer *k);
/* Ends processes that an earlier run of this agent left, where they are visible on the host. */
void exec_killer_sweep(struct exec_killer *k);

/* Completes when no process is being ended. */
void exec_killer_drain(struct exec_killer *k, struct completion_wait *w, completion_fn fn);
