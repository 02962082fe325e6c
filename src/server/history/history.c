#include "server/history/history.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "server/common/job.h"
#include "server/history/worker.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ROUND_MS          1000
#define ROLLUP_MS         60000
#define FUTURE_MS         60000
#define START_MS          20000
#define MAX_WAITING       64                 /* queries */
#define MAX_PENDING       ((size_t)64 << 20) /* bytes of rows that wait for a slow round */
#define MAX_PENDING_MARKS 10000

/* Reads the positions that earlier runs have stored. */
struct start_job {
    struct history *history;
    struct host_position *positions;
    size_t n, capacity;
};

struct round_job {
    struct history *history;
    struct worker_round round;
};

struct history {
    struct loop *loop;
    struct job_queue *queue; /* with one thread */
    struct worker *worker;
    struct accumulator *accumulator;
    struct positions *positions;
    size_t max_pending;
    struct listeners listeners;
    bool is_start_notified;
    struct loop_timer start_timer;
    int64_t keep_ms, keep_marks_ms; /* of the finest tier, and of the tier that holds the marks */
    int64_t (*utc_ms)(void);
    struct loop_timer timer;
    struct worker_round next; /* collects rows and marks for the next round */
    size_t next_bytes;
    bool is_round_under_way, is_more_to_roll;
    bool has_left_out;       /* and it was logged */
    uint64_t last_rollup_ms; /* monotonic; 0: never */
    struct history_state state;
    char problem[512];
    struct history_usage usage;
};

struct history_call {
    struct history *history;
    struct worker_question question;
    char *host, *series;
    history_fn done; /* NULL: cancelled */
    void *owner;
};

static void on_row(void *owner, const char *host, int64_t step, struct buf *data)
{
    struct history *h = owner;
    struct worker_round *next = &h->next;

    if (h->next_bytes + data->size > h->max_pending) {
        h->state.n_dropped++;
        positions_lose(h->positions, host);
        return;
    }
    h->next_bytes += data->size;
    next->rows = xrealloc(next->rows, next->n_rows + 1, sizeof(*next->rows));
    next->rows[next->n_rows] = (struct pending_row){
        .host = xstrdup(host), .size = data->size, .step = step};
    next->rows[next->n_rows++].data = buf_take(data);
}

static void set_state(struct history *h, const struct worker_round *round)
{
    if (round->code < 0 && round->code != h->state.code) {
        log_error(NULL, "history is not written: %s", round->err.msg);
    } else if (round->code == 0 && h->state.code < 0) {
        log_info(NULL, "history is written again");
    }
    if (round->n_damaged > h->state.n_damaged) {
        log_error(NULL,
                  "a damaged history file was set aside: see *.damaged in the history directory");
    }
    if (round->n_left_out > 0 && !h->has_left_out) {
        h->has_left_out = true;
        log_warn(
            NULL,
            "more than %d distinct container names or events on one host today; further ones are "
            "not recorded",
            TIER_SERIES_PER_DAY);
    }
    str_copy(h->problem, sizeof(h->problem), round->code < 0 ? round->err.msg : "");
    h->state.code = round->code;
    h->state.n_damaged = round->n_damaged;
}

static void notify_written(struct history *h, const struct worker_round *round)
{
    for (size_t i = 0; round->has_written && i < round->n_positions; i++) {
        const struct host_position *p = &round->positions[i];

        positions_set(h->positions, p->host, &p->at);
        listeners_emit(&h->listeners, struct history_listener, on_written, p->host, &p->at);
    }
}

static void notify_lost(struct history *h, const struct worker_round *round)
{
    size_t n = 0;
    char **hosts = round->has_written ? positions_resume(h->positions, &n) : NULL;

    for (size_t i = 0; i < n; i++) {
        listeners_emit(&h->listeners, struct history_listener, on_lost, hosts[i]);
        free(hosts[i]);
    }
    free(hosts);
}

/*
 * Puts rows that could not be written into the next round, as long as there is room: positions of
 * later batches would otherwise cover rows that are lost. Rows that can never be written (-EINVAL)
 * are dropped.
 */
static void keep_unwritten(struct history *h, struct worker_round *round)
{
    struct worker_round *next = &h->next;
    size_t size = 0;

    if (round->has_written)
        return;
    for (size_t i = 0; i < round->n_positions; i++)
        positions_give_back(h->positions, &round->positions[i]);
    for (size_t i = 0; i < round->n_rows; i++)
        size += round->rows[i].size;
    if (round->n_rows == 0)
        return;
    if (round->code == -EINVAL || size + h->next_bytes > h->max_pending) {
        h->state.n_dropped += round->n_rows;
        for (size_t i = 0; round->code != -EINVAL && i < round->n_rows; i++)
            positions_lose(h->positions, round->rows[i].host);
        return;
    }
    round->rows = xrealloc(round->rows, round->n_rows + next->n_rows, sizeof(*round->rows));
    for (size_t i = 0; i < next->n_rows; i++)
        round->rows[round->n_rows++] = next->rows[i];
    free(next->rows);
    next->rows = TAKE_PTR(round->rows);
    next->n_rows = round->n_rows;
    round->n_rows = 0;
    h->next_bytes += size;
}

static void run_round(void *arg)
{
    struct round_job *job = arg;

    worker_run(job->history->worker, &job->round);
}

static void on_round_done(void *arg)
{
    struct round_job *job = arg;
    struct history *h = job->history;

    set_state(h, &job->round);
    if (job->round.has_usage)
        h->usage = job->round.usage;
    h->state.n_dropped += job->round.n_dropped;
    h->is_more_to_roll = job->round.is_more_to_roll;
    h->is_round_under_way = false;
    notify_written(h, &job->round);
    notify_lost(h, &job->round);
    keep_unwritten(h, &job->round);
    worker_round_done(&job->round);
    free(job);
}

static bool is_rollup_due(const struct history *h)
{
    uint64_t now = time_monotonic_ms();

    return h->is_more_to_roll || h->last_rollup_ms == 0 || now - h->last_rollup_ms >= ROLLUP_MS;
}

/* Starts a round with all rows and marks added so far. The accumulator has been flushed up to
 * `until_ms`. */
static void start_round(struct history *h, int64_t until_ms)
{
    struct round_job *job;

    if (h->is_round_under_way)
        return;
    job = xcalloc(1, sizeof(*job));
    job->history = h;
    job->round = h->next;
    job->round.now_ms = h->utc_ms();
    job->round.is_rollup_due = is_rollup_due(h);
    job->round.positions = positions_take(h->positions, until_ms, &job->round.n_positions);
    if (job_submit(h->queue, job, run_round, on_round_done) < 0) {
        for (size_t i = 0; i < job->round.n_positions; i++) {
            positions_give_back(h->positions, &job->round.positions[i]);
            free(job->round.positions[i].host);
        }
        free(job->round.positions);
        free(job); /* the queue is full of queries: the rows wait for the next round */
        return;
    }
    if (job->round.is_rollup_due)
        h->last_rollup_ms = time_monotonic_ms();
    h->is_round_under_way = true;
    h->next = (struct worker_round){0};
    h->next_bytes = 0;
}

static void on_timer(struct loop_timer *t)
{
    struct history *h = CONTAINER_OF(t, struct history, timer);
    int64_t now = h->utc_ms(), step = time_div_floor(now, tiers[TIER_10S].step_ms);

    /* Fire at full seconds, so that a step is written as soon as it is over. */
    loop_timer_start(h->loop, t, (uint64_t)((time_div_floor(now, ROUND_MS) + 1) * ROUND_MS - now),
                     on_timer);
    accumulator_flush(h->accumulator, step);
    start_round(h, step * tiers[TIER_10S].step_ms);
}

/* --- the start -------------------------------------------------------------------------------- */

static void on_position(void *owner, const struct host_position *p)
{
    struct start_job *job = owner;

    if (job->n == job->capacity) {
        job->capacity = job->capacity * 2 + 16;
        job->positions = xrealloc(job->positions, job->capacity, sizeof(*job->positions));
    }
    job->positions[job->n++] = (struct host_position){xstrdup(p->host), p->at};
}

static void run_start(void *arg)
{
    struct start_job *job = arg;

    worker_read_positions(job->history->worker, on_position, job);
}

static void notify_started(struct history *h)
{
    loop_timer_stop(&h->start_timer);
    if (h->is_start_notified)
        return;
    h->is_start_notified = true;
    listeners_emit(&h->listeners, struct history_listener, on_started, h);
}

static void on_start_done(void *arg)
{
    struct start_job *job = arg;
    struct history *h = job->history;

    for (size_t i = 0; i < job->n; i++) {
        positions_set(h->positions, job->positions[i].host, &job->positions[i].at);
        free(job->positions[i].host);
    }
    free(job->positions);
    free(job);
    h->state.is_starting = false;
    notify_started(h);
}

static void on_start_timer(struct loop_timer *t)
{
    log_warn(NULL,
             "history is still opening; accepting agents without their last stored positions");
    notify_started(CONTAINER_OF(t, struct history, start_timer));
}

/* Rounds and queries run after it: the queue has one thread. */
static void start(struct history *h)
{
    struct start_job *job = xcalloc(1, sizeof(*job));
    int r;

    job->history = h;
    r = job_submit(h->queue, job, run_start, on_start_done);
    assert(r == 0); /* it is the first job */
    (void)r;
    h->state.is_starting = true;
    loop_timer_start(h->loop, &h->start_timer, START_MS, on_start_timer);
}

struct history *history_new(const struct history_options *o)
{
    struct history *h = xcalloc(1, sizeof(*h));
    struct history_disk_options disk = {.dir = o->dir};
    int r = o->keep_ms[TIER_10S] > 0 ? 0 : tiers_parse(TIERS_DEFAULT, disk.keep_ms, NULL);

    assert(r == 0);
    (void)r;
    for (size_t t = 0; t < TIER_COUNT; t++) {
        if (o->keep_ms[TIER_10S] > 0)
            disk.keep_ms[t] = o->keep_ms[t];
        h->usage.tiers[t].oldest_ms = METRIC_NONE;
    }
    for (size_t t = 0; t < TIER_COUNT; t++) {
        h->usage.tiers[t].keep_ms = tier_keep(disk.keep_ms, (enum tier)t);
        h->usage.tiers[t].is_made = disk.keep_ms[t] > 0;
    }
    h->loop = o->loop;
    h->queue = job_queue_new(o->loop, 1, MAX_WAITING);
    if (!h->queue) {
        free(h);
        return NULL;
    }
    h->worker = worker_new(&disk);
    h->accumulator = accumulator_new(on_row, h);
    h->positions = positions_new();
    h->max_pending = o->max_pending ? o->max_pending : MAX_PENDING;
    h->keep_ms = disk.keep_ms[TIER_10S];
    h->keep_marks_ms = tier_keep(disk.keep_ms, TIER_1H);
    h->utc_ms = o->utc_ms ? o->utc_ms : time_utc_ms;
    h->state.problem = h->problem;
    loop_timer_start(h->loop, &h->timer, ROUND_MS, on_timer);
    start(h);
    return h;
}

void history_add_listener(struct history *h, struct history_listener *l)
{
    listeners_add(&h->listeners, &l->base);
}

void history_remove_listener(struct history_listener *l)
{
    listeners_remove(&l->base);
}

void history_stop(struct history *h)
{
    if (!h)
        return;
    loop_timer_stop(&h->timer);
    loop_timer_stop(&h->start_timer);
    h->is_start_notified = true; /* no notification during the stop */
    accumulator_flush(h->accumulator, INT64_MAX);
    job_queue_drain(h->queue);
    start_round(h, INT64_MAX);
    job_queue_drain(h->queue);
}

void history_free(struct history *h)
{
    if (!h)
        return;
    listeners_done(&h->listeners);
    worker_round_done(&h->next);
    job_queue_free(h->queue);
    accumulator_free(h->accumulator);
    positions_free(h->positions);
    worker_free(h->worker);
    free(h);
}

/* Returns false if the time is older than what is kept. Times in the future become now. */
static bool fit_time(const struct history *h, int64_t *at_ms, int64_t keep_ms)
{
    int64_t now = h->utc_ms();

    if (*at_ms > now + FUTURE_MS)
        *at_ms = now;
    return *at_ms >= now - keep_ms;
}

struct host_sums *history_host(struct history *h, const char *host, int64_t at_ms)
{
    return fit_time(h, &at_ms, h->keep_ms) ? accumulator_host(h->accumulator, host, at_ms) : NULL;
}

void history_took(struct history *h,
                  const char *host,
                  const struct history_position *at,
                  int64_t at_ms)
{
    int64_t now = h->utc_ms();

    positions_took(h->positions, host, at, at_ms > now + FUTURE_MS ? now : at_ms);
}

bool history_position(const struct history *h, const char *host, struct history_position *ret)
{
    return positions_get(h->positions, host, ret);
}

void history_add_mark(struct history *h,
                      const struct series_key *key,
                      int64_t at_ms,
                      const char *kind,
                      const char *text)
{
    struct worker_round *next = &h->next;

    if (next->n_marks >= MAX_PENDING_MARKS || !fit_time(h, &at_ms, h->keep_marks_ms))
        return;
    next->marks = xrealloc(next->marks, next->n_marks + 1, sizeof(*next->marks));
    next->marks[next->n_marks++] = (struct pending_mark){
        .host = xstrdup(key->host),
        .series = xstrdup(key->name),
        .mark = {at_ms, xstrdup(kind), xstrdup(text)},
    };
}

static void free_call(struct history_call *call)
{
    for (size_t i = 0; i < call->question.n_marks; i++)
        history_mark_done(&call->question.marks[i]);
    free(call->question.marks);
    history_points_done(&call->question.points);
    free(call->host);
    free(call->series);
    free(call);
}

static void run_call(void *arg)
{
    struct history_call *call = arg;

    worker_ask(call->history->worker, &call->question);
}

static void on_call_done(void *arg)
{
    struct history_call *call = arg;
    struct worker_question *q = &call->question;

    call->done(call->owner, &(struct history_answer){
                                .code = q->code,
                                .message = q->err.msg,
                                .points = q->code == 0 ? &q->points : NULL,
                                .marks = q->marks,
                                .n_marks = q->n_marks,
                            });
    free_call(call);
}

void history_ask(struct history *h, const struct history_query *q, history_fn done, void *owner)
{
    struct history_call *call = xcalloc(1, sizeof(*call));

    call->history = h;
    call->host = xstrdup(q->host);
    call->series = xstrdup(q->series);
    call->question.query = *q;
    call->question.query.host = call->host;
    call->question.query.series = call->series;
    call->done = done;
    call->owner = owner;
    if (job_submit(h->queue, call, run_call, on_call_done) < 0) {
        call->question.code = error_set(&call->question.err, -ENOBUFS,
                                        "too many history queries are waiting; try again later");
        job_defer(h->queue, call, on_call_done);
    }
}

struct history_state history_state(const struct history *h)
{
    return h->state;
}

struct history_usage history_usage(const struct history *h)
{
    return h->usage;
}
