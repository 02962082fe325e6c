#include "server/history/query.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/history/rollup.h"
#include "server/history/tick.h"

#include <errno.h>

#define MAX_TIME_MS \
    INT64_C(1000000000000000) /* about 30,000 years; sums of such times fit an int64_t */

struct reading {
    struct history_disk *disk;
    const struct history_query *query;
    struct history_points *points;
    enum tier tier;
    struct history_rows rows;
    struct history_disk_listing files;
};

static int on_rows(void *owner, const struct history_rows *rows)
{
    struct reading *r = owner;

    history_points_add(r->points, r->tier, rows);
    return 0;
}

static int on_head_row(void *owner, const struct history_head_row *row, struct error *err)
{
    struct reading *g = owner;
    struct tick_series t;
    size_t offset = 0;
    int r;

    while ((r = tick_next(row->data, row->size, &offset, &t)) > 0) {
        if (str_eq(t.name, g->query->series)) {
            history_points_add_sample(g->points, row->at * tiers[TIER_10S].step_ms, t.values, t.n);
            return 0;
        }
    }
    return r < 0 ? error_set(err, -EUCLEAN, "a row of the head log is damaged") : 0;
}

static bool has_file(const struct reading *g, enum tier tier, int64_t at_ms)
{
    int64_t start = tier_file_start(tier, at_ms);

    for (size_t i = 0; i < g->files.n; i++) {
        if (g->files.entries[i].tier == tier && g->files.entries[i].start_ms == start)
            return true;
    }
    return false;
}

/* Whether the day was rolled up, or has no file of the finest tier. Otherwise only the finest tier
 * is complete. */
static int day_is_rolled(struct reading *g, int64_t day_ms, bool *ret, struct error *err)
{
    struct tier_file *f = NULL;
    int64_t value = 0;
    int r;

    *ret = true;
    if (!has_file(g, TIER_10S, day_ms))
        return 0;
    r = history_disk_file(g->disk, TIER_10S, day_ms, false, &f, err);
    if (r == 0)
        r = history_disk_check(g->disk, f, tier_file_get(f, "rolled", &value, err), err);
    *ret = value != 0;
    return r;
}

static bool is_candidate(const struct reading *g, int t, int64_t day_ms, bool is_rolled)
{
    return (t == TIER_10S || is_rolled) && has_file(g, (enum tier)t, day_ms);
}

/* Whether the tier was configured when the day was rolled up; its file may exist because of other
 * days. */
static int tier_has_day(struct reading *g, int t, int64_t day_ms, bool *ret, struct error *err)
{
    struct tier_file *f = NULL;
    int r;

    *ret = true;
    if (t == TIER_10S)
        return 0;
    r = history_disk_file(g->disk, (enum tier)t, day_ms, false, &f, err);
    return r < 0 ? r : history_disk_check(g->disk, f, rollup_has_day(f, day_ms, ret, err), err);
}

/*
 * Chooses the coarsest tier that is fine enough and has the day; else the coarsest one that is fine
 * enough and has a file, else the finest one with a file. *ret is -1 if there is none.
 */
static int choose_tier(
    struct reading *g, int64_t day_ms, bool is_rolled, int *ret, struct error *err)
{
    int r = 0;

    *ret = -1;
    for (int t = TIER_COUNT - 1; r == 0 && t >= 0; t--) {
        bool has_day = false;

        if (tiers[t].step_ms > g->query->step_ms || !is_candidate(g, t, day_ms, is_rolled))
            continue;
        *ret = *ret < 0 ? t : *ret;
        r = tier_has_day(g, t, day_ms, &has_day, err);
        if (has_day) {
            *ret = t;
            return 0;
        }
    }
    for (int t = 0; *ret < 0 && t < TIER_COUNT; t++) {
        if (is_candidate(g, t, day_ms, is_rolled))
            *ret = t;
    }
    return r;
}

static int read_day(struct reading *g, int64_t from_ms, int64_t to_ms, struct error *err)
{
    int64_t day_ms = time_div_floor(from_ms, DAY_MS) * DAY_MS;
    struct tier_file *f = NULL;
    bool is_rolled = false;
    int tier = -1, r = day_is_rolled(g, day_ms, &is_rolled, err);

    if (r == 0)
        r = choose_tier(g, day_ms, is_rolled, &tier, err);
    if (r < 0 || tier < 0)
        return r;
    g->tier = (enum tier)tier;
    r = history_disk_file(g->disk, g->tier, day_ms, false, &f, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;

    const struct tier_read read = {
        .key = {g->query->host, g->query->series},
        .from = from_ms / tiers[tier].step_ms,
        .to = -time_div_floor(-to_ms, tiers[tier].step_ms),
        .columns = g->query->columns | g->query->columns << g->points->set.n,
        .rows = &g->rows,
        .fn = on_rows,
        .owner = g,
    };

    return history_disk_check(g->disk, f, tier_file_read(f, &read, err), err);
}

/* Limits the span to the time that files exist for; *from_ms >= *to_ms if there are none. */
static void clamp_to_files(const struct reading *g, int64_t *from_ms, int64_t *to_ms)
{
    int64_t first = INT64_MAX, end = INT64_MIN;

    for (size_t i = 0; i < g->files.n; i++) {
        const struct history_disk_entry *e = &g->files.entries[i];
        int64_t file_end = e->start_ms + tiers[e->tier].file_ms;

        first = e->start_ms < first ? e->start_ms : first;
        end = file_end > end ? file_end : end;
    }
    *from_ms = first > *from_ms ? first : *from_ms;
    *to_ms = end < *to_ms ? end : *to_ms;
}

static int read_all(struct reading *g, int64_t from_ms, int64_t to_ms, struct error *err)
{
    const int64_t step = tiers[TIER_10S].step_ms;
    const struct history_head_read head = {
        g->query->host,
        time_div_floor(from_ms, step),
        -time_div_floor(-to_ms, step),
        on_head_row,
        g,
    };
    int r = history_disk_check(g->disk, NULL,
                               history_head_read(history_disk_head(g->disk), &head, err), err);

    clamp_to_files(g, &from_ms, &to_ms);
    for (int64_t at = from_ms; r == 0 && at < to_ms;) {
        int64_t end = (time_div_floor(at, DAY_MS) + 1) * DAY_MS;

        r = read_day(g, at, end < to_ms ? end : to_ms, err);
        at = end;
    }
    return r;
}

static bool is_possible(const struct history_query *q)
{
    return q->from_ms >= 0 && q->to_ms <= MAX_TIME_MS && q->step_ms > 0 &&
           q->step_ms <= MAX_TIME_MS;
}

int history_read(struct history_disk *d,
                 const struct history_query *q,
                 struct history_points *ret,
                 struct error *err)
{
    const struct history_points_options o = {q->series, q->from_ms, q->to_ms, q->step_ms,
                                             q->columns};
    struct reading g = {.disk = d, .query = q, .points = ret};
    int r = is_possible(q) ? history_points_init(ret, &o, err)
                           : error_set(err, -EDOM, "the requested time range or step is invalid");

    if (r < 0)
        return r;
    history_rows_init(&g.rows, 2 * ret->set.n, CHUNK_MAX_ROWS);
    r = history_disk_list(d, &g.files, err);
    if (r == 0)
        r = read_all(&g, ret->from_ms, ret->from_ms + (int64_t)ret->n * ret->step_ms, err);
    history_disk_listing_done(&g.files);
    history_rows_done(&g.rows);
    if (r < 0)
        history_points_done(ret);
    return r;
}
