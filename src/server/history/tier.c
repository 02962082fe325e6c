#include "server/history/tier.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* docs/adr/0010 explains the spans of the files. */
const struct tier_info tiers[TIER_COUNT] = {
    [TIER_10S] = {"10s", 10 * INT64_C(1000),    DAY_MS     },
    [TIER_30S] = {"30s", 30 * INT64_C(1000),    DAY_MS     },
    [TIER_1M] = {"1m",  60 * INT64_C(1000),    DAY_MS     },
    [TIER_5M] = {"5m",  300 * INT64_C(1000),   7 * DAY_MS },
    [TIER_10M] = {"10m", 600 * INT64_C(1000),   7 * DAY_MS },
    [TIER_30M] = {"30m", 1800 * INT64_C(1000),  28 * DAY_MS},
    [TIER_1H] = {"1h",  3600 * INT64_C(1000),  28 * DAY_MS},
    [TIER_6H] = {"6h",  21600 * INT64_C(1000), 28 * DAY_MS},
    [TIER_1D] = {"1d",  86400 * INT64_C(1000), 28 * DAY_MS},
};

#define MIN_KEEP_MS (2 * DAY_MS) /* a day is rolled up when it is over */
#define MAX_KEEP_MS (36500 * DAY_MS)

static int tier_find(const char *name)
{
    for (int t = 0; t < TIER_COUNT; t++) {
        if (str_eq(tiers[t].name, name))
            return t;
    }
    return -ENOENT;
}

/* 0: the text is not a time, or is outside of the limits. */
static int64_t parse_keep(char *text)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {
        {'h', DAY_MS / 24 },
        {'d', DAY_MS      },
        {'y', 365 * DAY_MS}
    };
    size_t size = strlen(text);
    uint64_t n;

    for (size_t i = 0; size > 0 && i < ARRAY_LEN(units); i++) {
        if (text[size - 1] != units[i].unit)
            continue;
        text[size - 1] = '\0';
        if (parse_u64(text, MAX_KEEP_MS / (uint64_t)units[i].ms, &n) < 0)
            return 0;
        return (int64_t)n * units[i].ms >= MIN_KEEP_MS ? (int64_t)n * units[i].ms : 0;
    }
    return 0;
}

static int parse_tier(char *part, int *last, int64_t keep_ms[TIER_COUNT], struct error *err)
{
    char *keep = part;
    const char *name = strsep(&keep, ":");
    int tier = tier_find(name);
    int64_t ms;

    if (tier < 0) {
        return error_set(
            err, -EINVAL,
            "`%s` is not a step: valid steps are 10s, 30s, 1m, 5m, 10m, 30m, 1h, 6h and 1d", name);
    }
    if (*last < 0 && tier != TIER_10S) {
        return error_set(err, -EINVAL,
                         "the first step must be 10s, as all others are computed from it");
    }
    if (tier <= *last) {
        return error_set(err, -EINVAL,
                         "%s follows %s: steps must be listed from the finest to the coarsest",
                         name, tiers[*last].name);
    }
    ms = keep ? parse_keep(keep) : 0;
    if (ms == 0) {
        return error_set(err, -EINVAL,
                         "%s must be kept for 2 days to 100 years, as in %s:48h, %s:14d or %s:2y",
                         name, name, name, name);
    }
    if (*last >= 0 && ms < keep_ms[*last]) {
        return error_set(
            err, -EINVAL,
            "%s is kept for less time than %s: coarser steps must be kept at least as long", name,
            tiers[*last].name);
    }
    keep_ms[tier] = ms;
    *last = tier;
    return 0;
}

int tiers_parse(const char *text, int64_t keep_ms[TIER_COUNT], struct error *err)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *rest = copy;
    int last = -1, r = 0;

    for (int t = 0; t < TIER_COUNT; t++)
        keep_ms[t] = 0;
    while (r == 0 && rest)
        r = parse_tier(strsep(&rest, ","), &last, keep_ms, err);
    return r;
}

int64_t tier_keep(const int64_t keep_ms[TIER_COUNT], enum tier tier)
{
    int64_t longest = 0;

    if (keep_ms[tier] > 0)
        return keep_ms[tier];
    for (int t = 0; t < TIER_COUNT; t++)
        longest = keep_ms[t] > longest ? keep_ms[t] : longest;
    return longest;
}

void tier_file_name(enum tier tier, int64_t start_ms, char ret[TIER_FILE_NAME_SIZE])
{
    char day[TIME_TEXT_SIZE];

    (void)time_format_ms(start_ms, day);
    (void)snprintf(ret, TIER_FILE_NAME_SIZE, "%s-%.*s.db", tiers[tier].name, STR_CUT(day, 10));
}

int tier_file_parse(const char *name, enum tier *ret_tier, int64_t *ret_start_ms)
{
    const char *dash = strchr(name, '-');
    char text[TIME_TEXT_SIZE], again[TIER_FILE_NAME_SIZE];
    int64_t ns;

    if (!dash || strlen(dash) != sizeof("-2026-11-23.db") - 1)
        return -EINVAL;
    (void)snprintf(text, sizeof(text), "%.*sT00:00:00Z", STR_CUT(dash + 1, 10));
    if (time_parse_ns(text, &ns) < 0)
        return -EINVAL;
    for (int t = 0; t < TIER_COUNT; t++) {
        int64_t start = tier_file_start((enum tier)t, ns / 1000000);

        tier_file_name((enum tier)t, start, again);
        if (str_eq(again, name)) {
            *ret_tier = (enum tier)t;
            *ret_start_ms = start;
            return 0;
        }
    }
    return -EINVAL;
}
