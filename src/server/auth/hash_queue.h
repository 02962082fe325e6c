#pragma once

/*
 * The queue of password hashes. argon2 takes a core for some 60 ms, so that clients without an
 * account could keep everybody else waiting. The queue is therefore fair: networks take turns, and
 * a network that has many jobs waiting loses its newest one to a network with fewer. Clients that
 * are known (by a session, or because the user has logged in from there before) have places of
 * their own, and at least every second turn.
 *
 * A job is embedded in the struct of its caller. Lives on the loop; `work` runs on a thread.
 */

#include "base/list.h"
#include "net/network_key.h"
#include "server/common/job.h"
#include <stdbool.h>
#include <stdint.h>

#define HASH_MAX_WAITING 64 /* jobs of clients that are not known */
#define HASH_MAX_KNOWN   16 /* further ones of those that are */

struct hash_queue;

struct hash_job {
    job_fn work, done; /* called as those of job_submit() */
    /* Called instead of both when a job that waits must make room, and by hash_queue_free(). It
     * must not submit. */
    job_fn refuse;
    void *owner; /* the argument of the functions */
    bool is_known;
    char source[NETWORK_KEY_SIZE]; /* a network, or the name of a user */

    /* Of the queue. */
    struct hash_queue *queue;
    struct list link;
    uint64_t turn;
};

/* At most `n_parallel` jobs are submitted at a time; `jobs` must have room for these, and outlive
 * them. */
struct hash_queue *hash_queue_new(struct job_queue *jobs, unsigned n_parallel);
/* Refuses the jobs that wait. Running ones finish. */
void hash_queue_free(struct hash_queue *q);

/* Returns -ENOBUFS when there is no place; no function is called then. */
int hash_queue_submit(struct hash_queue *q, struct hash_job *j) _nodiscard_;
