#pragma once

/*
 * The tiers of history: their resolution, and the span of time of one file. The configuration
 * (tiers_parse()) says which tiers are written and how long each is kept; the finest one always is.
 * A file is named after its tier and its first day, as in 10s-2026-11-23.db. Expiry removes whole
 * files.
 *
 * The format of a file does not depend on the configuration. Files of tiers that are not configured
 * any more can still be read; they are removed when they are older than the longest configured
 * time. Each step is a multiple of the one before.
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
    TIER_1H, /* its files also hold the marks, even if the tier is not configured */
    TIER_6H,
    TIER_1D,
    TIER_COUNT
};

struct tier_info {
    const char *name;
    int64_t step_ms;
    int64_t file_ms; /* a multiple of a day and of step_ms */
};

#define TIERS_DEFAULT "10s:2d,1m:14d,10m:90d,1h:2y"

/*
 * Parses "STEP:KEEP,...", from the finest step on. KEEP has the unit h, d or y, is 2 days to 100
 * years, and not less than that of the tier before. keep_ms: how long each tier is kept; 0: it is
 * not written. -EINVAL with a text that says which part is wrong, and what is valid.
 */
int tiers_parse(const char *text, int64_t keep_ms[TIER_COUNT], struct error *err) _nodiscard_;

/* How long files of a tier are kept, even if it is not configured any more. */
int64_t tier_keep(const int64_t keep_ms[TIER_COUNT], enum tier tier);

extern const struct tier_info tiers[TIER_COUNT];

/*
 * Maximum number of series, and of marks, of one host per file and day of its span. Agents choose
 * the names: further ones are ignored, so that no agent fills the disk.
 */
#define TIER_SERIES_PER_DAY 20000

/* The first millisecond of the file that holds that time. */
static inline int64_t tier_file_start(enum tier tier, int64_t at_ms)
{
    return time_div_floor(at_ms, tiers[tier].file_ms) * tiers[tier].file_ms;
}

#define TIER_FILE_NAME_SIZE 32
void tier_file_name(enum tier tier, int64_t start_ms, char ret[TIER_FILE_NAME_SIZE]);
/* -EINVAL if the name is not one of tier_file_name(). */
int tier_file_parse(const char *name, enum tier *ret_tier, int64_t *ret_start_ms);
