#pragma once

/*
 * The tiers of history: how fine, and how much time one file holds. Which of them are made, and how long they are kept, is
 * configured (tiers_parse()); the finest always is. A file is named by its tier and its first day: 10s-2026-11-23.db.
 * Retention removes whole files.
 *
 * Files mean the same whatever is configured. Those of tiers that are not made any more are read, and go when they are older
 * than what is kept longest. Each step is a multiple of the one before.
 */

#include "base/error.h"
#include "base/time.h"
#include <stdint.h>

enum tier {
    TIER_10S,
    TIER_30S,
    TIER_1M,
    TIER_5M,
    TIER_10M,
    TIER_30M,
    TIER_1H, /* its files have the marks, too, also when it is not made */
    TIER_6H,
    TIER_1D,
    TIER_COUNT
};

struct tier_info {
    const char *name;
    int64_t step_ms;
    int64_t file_ms; /* a whole number of days and of steps */
};

#define TIERS_DEFAULT "10s:2d,1m:14d,10m:90d,1h:2y"

/*
 * "STEP:KEEP,..." from the finest on, KEEP in h, d or y, of 2 days to 100 years and not less than that of the tier before: how long
 * each tier is kept, 0 for those that are not made. -EINVAL with a text that says which part is wrong, and what would be right.
 */
int tiers_parse(const char *text, int64_t keep_ms[TIER_COUNT], struct error *err) _nodiscard_;

/* How long files of a tier are kept, also of one that is not made any more. */
int64_t tier_keep(const int64_t keep_ms[TIER_COUNT], enum tier tier);

extern const struct tier_info tiers[TIER_COUNT];

/*
 * Series of one host in a file, for each day that it spans. Names are what an agent says: what is beyond that,
 * is left out, so that no agent fills the disk with names.
 */
#define TIER_SERIES_PER_DAY 20000

/* First millisecond of the file that holds that time. */
static inline int64_t tier_file_start(enum tier tier, int64_t at_ms)
{
    return time_div_floor(at_ms, tiers[tier].file_ms) * tiers[tier].file_ms;
}

#define TIER_FILE_NAME_SIZE 32
void tier_file_name(enum tier tier, int64_t start_ms, char ret[TIER_FILE_NAME_SIZE]);
/* -EINVAL when the name is none of tier_file_name(). */
int tier_file_parse(const char *name, enum tier *ret_tier, int64_t *ret_start_ms);
