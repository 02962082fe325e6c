#pragma once

/*
 * Segments: a bounded queue of records (spool_record.h) on disk, in a directory of its own. Records
 * are appended to files; a file is removed when all of its records are released, or when its room
 * is needed. A record that a crash has left incomplete is cut off when the directory is opened.
 * Synchronous; a directory must not be used by two processes at once.
 */

#include "agent/spool/spool_record.h"
#include "base/error.h"
#include <stdbool.h>

#define SEGMENTS_FILE_SIZE ((uint64_t)1 << 20) /* then a new file begins */

struct segments;

struct segments_options {
    const char *dir;     /* created if it is missing; its parent must exist */
    uint64_t max_bytes;  /* of all files together */
    uint64_t file_bytes; /* 0: SEGMENTS_FILE_SIZE, or an eighth of max_bytes if that is less */
};

int segments_open(struct segments **ret, const struct segments_options *o, struct error *err)
    _nodiscard_;
void segments_close(struct segments *s); /* NULL is fine; the records stay on disk */

/* Returns 0 when the record is in the page cache; segments_sync() makes it durable. Drops the
 * oldest file if there is no room. */
int segments_append(struct segments *s, const struct spool_record *r, struct error *err)
    _nodiscard_;
/* Makes the appended records survive a power cut; does nothing if there are none. */
int segments_sync(struct segments *s, struct error *err) _nodiscard_;
bool segments_is_unsynced(const struct segments *s);

/* A place between two records. A place in a file that was removed means the first record that is
 * left. */
struct segments_place {
    uint64_t file, offset;
};
struct segments_place segments_begin(const struct segments *s); /* after the released records */
struct segments_place segments_end(const struct segments *s);
bool segments_is_end(const struct segments *s, struct segments_place at);
/* Reads the record at *at and advances *at; false at the end. ret->data is valid until the next
 * call of any function. */
bool segments_read(struct segments *s, struct segments_place *at, struct spool_record *ret);
/* Records before `at` are not needed any more. */
void segments_release(struct segments *s, struct segments_place at);

uint64_t segments_bytes(const struct segments *s);
/* The number of records dropped since it was opened. */
uint64_t segments_dropped(const struct segments *s);
uint64_t segments_damaged(const struct segments *s); /* bytes that could not be read, since then */
/* The largest epoch of the records that existed when it was opened; 0: none. */
uint64_t segments_last_epoch(const struct segments *s);
