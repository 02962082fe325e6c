#pragma once

/*
 * A bounded queue of records (spool_record.h) on disk, in a directory of its own: files that are only appended to, and
 * removed as a whole when all in them is released or when room is needed. What a crash has torn at
 * the end of a file is cut off when the directory is opened. Synchronous; not for two processes at once.
 */

#include "agent/spool/spool_record.h"
#include "base/error.h"
#include <stdbool.h>

#define SEGMENTS_FILE_SIZE ((uint64_t)1 << 20) /* a new file is begun beyond that */

struct segments;

struct segments_options {
    const char *dir;     /* made when missing; its parent is there */
    uint64_t max_bytes;  /* of all files together */
    uint64_t file_bytes; /* 0: SEGMENTS_FILE_SIZE, or an eighth of max_bytes if that is less */
};

int segments_open(struct segments **ret, const struct segments_options *o, struct error *err)
    _nodiscard_;
void segments_close(struct segments *s); /* NULL is fine; what is there stays */

/* In the page cache when it returns 0: see segments_sync(). The oldest file goes when there is no room. */
int segments_append(struct segments *s, const struct spool_record *r, struct error *err)
    _nodiscard_;
/* What was appended survives a power cut from now on; nothing is done when nothing is new. */
int segments_sync(struct segments *s, struct error *err) _nodiscard_;
bool segments_is_unsynced(const struct segments *s);

/* A place between records. Files that go move the places in them to the first record that is left. */
struct segments_place {
    uint64_t file, offset;
};
struct segments_place segments_begin(const struct segments *s); /* behind what was released */
struct segments_place segments_end(const struct segments *s);
bool segments_is_end(const struct segments *s, struct segments_place at);
/* The record at *at, which moves behind it; false at the end. ret->data until the next call of any function. */
bool segments_read(struct segments *s, struct segments_place *at, struct spool_record *ret);
/* What is before `at` is not needed any more. */
void segments_release(struct segments *s, struct segments_place at);

uint64_t segments_bytes(const struct segments *s);
/* The number of records dropped since it was opened. */
uint64_t segments_dropped(const struct segments *s);
uint64_t segments_damaged(const struct segments *s); /* bytes that could not be read, since then */
/* The largest epoch of the records that were there when it was opened; 0: none. */
uint64_t segments_last_epoch(const struct segments *s);
