#pragma once

/*
 * The directory of history: the head log, the files of the tiers (a few are kept open), what is to be
 * removed and what is damaged. Synchronous, for jobs of one queue.
 *
 * A damaged file is renamed to NAME.damaged and reported, and the rest goes on: the function that came upon
 * it fails with -EUCLEAN, and a second call finds an empty file in its place.
 */

#include "server/history/head.h"
#include "server/history/tier_file.h"

struct history_disk;

struct history_disk_options {
    const char *dir;
    int64_t keep_ms[TIER_COUNT]; /* of tiers_parse() */
    size_t series_per_day;       /* 0: TIER_SERIES_PER_DAY */
};

/* Makes the directory when missing. */
int history_disk_open(struct history_disk **ret,
                      const struct history_disk_options *o,
                      struct error *err) _nodiscard_;
void history_disk_close(struct history_disk *d);

/* NULL after a damaged one could not be made anew; then history_disk_mend() tries it again. */
struct history_head *history_disk_head(struct history_disk *d);
int history_disk_mend(struct history_disk *d, struct error *err) _nodiscard_;

/* The file of a tier that holds that time; it lives until the next call. -ENOENT when there is none and none is to be made. */
int history_disk_file(struct history_disk *d,
                      enum tier tier,
                      int64_t at_ms,
                      bool may_create,
                      struct tier_file **ret,
                      struct error *err) _nodiscard_;
/* Sets the damaged file (of history_disk_file(), or the head when `file` is NULL) aside when `code` is -EUCLEAN. Returns
   code, or -EIO when no new head could be made. */
int history_disk_check(struct history_disk *d, struct tier_file *file, int code, struct error *err);

bool history_disk_makes(const struct history_disk *d, enum tier tier); /* it is configured */

/* The files there are, oldest first. */
struct history_disk_entry {
    enum tier tier;
    int64_t start_ms, size; /* size: bytes with what belongs to it */
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
 * Removes the files that are older than their tier is kept. is_rolled: rollup_step() has nothing more to do; before that
 * the finest tier is kept twice as long. *ret_n: how many; may be NULL.
 */
int history_disk_expire(struct history_disk *d,
                        int64_t now_ms,
                        bool is_rolled,
                        size_t *ret_n,
                        struct error *err) _nodiscard_;

/* How often something was left out since the start because a host had too many series (tier.h). */
size_t history_disk_n_left_out(const struct history_disk *d);

/* Files set aside since the start: how many, and the name of the last one ("" none). */
size_t history_disk_n_damaged(const struct history_disk *d, const char **ret_last);
