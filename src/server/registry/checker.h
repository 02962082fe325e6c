#pragma once

/*
 * The checker asks registries which digest the tags have that the containers of the fleet run, and
 * keeps the answers, one for each reference, in memory and in the table image_checks. Lives on the
 * loop; exchanges are jobs on threads of its own.
 *
 * A reference is checked when it is new, each interval after that (with a tenth of it as jitter), on
 * demand, and when the webhook of its registry is called. At most two exchanges run with a registry
 * at a time. A check of a reference:
 *
 *     idle --due--> queued --> HEAD --new digest--> platforms --version tag--> tags --> idle
 *
 * A failure keeps the answer that was known. After a 429 the registry rests for the time that it
 * asks for; when less than a fifth of the announced limit is left, it rests as well.
 */

#include "base/error.h"
#include "server/common/job.h"
#include "server/fleet/fleet.h"
#include "server/registry/decision.h"
#include "server/registry/facts.h"
#include "server/store/image_checks.h"
#include "server/store/registries.h"

struct checker;

struct checker_options {
    struct loop *loop;
    struct db *store;
    struct job_queue *store_jobs;
    struct fleet *fleet;
    const char *data_dir; /* read by checker_open() */
    uint64_t interval_ms; /* 0: on demand only */
};

/* Loads registries and answers. Everything in the options is borrowed and outlives the checker. */
int checker_open(struct checker **ret, const struct checker_options *o, struct error *err)
    _nodiscard_;
/* Cancels exchanges and ends all waits with -ECANCELED. */
void checker_stop(struct checker *c);
/* Drains its jobs; the queue of the store must still work. */
void checker_free(struct checker *c);

/* All that is known about one container. */
struct checker_view {
    struct image_facts *facts;       /* borrowed until the loop turns */
    const struct image_check *check; /* borrowed; NULL: no registry was asked */
    struct decision decision;
    char *failure; /* owned: the reason of the decision may be in it */
};

/* The caller passes *ret to checker_view_done(). */
void checker_look(struct checker *c,
                  const struct fleet_host *h,
                  const struct fleet_container *container,
                  struct checker_view *ret);
void checker_view_done(struct checker_view *v);

/*
 * Runs once, on the loop, also before checker_ask() has returned. `code` 0: the check has ended, with an
 * answer or a failure of its own.
 */
typedef void (*checker_done_fn)(void *owner, int code);
/*
 * Checks the reference of a container now. -ENOENT: no registry is asked about it; -ENOBUFS: too many
 * references. Then `done` does not run.
 */
int checker_ask(struct checker *c,
                const struct fleet_host *h,
                const struct fleet_container *container,
                checker_done_fn done,
                void *owner) _nodiscard_;

/*
 * Checks the references of a registry, or of one repository there. Returns how many were queued. Calls
 * within a minute of the one before are ignored.
 */
size_t checker_ask_registry(struct checker *c, const char *domain, const char *path);

/* After a change of the table: the registry is reached in this way from now on. */
void checker_put_registry(struct checker *c, const struct registry *row);
void checker_drop_registry(struct checker *c, const char *domain);
/* Seals a password for the table; to be freed. */
char *checker_seal(const struct checker *c, const char *domain, const char *password) _nodiscard_;
/* The domain of the registry whose webhook has this secret; NULL: none. */
const char *checker_find_webhook(const struct checker *c, const char *secret);

/*
 * Returns the credentials with which an engine pulls the image: {"username", "password", "serveraddress"} of its registry,
 * and of no other; the caller owns it. NULL: no credentials. Never logged, and only sent to an agent.
 */
json_t *checker_credentials(const struct checker *c, const char *image) _nodiscard_;
