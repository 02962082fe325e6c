#include "server/history/tier.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* docs/adr/0010 has the reasons for the lengths of files. */
const struct tier_info tiers[TIER_COUNT] = {
    [TIER_10S] = {"10s", 10 * INT64_C(1000),   DAY_MS,      2 * DAY_MS  },
    [TIER_1M] = {"1m",  60 * INT64_C(1000),   DAY_MS,      14 * DAY_MS },
    [TIER_10M] = {"10m", 600 * INT64_C(1000),  7 * DAY_MS,  90 * DAY_MS },
    [TIER_1H] = {"1h",  3600 * INT64_C(1000), 28 * DAY_MS, 730 * DAY_MS},
};

void tier_file_name(enum tier tier, int64_t start_ms, char ret[TIER_FILE_NAME_SIZE])
{
    char day[TIME_TEXT_SIZE];

    (void)time_format_ms(start_ms, day);
    (void)snprintf(ret, TIER_FILE_NAME_SIZE, "%s-%.10s.db", tiers[tier].name, day);
}

int tier_file_parse(const char *name, enum tier *ret_tier, int64_t *ret_start_ms)
{
    const char *dash = strchr(name, '-');
    char text[TIME_TEXT_SIZE], again[TIER_FILE_NAME_SIZE];
    int64_t ns;

    if (!dash || strlen(dash) != sizeof("-2026-11-23.db") - 1)
        return -EINVAL;
    (void)snprintf(text, sizeof(text), "%.10sT00:00:00Z", dash + 1);
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
