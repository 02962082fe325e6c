#include "server/history/rollup.h"
#include "base/alloc.h"
#include "server/history/points.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* State of a file: the id of the last series that was rolled up, and whether all are. */
#define KEY_AT   "rolled_series"
#define KEY_DONE "rolled"

#define DAY_KEY_SIZE 32

/* The roll-up of one series of one day. */
struct rollup {
    struct history_disk *disk;
    struct tier_file *from;
    struct series_row series;
    int64_t day_ms;
    struct history_points points[TIER_COUNT]; /* of the configured tiers, without [TIER_10S] */
};

static int on_rows(void *owner, const struct history_rows *rows)
{
    struct rollup *u = owner;

    for (int t = TIER_10S + 1; t < TIER_COUNT; t++) {
        if (history_disk_makes(u->disk, (enum tier)t))
            history_points_add(&u->points[t], TIER_10S, rows);
    }
    return 0;
}

static struct series_key make_key(const struct rollup *u)
{
    return (struct series_key){u->series.host, u->series.name};
}

static void add_row(struct history_rows *rows, const struct history_points *p, size_t step)
{
    int64_t values[CHUNK_MAX_COLUMNS];
    size_t n = p->set.n;

    for (size_t m = 0; m < n; m++) {
        struct history_point point = history_points_get(p, step, m);

        values[m] = point.mean;
        values[m + n] = point.max;
    }
    history_rows_add(rows, p->from_ms / p->step_ms + (int64_t)step, values, 2 * n);
}

struct put {
    const struct rollup *rollup;
    const struct history_points *points;
};

static int put_points(struct tier_file *f, void *arg, struct error *err)
{
    const struct put *put = arg;
    const struct history_points *p = put->points;
    struct series_key key = make_key(put->rollup);
    struct history_rows rows;
    int r = 0;

    history_rows_init(&rows, 2 * p->set.n, CHUNK_MAX_ROWS);
    for (size_t i = 0; r == 0 && i < p->n; i++) {
        if (history_points_have(p, i))
            add_row(&rows, p, i);
        if (rows.n == rows.capacity || i + 1 == p->n) {
            r = tier_file_put(f, &key, &rows, err);
            rows.n = 0;
        }
    }
    history_rows_done(&rows);
    return r;
}

static int put_tier(struct rollup *u, enum tier tier, struct error *err)
{
    struct put put = {u, &u->points[tier]};
    struct tier_file *f = NULL;
    int r = history_disk_file(u->disk, tier, u->day_ms, true, &f, err);

    return r < 0 ? r : history_disk_check(u->disk, f, tier_file_tx(f, put_points, &put, err), err);
}

static int roll_series(struct rollup *u, struct history_rows *rows, struct error *err)
{
    const int64_t step = tiers[TIER_10S].step_ms;
    const struct tier_read read = {
        .key = make_key(u),
        .from = u->day_ms / step,
        .to = (u->day_ms + DAY_MS) / step,
        .columns = UINT64_MAX,
        .rows = rows,
        .fn = on_rows,
        .owner = u,
    };
    int r = 0;

    for (int t = TIER_10S + 1; r == 0 && t < TIER_COUNT; t++) {
        const struct history_points_options o = {u->series.name, u->day_ms, u->day_ms + DAY_MS,
                                                 tiers[t].step_ms, UINT64_MAX};

        if (history_disk_makes(u->disk, (enum tier)t))
            r = history_points_init(&u->points[t], &o, err);
    }
    if (r == 0)
        r = history_disk_check(u->disk, u->from, tier_file_read(u->from, &read, err), err);
    for (int t = TIER_10S + 1; r == 0 && t < TIER_COUNT; t++) {
        if (history_disk_makes(u->disk, (enum tier)t))
            r = put_tier(u, (enum tier)t, err);
    }
    for (int t = TIER_10S + 1; t < TIER_COUNT; t++)
        history_points_done(&u->points[t]);
    return r;
}

/* Rolls up the next series of the day: returns 1, or 0 if there is none. */
static int roll_next(struct history_disk *d,
                     int64_t day_ms,
                     struct history_rows *rows,
                     struct error *err)
{
    struct rollup u = {.disk = d, .day_ms = day_ms};
    int64_t after = 0;
    int r = history_disk_file(d, TIER_10S, day_ms, false, &u.from, err);

    if (r < 0)
        return r;
    r = tier_file_get(u.from, KEY_AT, &after, err);
    if (r == 0)
        r = tier_file_next_series(u.from, after, &u.series, err);
    if (r <= 0)
        return history_disk_check(d, u.from, r, err);
    history_rows_init(rows, u.series.name[0] ? CONTAINER_METRICS : HOST_METRICS, CHUNK_MAX_ROWS);
    r = roll_series(&u, rows, err);
    history_rows_done(rows);
    /* The file may have been closed meanwhile, as other files were opened. */
    if (r == 0)
        r = history_disk_file(d, TIER_10S, day_ms, false, &u.from, err);
    if (r == 0)
        r = history_disk_check(d, u.from, tier_file_set(u.from, KEY_AT, u.series.id, err), err);
    series_row_done(&u.series);
    return r < 0 ? r : 1;
}

static void format_day_key(int64_t day_ms, char ret[DAY_KEY_SIZE])
{
    (void)snprintf(ret, DAY_KEY_SIZE, "day-%" PRId64, day_ms / DAY_MS);
}

int rollup_has_day(struct tier_file *f, int64_t day_ms, bool *ret, struct error *err)
{
    char key[DAY_KEY_SIZE];
    int64_t value = 0;
    int r;

    format_day_key(day_ms, key);
    r = tier_file_get(f, key, &value, err);
    *ret = value != 0;
    return r;
}

/* Stores in the file of each tier that it has the day; it may also span days from before the tier
 * was configured. */
static int note_day(struct history_disk *d, int64_t day_ms, struct error *err)
{
    char key[DAY_KEY_SIZE];
    int r = 0;

    format_day_key(day_ms, key);
    for (int t = TIER_10S + 1; r == 0 && t < TIER_COUNT; t++) {
        struct tier_file *f = NULL;

        if (!history_disk_makes(d, (enum tier)t))
            continue;
        r = history_disk_file(d, (enum tier)t, day_ms, false, &f, err);
        if (r == 0)
            r = history_disk_check(d, f, tier_file_set(f, key, 1, err), err);
        if (r == -ENOENT) /* the day has no data */
            r = 0;
    }
    return r;
}

/* Marks a day as rolled up, after its last series. */
static int finish_day(struct history_disk *d, int64_t day_ms, struct error *err)
{
    struct tier_file *f = NULL;
    int r = note_day(d, day_ms, err);

    if (r == 0)
        r = history_disk_file(d, TIER_10S, day_ms, false, &f, err);
    if (r < 0)
        return r;
    r = tier_file_set(f, KEY_DONE, 1, err);
    if (r == 0)
        r = tier_file_set(f, KEY_AT, 0, err);
    return history_disk_check(d, f, r, err);
}

int rollup_restart(struct tier_file *f, struct error *err)
{
    int r = tier_file_set(f, KEY_DONE, 0, err);

    return r < 0 ? r : tier_file_set(f, KEY_AT, 0, err);
}

static int roll_day(struct history_disk *d, int64_t day_ms, struct error *err)
{
    struct history_rows rows = {0};
    int r = 1;

    for (int i = 0; r > 0 && i < ROLLUP_SERIES; i++)
        r = roll_next(d, day_ms, &rows, err);
    if (r == 0)
        r = finish_day(d, day_ms, err);
    return r < 0 ? r : 1;
}

static int is_rolled(struct history_disk *d, int64_t day_ms, bool *ret, struct error *err)
{
    struct tier_file *f = NULL;
    int64_t value = 0;
    int r = history_disk_file(d, TIER_10S, day_ms, false, &f, err);

    if (r == 0)
        r = history_disk_check(d, f, tier_file_get(f, KEY_DONE, &value, err), err);
    *ret = value != 0;
    return r;
}

int rollup_step(struct history_disk *d, int64_t now_ms, struct error *err)
{
    struct history_disk_listing l;
    int r = history_disk_list(d, &l, err);
    int result = 0;

    for (size_t i = 0; r == 0 && result == 0 && i < l.n; i++) {
        const struct history_disk_entry *e = &l.entries[i];
        bool done = true;

        if (e->tier != TIER_10S || e->start_ms + DAY_MS + ROLLUP_DELAY_MS > now_ms)
            continue;
        r = is_rolled(d, e->start_ms, &done, err);
        if (r == 0 && !done)
            result = roll_day(d, e->start_ms, err);
    }
    history_disk_listing_done(&l);
    return r < 0 ? r : result;
}
