#pragma once

/*
 * A queue of records on disk (segments.h) that may fail and work again: each is said once, and what failed is tried again
 * after SPOOL_DISK_RETRY_MS. Damage that is found is said, too.
 */

#include "agent/spool/segments.h"

#define SPOOL_DISK_RETRY_MS 10000

struct spool_disk {
    const char *dir;    /* borrowed; made when something is written */
    uint64_t max_bytes; /* 0: nothing is written */
    const char *what;   /* for the log: "events", ... */

    struct segments *segments; /* NULL: none, or not usable */
    uint64_t failed_ms;        /* monotonic; 0: it works */
    char why[256];             /* it failed last */
    uint64_t told_damaged;
};

/* True: there are segments now. */
bool spool_disk_open(struct spool_disk *d);
/* With segments. False: it has failed. */
bool spool_disk_append(struct spool_disk *d, const struct spool_record *r);
void spool_disk_sync(struct spool_disk *d);
/* After reading. */
void spool_disk_tell_damage(struct spool_disk *d);
void spool_disk_close(struct spool_disk *d); /* what is there stays */
