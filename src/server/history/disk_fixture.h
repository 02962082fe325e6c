#pragma once

/* A directory of history for tests, and a container "web" with the same samples in every test. */

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

extern const struct history_query whole_day; /* of "web", in steps of 10 s */

void dir_open(struct history_dir *d, void **state);
void dir_close(struct history_dir *d);
/* The sample of "web" in step i: a rising gauge, a counter, and the time of its start. */
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
