#pragma once

/*
 * The directory of history: the head log, the files of the tiers (of which a few are kept open),
 * expiry, and the handling of damage. Synchronous; used by jobs of one queue only.
 *
 * A damaged file is renamed to NAME.damaged and counted, and the others stay in use: the function
 * that found the damage fails with -EUCLEAN, and a second call finds an empty file in its place.
 */

#include "server/history/head.h"
#include "server/history/tier_file.h"

struct history_disk;

struct history_disk_options {
    const char *dir;
    int64_t keep_ms[TIER_COUNT]; /* from tiers_parse() */
    size_t series_per_day;       /* 0: TIER_SERIES_PER_DAY */
};

/* Creates the directory if it is missing. */
int history_disk_open(struct history_disk **ret,
                      const struct history_disk_options *o,
                      struct error *err) _nodiscard_;
void history_disk_close(struct history_disk *d);

/* NULL if a damaged head could not be re-created; history_disk_mend() tries that again. */
struct history_head *history_disk_head(struct history_disk *d);
int history_disk_mend(struct history_disk *d, struct error *err) _nodiscard_;

/* The file of a tier that holds that time; valid until the next call. -ENOENT if it does not exist
 * and `may_create` is false. */
int history_disk_file(struct history_disk *d,
                      enum tier tier,
                      int64_t at_ms,
                      bool may_create,
                      struct tier_file **ret,
                      struct error *err) _nodiscard_;
/*
 * Handles the result of an operation on a file of history_disk_file(), or on the head if `file` is
 * NULL: sets the file aside if `code` is -EUCLEAN. Returns `code`, or -EIO if no new head could be
 * created.
 */
int history_disk_check(struct history_disk *d, struct tier_file *file, int code, struct error *err);

/* whether the tier is configured */
bool history_disk_makes(const struct history_disk *d, enum tier tier);

/* The existing files, oldest first. */
struct history_disk_entry {
    enum tier tier;
    int64_t start_ms, size; /* size: in bytes, companions of SQLite included */
};
struct history_disk_listing {
    struct history_disk_entry *entries;
    size_t n;
    int64_t head_size;
};
int history_disk_list(struct history_disk *d, struct history_disk_listing *ret, struct error *err)
    _nodiscard_;
void history_disk_listing_done(struct history_disk_listing *l);

/*
 * Removes the files whose tier does not keep them any longer. `is_rolled`: rollup_step() has
 * nothing left to do; until then files of the finest tier are kept for twice their time. *ret_n:
 * the number of removed files; may be NULL.
 */
int history_disk_expire(struct history_disk *d,
                        int64_t now_ms,
                        bool is_rolled,
                        size_t *ret_n,
                        struct error *err) _nodiscard_;

/*
 * How many rows or marks were ignored since the start because a host had too many series (tier.h).
 */
size_t history_disk_n_left_out(const struct history_disk *d);

/* The number of files set aside since the start, and the name of the last one ("": none). */
size_t history_disk_n_damaged(const struct history_disk *d, const char **ret_last);
