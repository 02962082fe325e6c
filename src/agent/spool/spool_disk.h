#pragma once

/*
 * Segments (segments.h) on a disk that may fail and recover: a failure, the recovery and damage are
 * logged once each. A failed operation is tried again after SPOOL_DISK_RETRY_MS.
 */

#include "agent/spool/segments.h"

#define SPOOL_DISK_RETRY_MS 10000

struct spool_disk {
    const char *dir;    /* borrowed; created by the first write */
    uint64_t max_bytes; /* 0: nothing is written */
    const char *what;   /* for the log: "events", ... */

    struct segments *segments; /* NULL: not opened, or failed */
    uint64_t failed_ms;        /* monotonic; 0: it works */
    char why[256];             /* the last failure */
    uint64_t told_damaged;
};

/* Returns whether the segments are open. */
bool spool_disk_open(struct spool_disk *d);
/* The segments must be open. Returns false on failure. */
bool spool_disk_append(struct spool_disk *d, const struct spool_record *r);
void spool_disk_sync(struct spool_disk *d);
/* Logs damage that was found; call after reading. */
void spool_disk_log_damage(struct spool_disk *d);
void spool_disk_close(struct spool_disk *d); /* the records stay on disk */
