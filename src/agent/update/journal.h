#pragma once

/*
 * Records of updates on disk: one file per update in a directory, DATA_PATH/updates.
 *
 * A record is written and synced, with its directory, before the act that it names. Beside the
 * record of a running update there is a file that only takes space: it is given up when the disk is
 * full, so that an update that has begun can be completed or undone.
 */

#include "agent/update/journal_record.h"

struct journal;

/* Creates the directory when it is needed. `path` is copied. */
struct journal *journal_new(const char *path);
void journal_free(struct journal *j);
DEFINE_CLEANUP(struct journal *, journal_free);

/* Takes the space that the record of a new update may need later. -ENOSPC: there is not enough. */
int journal_reserve(struct journal *j, const char *id, struct error *err) _nodiscard_;
/* Gives up what journal_reserve() took; harmless if there is nothing. */
void journal_release(struct journal *j, const char *id);

int journal_save(struct journal *j, const struct journal_record *r, struct error *err) _nodiscard_;
void journal_remove(struct journal *j, const char *id);

/*
 * Calls `found` for each record on disk, which it takes. A file that is not a record is logged and
 * left where it is: it may be the only trace of a container that was set aside.
 */
void journal_load(struct journal *j,
                  void (*found)(void *owner, struct journal_record *r),
                  void *owner);
