#include "server/stats/stats.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <string.h>

#define LATE_MS    60000 /* older samples go into the history only */
#define SWEEP_MS   60000
#define MARK_MS    1000
#define MARK_TRIES 5 /* then the name in the event is used */
#define MAX_MARKS  10000

struct host_lines {
    struct map by_id;       /* struct stats_line by container id */
    struct map by_series;   /* the same lines */
    struct map_order order; /* of by_id in the batches of the host */
    struct stats_line host;
};

/* An event may come before the list that contains its container. */
struct early_mark {
    struct list link;
    char *host_id, *container_id, *name, *kind, *text;
    int64_t at_ms;
    unsigned n_tries;
};

struct stats {
    struct stats_options o;
    struct fleet_listener fleet;
    struct map hosts; /* struct host_lines by host id */
    struct loop_timer sweep, marks_timer;
    struct ring_pool pool;
    bool has_dropped;  /* the limit was reached, and that was logged */
    struct list marks; /* struct early_mark */
    size_t n_marks;
};

/* --- series ------------------------------------------------------------------------------------ */

static void line_free(struct stats *s, struct stats_line *line)
{
    ring_done(&line->ring, &s->pool);
    free(line->series);
    free(line);
}

static void lines_free(struct stats *s, struct host_lines *l)
{
    map_foreach(&l->by_id, e)
        line_free(s, e->value);
    map_done(&l->by_id);
    map_order_done(&l->order);
    map_done(&l->by_series);
    ring_done(&l->host.ring, &s->pool);
    free(l);
}

static struct host_lines *lines_of(struct stats *s, const char *host_id)
{
    struct host_lines *l = map_find(&s->hosts, host_id);

    if (!l) {
        l = xcalloc(1, sizeof(*l));
        (void)map_put(&s->hosts, host_id, l);
    }
    return l;
}

static void forget(struct stats *s, struct host_lines *l, struct stats_line *line)
{
    (void)map_remove(&l->by_id, line->id);
    if (map_find(&l->by_series, line->series) == line)
        (void)map_remove(&l->by_series, line->series);
    line_free(s, line);
}

/* The same series under the name that its container has now. */
static void rename_line(struct host_lines *l, struct stats_line *line, const char *series)
{
    if (str_eq(line->series, series))
        return;
    if (map_find(&l->by_series, line->series) == line)
        (void)map_remove(&l->by_series, line->series);
    free(line->series);
    line->series = xstrdup(series);
    (void)map_put(&l->by_series, line->series,
                  line); /* a series that it replaces there is still found by id */
}

static struct stats_line *line_add(struct host_lines *l, const char *id, const char *series)
{
    struct stats_line *line = map_find(&l->by_series, series);

    if (line) { /* re-created: the container before it sends no more samples */
        (void)map_remove(&l->by_id, line->id);
        str_copy(line->before, sizeof(line->before), line->id);
    } else {
        line = xcalloc(1, sizeof(*line));
        line->series = xstrdup(series);
        (void)map_put(&l->by_series, line->series, line);
    }
    str_copy(line->id, sizeof(line->id), id);
    (void)map_put(&l->by_id, line->id, line);
    return line;
}

/* The name of a container's series; false if nothing is known about it. */
static bool name_series(const struct fleet_host *h,
                        const char *id,
                        const char *name,
                        char ret[STATS_SERIES_SIZE])
{
    const struct fleet_container *c = map_find(&h->containers, id);

    if (c) {
        stats_series_name(c, ret);
    } else {
        str_copy(ret, STATS_SERIES_SIZE, name); /* its list is on the way, or it was removed */
    }
    return ret[0] != '\0';
}

static struct stats_line *line_of(struct host_lines *l,
                                  const struct fleet_host *h,
                                  size_t place,
                                  const struct container_sample *c)
{
    struct stats_line *line = map_find_at(&l->by_id, &l->order, place, c->id);
    char series[STATS_SERIES_SIZE];
    bool is_known;

    if (line && line->named_version == h->containers_version)
        return line;
    is_known = map_find(&h->containers, c->id) != NULL;
    if ((line && !is_known) || !name_series(h, c->id, c->name, series))
        return line;
    if (!line) {
        if (l->by_id.size >= h->max_containers)
            return NULL;
        line = line_add(l, c->id, series);
    } else {
        rename_line(l, line, series);
    }
    line->named_version = is_known ? h->containers_version : 0;
    return line;
}

/* --- samples ------------------------------------------------------------------------------------ */

/* A kind of series: its metrics, and which of them are the columns of its ring. */
struct line_kind {
    size_t n_values;
    size_t columns[RING_COLUMNS];
};

#define NO_COLUMN SIZE_MAX

static const struct line_kind containers = {
    CONTAINER_METRICS,
    {
      [STATS_CPU] = CONTAINER_CPU,
      [STATS_MEM_USED] = CONTAINER_MEM_USED,
      [STATS_MEM_LIMIT] = CONTAINER_MEM_LIMIT,
      [STATS_NET_RX] = CONTAINER_NET_RX,
      [STATS_NET_TX] = CONTAINER_NET_TX,
      [STATS_BLK_READ] = CONTAINER_BLK_READ,
      [STATS_BLK_WRITE] = CONTAINER_BLK_WRITE,
      [STATS_STARTED] = CONTAINER_STARTED_AT,
      },
};

static const struct line_kind hosts = {
    HOST_METRICS,
    {
      [STATS_CPU] = HOST_CPU,
      [STATS_MEM_USED] = HOST_MEM_USED,
      [STATS_MEM_LIMIT] = HOST_MEM_TOTAL,
      [STATS_NET_RX] = HOST_NET_RX,
      [STATS_NET_TX] = HOST_NET_TX,
      [STATS_BLK_READ] = NO_COLUMN,
      [STATS_BLK_WRITE] = NO_COLUMN,
      [STATS_STARTED] = NO_COLUMN,
      },
};

static void line_put(struct stats *s,
                     struct stats_line *line,
                     int64_t at_ms,
                     const int64_t *values,
                     const struct line_kind *kind)
{
    const size_t *columns = kind->columns;
    struct ring_row row = {.at_ms = at_ms};

    for (size_t i = 0; i < RING_COLUMNS; i++)
        row.values[i] = columns[i] == NO_COLUMN ? METRIC_NONE : values[columns[i]];
    if (!ring_add(&line->ring, &s->pool, &row))
        return;
    line->at_ms = at_ms;
    memcpy(line->values, values, kind->n_values * sizeof(values[0]));
}

static int64_t now(const struct stats *s)
{
    return s->o.utc_ms ? s->o.utc_ms() : time_utc_ms();
}

static void put_lines(struct stats *s,
                      const struct fleet_host *h,
                      const struct samples *batch,
                      int64_t at_ms,
                      bool is_live)
{
    struct host_lines *l = lines_of(s, h->row.id);
    struct host_sums *sums = s->o.history ? history_host(s->o.history, h->row.id, at_ms) : NULL;

    for (size_t i = 0; i < batch->n_containers; i++) {
        const struct container_sample *c = &batch->containers[i];
        struct stats_line *line = line_of(l, h, i, c);

        if (line && is_live)
            line_put(s, line, at_ms, c->values, &containers);
        if (line && sums)
            accumulator_add(sums, i + 1, line->series, c->values);
    }
    if (batch->has_host && is_live)
        line_put(s, &l->host, at_ms, batch->host.values, &hosts);
    if (batch->has_host && sums)
        accumulator_add(sums, 0, "", batch->host.values);
}

/* The history writes this position with the samples, so it is noted after all of them were added. */
static void note_position(const struct stats *s,
                          const struct fleet_host *h,
                          const struct samples *batch)
{
    if (s->o.history && batch->epoch > 0) { /* agents of the old protocol send no position */
        history_took(s->o.history, h->row.id, &(struct history_position){batch->epoch, batch->seq},
                     batch->at_ms);
    }
}

static void on_samples(struct fleet_listener *listener,
                       const struct fleet_host *h,
                       const struct samples *batch)
{
    struct stats *s = CONTAINER_OF(listener, struct stats, fleet);
    int64_t now_ms = now(s);
    int64_t at_ms = batch->at_ms > now_ms ? now_ms : batch->at_ms;

    put_lines(s, h, batch, at_ms, at_ms >= now_ms - LATE_MS);
    note_position(s, h, batch);
    if (s->pool.cut_ms > 0 && !s->has_dropped) {
        s->has_dropped = true;
        log_warn(
            NULL,
            "live statistics have reached their limit of %zu MiB, less than 15 minutes are kept;"
            " raise --stats-memory",
            s->pool.max_bytes >> 20);
    }
}

const struct stats_line *stats_find(const struct stats *s,
                                    const char *host_id,
                                    const char *container_id)
{
    const struct host_lines *l = map_find(&s->hosts, host_id);
    const struct stats_line *line;

    if (!l)
        return NULL;
    line = container_id ? map_find(&l->by_id, container_id) : &l->host;
    return line && !ring_is_empty(&line->ring) ? line : NULL;
}

struct ring_pool stats_live_memory(const struct stats *s)
{
    return s->pool;
}

/* --- marks -------------------------------------------------------------------------------------- */

static bool is_mark(const struct event *e)
{
    static const char *const types[] = {
        "created", "started",  "restarted",        "died",          "stopped",
        "oom",     "paused",   "unpaused",         "renamed",       "deleted",
        "updated", "deployed", "update_completed", "update_failed",
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq(e->type, types[i]))
            return true;
    }
    return false;
}

/* The series of a container that is no longer in the fleet. */
static const struct stats_line *find_gone(const struct host_lines *l, const char *id)
{
    map_foreach(&l->by_id, e) {
        const struct stats_line *line = e->value;

        if (str_starts_with(line->id, id) || str_eq(line->before, id))
            return line;
    }
    return NULL;
}

/* False: neither the fleet nor a series has the container. */
static bool find_series(const struct stats *s,
                        const char *host_id,
                        const char *container_id,
                        char ret[STATS_SERIES_SIZE])
{
    const struct fleet_host *h = fleet_find_host(s->o.fleet, host_id);
    const struct host_lines *l = map_find(&s->hosts, host_id);
    const struct stats_line *line;
    struct fleet_container *c;

    if (h && fleet_find_container(h, container_id, &c) == 0) {
        stats_series_name(c, ret);
        return true;
    }
    line = l ? find_gone(l, container_id) : NULL;
    if (line)
        str_copy(ret, STATS_SERIES_SIZE, line->series);
    return line != NULL;
}

static void mark_free(struct early_mark *m)
{
    list_unlink(&m->link);
    free(m->host_id);
    free(m->container_id);
    free(m->name);
    free(m->kind);
    free(m->text);
    free(m);
}

static void add_mark(struct stats *s, const struct early_mark *m, const char *series)
{
    if (series[0]) {
        history_add_mark(s->o.history, &(struct series_key){m->host_id, series}, m->at_ms, m->kind,
                         m->text);
    }
}

static void on_marks(struct loop_timer *t)
{
    struct stats *s = CONTAINER_OF(t, struct stats, marks_timer);
    struct list waiting;
    char series[STATS_SERIES_SIZE];

    list_init(&waiting);
    while (!list_empty(&s->marks)) {
        struct early_mark *m = CONTAINER_OF(list_take_first(&s->marks), struct early_mark, link);
        bool is_known = find_series(s, m->host_id, m->container_id, series);

        if (!is_known && m->n_tries++ < MARK_TRIES) {
            list_append(&waiting, &m->link);
            continue;
        }
        add_mark(s, m, is_known ? series : m->name);
        s->n_marks--;
        mark_free(m);
    }
    while (!list_empty(&waiting))
        list_append(&s->marks, list_take_first(&waiting));
    if (s->n_marks > 0)
        loop_timer_start(s->o.loop, t, MARK_MS, on_marks);
}

static void on_event(struct fleet_listener *listener, const struct event *e)
{
    struct stats *s = CONTAINER_OF(listener, struct stats, fleet);
    struct early_mark *m;

    if (!s->o.history || !e->host_id || str_is_empty(e->container_id) || !is_mark(e) ||
        s->n_marks >= MAX_MARKS)
        return;
    m = xcalloc(1, sizeof(*m));
    m->host_id = xstrdup(e->host_id);
    m->container_id = xstrdup(e->container_id);
    m->name = xstrdup(e->container_name ? e->container_name : "");
    m->kind = xstrdup(e->type);
    m->text = xstrdup(e->title ? e->title : "");
    m->at_ms = e->at_ms;
    list_append(&s->marks, &m->link);
    if (s->n_marks++ == 0)
        loop_timer_start(s->o.loop, &s->marks_timer, 0, on_marks);
}

/* --- forgetting --------------------------------------------------------------------------------- */

static bool is_old(const struct stats_line *line, int64_t now_ms)
{
    return line->at_ms < now_ms - RING_SPAN_MS || line->at_ms > now_ms + RING_SPAN_MS;
}

static void sweep_lines(struct stats *s, struct host_lines *l, int64_t now_ms)
{
    struct stats_line **old;
    size_t n = 0;

    if (is_old(&l->host, now_ms))
        ring_done(&l->host.ring, &s->pool);
    if (l->by_id.size == 0)
        return;
    old = xcalloc(l->by_id.size,
                  sizeof(struct stats_line *)); /* the map must not change during the walk */
    map_foreach(&l->by_id, e) {
        if (is_old(e->value, now_ms))
            old[n++] = e->value;
    }
    while (n > 0)
        forget(s, l, old[--n]);
    free(old);
}

static void on_sweep(struct loop_timer *t)
{
    struct stats *s = CONTAINER_OF(t, struct stats, sweep);
    struct strings empty = {0};

    loop_timer_start(s->o.loop, t, SWEEP_MS, on_sweep);
    map_foreach(&s->hosts, e) {
        struct host_lines *l = e->value;

        sweep_lines(s, l, now(s));
        if (l->by_id.size == 0 && ring_is_empty(&l->host.ring))
            strings_add(&empty, e->key);
    }
    for (size_t i = 0; i < empty.n; i++)
        lines_free(s, map_remove(&s->hosts, empty.items[i]));
    strings_done(&empty);
}

struct stats *stats_new(const struct stats_options *o)
{
    struct stats *s = xcalloc(1, sizeof(*s));

    s->o = *o;
    s->pool.max_bytes = o->max_live_bytes;
    list_init(&s->marks);
    loop_timer_start(o->loop, &s->sweep, SWEEP_MS, on_sweep);
    s->fleet = (struct fleet_listener){.on_samples = on_samples, .on_event = on_event};
    fleet_add_listener(o->fleet, &s->fleet);
    return s;
}

void stats_free(struct stats *s)
{
    if (!s)
        return;
    fleet_remove_listener(&s->fleet);
    loop_timer_stop(&s->sweep);
    loop_timer_stop(&s->marks_timer);
    while (!list_empty(&s->marks))
        mark_free(CONTAINER_OF(list_take_first(&s->marks), struct early_mark, link));
    map_foreach(&s->hosts, e)
        lines_free(s, e->value);
    map_done(&s->hosts);
    free(s);
}
