#pragma once

/*
 * All updates of containers on this host. Lives as long as the process: updates go on without a
 * server, and those that were cut are taken up at the next start.
 *
 *   new -> waiting -> running -> kept -> done             (update.h)
 *                        '-> failed, cancelled, rolled_back
 *
 * At most UPDATES_MAX_RUNNING run side by side, the others wait. After a success the new container
 * is on probation for ten minutes, and the old one is kept until it expires: after the time of the
 * request, or earlier when there are more than UPDATES_MAX_KEPT, or when the disk is nearly full.
 * The records of the newest updates stay on disk, so that a server learns how they ended.
 */

#include "agent/update/update.h"
#include "base/listeners.h"

#define UPDATES_MAX_RUNNING 3
#define UPDATES_MAX_PENDING 64 /* running and waiting */
#define UPDATES_MAX_KEPT    20 /* old containers */
#define UPDATES_MAX_RECORDS 200

struct updates;

struct updates_listener {
    struct listener base;
    void (*on_change)(struct updates_listener *l, const struct journal_record *r);
    void (*on_pull)(struct updates_listener *l,
                    const struct journal_record *r,
                    const struct pull_layers *layers);
};

struct updates_options {
    struct loop *loop;
    struct engine *engine;
    const char *path;           /* of the records; copied */
    const char *own_container;  /* outlives the updates */
    uint64_t health_timeout_ms; /* when a request has none; 0: the default of the gate */
};

struct updates *updates_new(const struct updates_options *o);
void updates_free(struct updates *us); /* NULL is fine; what runs is resumed by the next process */
DEFINE_CLEANUP(struct updates *, updates_free);

/* Reads the records and takes up what was cut. Call it once. */
void updates_start(struct updates *us);

void updates_add_listener(struct updates *us, struct updates_listener *l);
void updates_remove_listener(struct updates_listener *l); /* harmless if it was not added */

struct updates_request {
    const char *update_id; /* of the server; NULL or "": a new one */
    const char *container; /* full id */
    const char *name;      /* of it, without a slash */
    const char *new_image; /* NULL or "": the reference of the present one */
    const char *platform, *fingerprint;
    int64_t stop_timeout_s; /* -1: the container's own */
    int64_t health_timeout_ms, stays_up_ms, keep_ms;
    bool has_consent, ignores_lock;
    json_t *auth; /* taken, also by a failure; may be NULL */
};

/*
 * Begins an update; *ret_id is borrowed until the next call. -EBUSY: one of this container runs;
 * -EAGAIN: too many run; -EINVAL: the id is not a UUID or is in use.
 */
int updates_begin(struct updates *us,
                  const struct updates_request *q,
                  const char **ret_id,
                  struct error *err) _nodiscard_;
int updates_roll_back(struct updates *us, const char *id, struct error *err) _nodiscard_;
int updates_cancel(struct updates *us, const char *id, struct error *err) _nodiscard_;

/* The update that changes the container (full id or name) now; NULL: none. */
const struct journal_record *updates_find_running(const struct updates *us, const char *container);

/*
 * A container (full id) was started or restarted by a user: those in its namespaces are restarted
 * in the background (rejoin.h).
 */
void updates_note_start(struct updates *us, const char *container);
/*
 * Config of the image that a container (full id) was created from, if it is the new one of an
 * update; NULL: unknown. Borrowed.
 */
const json_t *updates_find_config(const struct updates *us, const char *container);
/* Probes of the engine, which previews use, too; borrowed. */
struct probes *updates_probes(const struct updates *us);
/* The id of the container that the agent runs in; "" or NULL: none. */
const char *updates_own_container(const struct updates *us);

void updates_each(const struct updates *us,
                  void (*fn)(void *owner, const struct journal_record *r),
                  void *owner);
