#include "server/history/worker.h"
#include "base/alloc.h"
#include "base/map.h"
#include "server/history/rollup.h"
#include "server/history/seal.h"

#include <errno.h>
#include <string.h>

#define SEAL_HOSTS    32 /* per round */
#define SEAL_AGE_MS   (INT64_C(30) * 60 * 1000)
#define SEAL_RETRY_MS 10000

/* The rows of one host in the head. */
struct head_count {
    int64_t n, first;
    int64_t failed_ms; /* time of the last failed sealing; 0: none */
};

struct worker {
    struct history_disk_options options;
    char *dir;
    struct history_disk *disk; /* NULL until it is opened */
    struct map heads;          /* struct head_count by host */
    struct error seal_failure; /* the last one */
};

struct worker *worker_new(const struct history_disk_options *o)
{
    struct worker *w = xcalloc(1, sizeof(*w));

    w->options = *o;
    w->options.dir = w->dir = xstrdup(o->dir);
    return w;
}

static void forget_heads(struct worker *w)
{
    map_foreach(&w->heads, e)
        free(e->value);
    map_done(&w->heads);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    forget_heads(w);
    history_disk_close(w->disk);
    free(w->dir);
    free(w);
}

static void count_rows(struct worker *w, const char *host, int64_t n, int64_t first)
{
    struct head_count *c = map_find(&w->heads, host);

    if (!c) {
        c = xcalloc(1, sizeof(*c));
        c->first = first;
        (void)map_put(&w->heads, host, c);
    }
    c->n += n;
    c->first = first < c->first ? first : c->first;
}

static void on_head_host(void *owner, const struct history_head_host *host)
{
    count_rows(owner, host->host, host->n, host->first);
}

static int open_disk(struct worker *w, struct error *err)
{
    int r;

    if (w->disk && history_disk_head(w->disk))
        return 0;
    r = w->disk ? history_disk_mend(w->disk, err) : history_disk_open(&w->disk, &w->options, err);
    if (r < 0)
        return r;
    forget_heads(w);
    return history_disk_check(
        w->disk, NULL, history_head_each_host(history_disk_head(w->disk), on_head_host, w, err),
        err);
}

void worker_read_positions(struct worker *w, history_head_position_fn fn, void *owner)
{
    struct error err = ERROR_INIT;
    int r = open_disk(w, &err);

    if (r == 0) {
        (void)history_disk_check(
            w->disk, NULL, history_head_each_position(history_disk_head(w->disk), fn, owner, &err),
            &err);
    }
}

static int append(struct worker *w, const struct worker_round *round, struct error *err)
{
    _cleanup_free_ struct history_head_row *rows = xcalloc(round->n_rows + 1, sizeof(*rows));
    const struct history_head_batch batch = {rows, round->n_rows, round->positions,
                                             round->n_positions};
    int r;

    for (size_t i = 0; i < round->n_rows; i++) {
        const struct pending_row *p = &round->rows[i];

        rows[i] = (struct history_head_row){p->host, p->step, p->data, p->size};
    }
    r = history_disk_check(w->disk, NULL,
                           history_head_write(history_disk_head(w->disk), &batch, err), err);
    if (r == -EUCLEAN) { /* the damaged head was replaced by an empty one */
        forget_heads(w);
        r = history_head_write(history_disk_head(w->disk), &batch, err);
    }
    for (size_t i = 0; r == 0 && i < round->n_rows; i++)
        count_rows(w, rows[i].host, 1, rows[i].at);
    return r;
}

static int add_mark(struct worker *w, const struct pending_mark *p, struct error *err)
{
    struct tier_file *f = NULL;
    int r = history_disk_file(w->disk, TIER_1H, p->mark.at_ms, true, &f, err);

    if (r < 0)
        return r;
    r = tier_file_add_mark(f, &(struct series_key){p->host, p->series}, &p->mark, err);
    return history_disk_check(w->disk, f, r, err);
}

static bool is_ripe(const struct head_count *c, int64_t now_ms)
{
    return c->n >= SEAL_ROWS ||
           (c->n > 0 && c->first * tiers[TIER_10S].step_ms < now_ms - SEAL_AGE_MS);
}

/* A host that failed a moment ago does not keep others from being sealed. */
static bool is_resting(const struct head_count *c, int64_t now_ms)
{
    return c->failed_ms != 0 && now_ms - c->failed_ms >= 0 && now_ms - c->failed_ms < SEAL_RETRY_MS;
}

static int seal_one(struct worker *w,
                    const char *host,
                    struct head_count *c,
                    struct worker_round *round)
{
    struct error err = ERROR_INIT;
    int64_t n = 0;
    int r = seal_host(w->disk, host, &err);

    if (r == 0) {
        *c = (struct head_count){.first = INT64_MAX};
        return 0;
    }
    w->seal_failure = err;
    if (r == -EUCLEAN) /* the damaged file was set aside */
        return r;
    c->failed_ms = round->now_ms;
    if (c->n > WORKER_MAX_ROWS && history_disk_head(w->disk) &&
        history_head_trim(history_disk_head(w->disk), host, WORKER_MAX_ROWS / 3 * 2, &n, &err) ==
            0) {
        c->n -= n;
        round->n_dropped += (size_t)n;
    }
    return r;
}

/* Returns 0 if every due host is sealed, or will be in the next rounds; else the last failure. */
static int seal_some(struct worker *w, struct worker_round *round, struct error *err)
{
    int n = 0, code = 0;

    map_foreach(&w->heads, e) {
        struct head_count *c = e->value;
        int r;

        if (!is_ripe(c, round->now_ms))
            continue;
        if (is_resting(c, round->now_ms)) {
            code = w->seal_failure.code;
            continue;
        }
        r = seal_one(w, e->key, c, round);
        code = r < 0 ? r : code;
        if (++n == SEAL_HOSTS)
            break;
    }
    return code < 0 ? error_set(err, code, "%s", w->seal_failure.msg) : 0;
}

static int take_usage(struct worker *w, struct history_usage *ret, struct error *err)
{
    struct history_disk_listing l;
    int r = history_disk_list(w->disk, &l, err);

    *ret = (struct history_usage){.head_bytes = l.head_size};
    for (size_t t = 0; t < TIER_COUNT; t++) {
        ret->tiers[t].oldest_ms = METRIC_NONE;
        ret->tiers[t].keep_ms = tier_keep(w->options.keep_ms, (enum tier)t);
        ret->tiers[t].is_made = history_disk_makes(w->disk, (enum tier)t);
    }
    for (size_t i = 0; i < l.n; i++) {
        const struct history_disk_entry *e = &l.entries[i];

        if (ret->tiers[e->tier].n_files++ == 0)
            ret->tiers[e->tier].oldest_ms = e->start_ms;
        ret->tiers[e->tier].bytes += e->size;
    }
    history_disk_listing_done(&l);
    return r;
}

/*
 * `r` is the result of sealing. Rows that are not sealed are not rolled up, and days that are not
 * rolled up are kept longer. Expiry runs even if writing fails: a disk that history has filled
 * would otherwise stay full.
 */
static int maintain(struct worker *w, struct worker_round *round, int r)
{
    struct error *err = r < 0 ? NULL : &round->err; /* the first failure is reported */
    int more;

    if (r == 0)
        r = rollup_step(w->disk, round->now_ms, err);
    round->is_more_to_roll = r > 0;
    more = history_disk_expire(w->disk, round->now_ms, r == 0, NULL, r < 0 ? NULL : err);
    if (more == 0)
        more = take_usage(w, &round->usage, r < 0 ? NULL : err);
    round->has_usage = more == 0;
    return r < 0 ? r : more;
}

void worker_run(struct worker *w, struct worker_round *round)
{
    const char *last_damaged;
    int r = open_disk(w, &round->err);

    if (r == 0 && (round->n_rows > 0 || round->n_positions > 0))
        r = append(w, round, &round->err);
    round->has_written = r == 0;
    for (size_t i = 0; r == 0 && i < round->n_marks; i++)
        r = add_mark(w, &round->marks[i], &round->err);
    if (r == 0)
        r = seal_some(w, round, &round->err);
    if (w->disk && round->is_rollup_due)
        r = maintain(w, round, r);
    round->code = r < 0 ? r : 0;
    if (w->disk) {
        round->n_damaged = history_disk_n_damaged(w->disk, &last_damaged);
        round->n_left_out = history_disk_n_left_out(w->disk);
    }
}

void worker_round_done(struct worker_round *r)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        free(r->rows[i].host);
        free(r->rows[i].data);
    }
    for (size_t i = 0; i < r->n_marks; i++) {
        free(r->marks[i].host);
        free(r->marks[i].series);
        history_mark_done(&r->marks[i].mark);
    }
    for (size_t i = 0; i < r->n_positions; i++)
        free(r->positions[i].host);
    free(r->rows);
    free(r->marks);
    free(r->positions);
    r->rows = NULL;
    r->marks = NULL;
    r->positions = NULL;
    r->n_rows = r->n_marks = r->n_positions = 0;
}

static void on_mark(void *owner, const struct history_mark *m)
{
    struct worker_question *q = owner;

    q->marks = xrealloc(q->marks, q->n_marks + 1, sizeof(*q->marks));
    q->marks[q->n_marks++] = (struct history_mark){m->at_ms, xstrdup(m->kind), xstrdup(m->text)};
}

static int read_marks(struct worker *w, struct worker_question *q)
{
    const struct history_query *h = &q->query;
    const struct history_mark_read read = {
        {h->host, h->series},
        h->from_ms, h->to_ms, on_mark, q
    };
    struct history_disk_listing l;
    int r = history_disk_list(w->disk, &l, &q->err);

    for (size_t i = 0; r == 0 && i < l.n; i++) {
        const struct history_disk_entry *e = &l.entries[i];
        struct tier_file *f = NULL;

        if (e->tier != TIER_1H || e->start_ms >= h->to_ms ||
            e->start_ms + tiers[TIER_1H].file_ms <= h->from_ms)
            continue;
        r = history_disk_file(w->disk, TIER_1H, e->start_ms, false, &f, &q->err);
        if (r == 0)
            r = history_disk_check(w->disk, f, tier_file_read_marks(f, &read, &q->err), &q->err);
        if (r == -ENOENT)
            r = 0;
    }
    history_disk_listing_done(&l);
    return r;
}

void worker_ask(struct worker *w, struct worker_question *q)
{
    q->code = open_disk(w, &q->err);
    if (q->code == 0)
        q->code = history_read(w->disk, &q->query, &q->points, &q->err);
    if (q->code == 0)
        q->code = read_marks(w, q);
}
