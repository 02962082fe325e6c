#include "server/history/seal.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/set.h"
#include "server/history/points.h"
#include "server/history/rollup.h"
#include "server/history/tick.h"

#include <errno.h>

/* The ticks of one host that are sealed into one file, some series per pass. */
struct seal {
    struct history_disk *disk;
    const char *host;
    int64_t from, to;  /* in steps */
    struct map series; /* struct history_rows by name: the series of this pass */
    struct set done;   /* names of the passes before */
    bool is_more;      /* there are further names */
    bool has_put_failed, has_head_failed;
    struct tier_file *file;
};

/* NULL: the series is not in this pass. */
static struct history_rows *get_rows(struct seal *s, const char *name)
{
    struct history_rows *rows = map_find(&s->series, name);

    if (rows || set_has(&s->done, name))
        return rows;
    if (s->series.size == SEAL_SERIES) {
        s->is_more = true;
        return NULL;
    }
    rows = xcalloc(1, sizeof(*rows));
    history_rows_init(rows, metric_set_of(name).n, SEAL_ROWS);
    (void)map_put(&s->series, name, rows);
    return rows;
}

static int put(struct seal *s, const char *name, struct history_rows *rows, struct error *err)
{
    int r = tier_file_put(s->file, &(struct series_key){s->host, name}, rows, err);

    s->has_put_failed = r < 0;
    rows->n = 0;
    return r;
}

static int add(struct seal *s, int64_t at, const struct tick_series *t, struct error *err)
{
    struct history_rows *rows = get_rows(s, t->name);
    int r = 0;

    if (!rows)
        return 0;
    if (rows->n > 0 && rows->at[rows->n - 1] == at)
        rows->n--; /* of two rows with the same time the later one counts */
    if (rows->n == rows->capacity)
        r = put(s, t->name, rows, err);
    if (r == 0)
        history_rows_add(rows, at, t->values, t->n);
    return r;
}

static int on_row(void *owner, const struct history_head_row *row, struct error *err)
{
    struct seal *s = owner;
    struct tick_series t;
    size_t offset = 0;
    int r;

    while ((r = tick_next(row->data, row->size, &offset, &t)) > 0) {
        r = add(s, row->at, &t, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? error_set(err, -EUCLEAN, "a row of the head log of host %s is damaged", s->host)
                 : 0;
}

static int put_all(struct seal *s, struct error *err)
{
    int r = 0;

    map_foreach(&s->series, e) {
        if (r == 0)
            r = put(s, e->key, e->value, err);
    }
    return r;
}

static int seal_pass(struct tier_file *f, void *arg, struct error *err)
{
    struct seal *s = arg;
    const struct history_head_read read = {s->host, s->from, s->to, on_row, s};
    int r = history_head_read(history_disk_head(s->disk), &read, err);

    s->has_head_failed = r < 0 && !s->has_put_failed;
    if (r == 0)
        r = put_all(s, err);
    /* Rows were added to a day that was rolled up, or is being rolled up: do it again. */
    return r < 0 ? r : rollup_restart(f, err);
}

static void end_pass(struct seal *s)
{
    map_foreach(&s->series, e) {
        (void)set_add(&s->done, e->key);
        history_rows_done(e->value);
        free(e->value);
    }
    map_done(&s->series);
}

/* Seals the ticks of the host that belong to the file that begins at s->from. */
static int seal_file(struct seal *s, struct error *err)
{
    struct history_disk *d = s->disk;
    int r = history_disk_file(d, TIER_10S, s->from * tiers[TIER_10S].step_ms, true, &s->file, err);

    if (r < 0)
        return r;
    do {
        s->is_more = false;
        r = tier_file_tx(s->file, seal_pass, s, err);
        end_pass(s);
    } while (r == 0 && s->is_more && set_size(&s->done) < SEAL_MAX_SERIES);
    if (r < 0)
        return history_disk_check(d, s->has_head_failed ? NULL : s->file, r, err);
    r = history_head_remove(history_disk_head(d), s->host, s->from, s->to, err);
    return history_disk_check(d, NULL, r, err);
}

int seal_host(struct history_disk *d, const char *host, struct error *err)
{
    const struct tier_info *t = &tiers[TIER_10S];
    int64_t first;
    int r;

    while ((r = history_head_first(history_disk_head(d), host, &first, err)) > 0) {
        struct seal s = {.disk = d, .host = host};

        s.from = tier_file_start(TIER_10S, first * t->step_ms) / t->step_ms;
        s.to = s.from + t->file_ms / t->step_ms;
        r = seal_file(&s, err);
        set_done(&s.done);
        if (r < 0)
            return r;
    }
    return history_disk_check(d, NULL, r, err);
}
