#pragma once

/* For tests of the files of history: a directory, and a container "web" that measures the same numbers in every test. */

#include "server/history/query.h"
#include "server/store/fixture.h"

#define STEP  tiers[TIER_10S].step_ms
#define DAY   (INT64_C(20780) * DAY_MS) /* a day of 2026 */
#define HOST  "host-a"
#define N_DAY 8640

struct history_dir {
    struct fixture *fixture;
    char *path;
    struct history_disk *disk;
};

extern const struct history_query whole_day; /* of "web", by 10 s */

void dir_open(struct history_dir *d, void **state);
void dir_close(struct history_dir *d);
/* What the container "web" measures in step i: a gauge that rises, a counter, and the time it was started. */
void values_of(int64_t i, int64_t values[CONTAINER_METRICS]);
void append_host(struct history_dir *d,
                 const char *host,
                 const char *name,
                 int64_t from_ms,
                 int64_t first,
                 int64_t n);
void append_series(
    struct history_dir *d, const char *name, int64_t from_ms, int64_t first, int64_t n);
void append(struct history_dir *d, int64_t from_ms, int64_t first, int64_t n);
void expect_steps(struct history_dir *d, int64_t first, int64_t n);
void seal(struct history_dir *d);
void roll_all(struct history_dir *d, int64_t now_ms);
