#include "server/stats/stats.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <string.h>

#define LATE_MS    60000 /* older samples are added to the history only */
#define SWEEP_MS   60000
#define MARK_MS    1000
#define MARK_TRIES 5 /* then the name in the event is used */
#define MAX_MARKS  10000

struct host_entries {
    struct map by_id;       /* struct stats_series by container id */
    struct map by_series;   /* the same entries, by series */
    struct map_order order; /* of by_id, as in the batches of the host */
    struct series_claims claims;
    struct stats_series host;
};

/* An event of a container that no list contains yet. */
struct early_mark {
    struct list link;
    char *host_id, *container_id, *name, *kind, *text;
    int64_t at_ms;
    unsigned n_tries;
};

struct stats {
    struct stats_options o;
    struct fleet_listener fleet;
    struct map hosts; /* struct host_entries by host id */
    struct loop_timer sweep, marks_timer;
    struct ring_pool pool;
    bool has_dropped;  /* the limit was reached and logged */
    struct list marks; /* struct early_mark */
    size_t n_marks;
};

/* --- series ----------------------------------------------------------------------------------- */

static void free_entry(struct stats *s, struct stats_series *entry)
{
    ring_done(&entry->ring, &s->pool);
    free(entry->series);
    free(entry);
}

static void free_host(struct stats *s, struct host_entries *l)
{
    map_foreach(&l->by_id, e)
        free_entry(s, e->value);
    map_done(&l->by_id);
    map_order_done(&l->order);
    series_claims_done(&l->claims);
    map_done(&l->by_series);
    ring_done(&l->host.ring, &s->pool);
    free(l);
}

static struct host_entries *get_host(struct stats *s, const char *host_id)
{
    struct host_entries *l = map_find(&s->hosts, host_id);

    if (!l) {
        l = xcalloc(1, sizeof(*l));
        (void)map_put(&s->hosts, host_id, l);
    }
    return l;
}

static void forget(struct stats *s, struct host_entries *l, struct stats_series *entry)
{
    (void)map_remove(&l->by_id, entry->id);
    if (map_find(&l->by_series, entry->series) == entry)
        (void)map_remove(&l->by_series, entry->series);
    free_entry(s, entry);
}

/* Moves an entry to the series of the container's current name. */
static void rename_entry(struct host_entries *l, struct stats_series *entry, const char *series)
{
    if (str_eq(entry->series, series))
        return;
    if (map_find(&l->by_series, entry->series) == entry)
        (void)map_remove(&l->by_series, entry->series);
    free(entry->series);
    entry->series = xstrdup(series);
    (void)map_put(&l->by_series, entry->series,
                  entry); /* the replaced entry can still be found by id */
}

static struct stats_series *add_entry(struct host_entries *l,
                                      const struct fleet_host *h,
                                      const char *id,
                                      const char *series)
{
    struct stats_series *entry = map_find(&l->by_series, series);

    if (entry && map_find(&h->containers, entry->id)) {
        /* Its container exists: it was renamed, and gets its new series with its next sample. */
        (void)map_remove(&l->by_series, series);
        entry = NULL;
    }
    if (entry) { /* re-created: the old container sends no more samples */
        (void)map_remove(&l->by_id, entry->id);
        str_copy(entry->before, sizeof(entry->before), entry->id);
    } else {
        entry = xcalloc(1, sizeof(*entry));
        entry->series = xstrdup(series);
        (void)map_put(&l->by_series, entry->series, entry);
    }
    str_copy(entry->id, sizeof(entry->id), id);
    (void)map_put(&l->by_id, entry->id, entry);
    return entry;
}

/* Gets the series of a container; returns false if nothing is known about the container. */
static bool name_series(struct host_entries *l,
                        const struct fleet_host *h,
                        const char *id,
                        const char *name,
                        char ret[STATS_SERIES_SIZE])
{
    const struct fleet_container *c = map_find(&h->containers, id);

    if (c) {
        stats_series_name(&l->claims, h, c, ret);
    } else {
        /* its list has not arrived yet, or it was removed */
        str_copy(ret, STATS_SERIES_SIZE, name);
    }
    return ret[0] != '\0';
}

static struct stats_series *get_entry(struct host_entries *l,
                                      const struct fleet_host *h,
                                      size_t place,
                                      const struct container_sample *c)
{
    struct stats_series *entry = map_find_at(&l->by_id, &l->order, place, c->id);
    char series[STATS_SERIES_SIZE];
    bool is_known;

    if (entry && entry->named_version == h->containers_version)
        return entry;
    is_known = map_find(&h->containers, c->id) != NULL;
    if ((entry && !is_known) || !name_series(l, h, c->id, c->name, series))
        return entry;
    if (!entry) {
        if (l->by_id.size >= h->max_containers)
            return NULL;
        entry = add_entry(l, h, c->id, series);
    } else {
        rename_entry(l, entry, series);
    }
    entry->named_version = is_known ? h->containers_version : 0;
    return entry;
}

/* --- samples ---------------------------------------------------------------------------------- */

/* The metrics of a kind of series, and which of them are the columns of its ring. */
struct series_kind {
    size_t n_values;
    size_t columns[RING_COLUMNS];
};

#define NO_COLUMN SIZE_MAX

static const struct series_kind containers = {
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

static const struct series_kind hosts = {
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

static void add_values(struct stats *s,
                       struct stats_series *entry,
                       int64_t at_ms,
                       const int64_t *values,
                       const struct series_kind *kind)
{
    const size_t *columns = kind->columns;
    struct ring_row row = {.at_ms = at_ms};

    for (size_t i = 0; i < RING_COLUMNS; i++)
        row.values[i] = columns[i] == NO_COLUMN ? METRIC_NONE : values[columns[i]];
    if (!ring_add(&entry->ring, &s->pool, &row))
        return;
    entry->at_ms = at_ms;
    memcpy(entry->values, values, kind->n_values * sizeof(values[0]));
}

static int64_t get_now(const struct stats *s)
{
    return s->o.utc_ms ? s->o.utc_ms() : time_utc_ms();
}

static void add_samples(struct stats *s,
                        const struct fleet_host *h,
                        const struct samples *batch,
                        int64_t at_ms,
                        bool is_live)
{
    struct host_entries *l = get_host(s, h->row.id);
    struct host_sums *sums = s->o.history ? history_host(s->o.history, h->row.id, at_ms) : NULL;

    for (size_t i = 0; i < batch->n_containers; i++) {
        const struct container_sample *c = &batch->containers[i];
        struct stats_series *entry = get_entry(l, h, i, c);

        if (entry && is_live)
            add_values(s, entry, at_ms, c->values, &containers);
        if (entry && sums)
            accumulator_add(sums, i + 1, entry->series, c->values);
    }
    if (batch->has_host && is_live)
        add_values(s, &l->host, at_ms, batch->host.values, &hosts);
    if (batch->has_host && sums)
        accumulator_add(sums, 0, "", batch->host.values);
}

/* History writes this position together with the samples: call after all of them were added. */
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
    int64_t now_ms = get_now(s);
    int64_t at_ms = batch->at_ms > now_ms ? now_ms : batch->at_ms;

    add_samples(s, h, batch, at_ms, at_ms >= now_ms - LATE_MS);
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

const struct stats_series *stats_find(const struct stats *s,
                                      const char *host_id,
                                      const char *container_id)
{
    const struct host_entries *l = map_find(&s->hosts, host_id);
    const struct stats_series *entry;

    if (!l)
        return NULL;
    entry = container_id ? map_find(&l->by_id, container_id) : &l->host;
    return entry && !ring_is_empty(&entry->ring) ? entry : NULL;
}

void stats_name(const struct stats *s,
                const struct fleet_host *h,
                const struct fleet_container *c,
                char ret[STATS_SERIES_SIZE])
{
    struct host_entries *l = map_find(&s->hosts, h->row.id);
    struct series_claims own = {0};

    stats_series_name(l ? &l->claims : &own, h, c, ret);
    series_claims_done(&own);
}

struct ring_pool stats_live_memory(const struct stats *s)
{
    return s->pool;
}

/* --- marks ------------------------------------------------------------------------------------ */

static bool is_mark(const struct event *e)
{
    static const char *const types[] = {
        "created", "started",  "restarted",        "died",          "stopped",
        "oom",     "paused",   "unpaused",         "renamed",       "deleted",
        "updated", "deployed", "update_completed", "update_failed", "update_rolled_back",
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq(e->type, types[i]))
            return true;
    }
    return false;
}

/* The entry of a container that is not in the fleet any more. */
static const struct stats_series *find_removed(const struct host_entries *l, const char *id)
{
    map_foreach(&l->by_id, e) {
        const struct stats_series *entry = e->value;

        if (str_starts_with(entry->id, id) || str_eq(entry->before, id))
            return entry;
    }
    return NULL;
}

/* Returns false if neither the fleet nor an entry has the container. */
static bool find_series(const struct stats *s,
                        const char *host_id,
                        const char *container_id,
                        char ret[STATS_SERIES_SIZE])
{
    const struct fleet_host *h = fleet_find_host(s->o.fleet, host_id);
    const struct host_entries *l = map_find(&s->hosts, host_id);
    const struct stats_series *entry;
    struct fleet_container *c;

    if (h && fleet_find_container(h, container_id, &c) == 0) {
        stats_name(s, h, c, ret);
        return true;
    }
    entry = l ? find_removed(l, container_id) : NULL;
    if (entry)
        str_copy(ret, STATS_SERIES_SIZE, entry->series);
    return entry != NULL;
}

static void free_mark(struct early_mark *m)
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
        free_mark(m);
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

/* --- forgetting ------------------------------------------------------------------------------- */

static bool is_old(const struct stats_series *entry, int64_t now_ms)
{
    return entry->at_ms < now_ms - RING_SPAN_MS || entry->at_ms > now_ms + RING_SPAN_MS;
}

static void sweep_host(struct stats *s, struct host_entries *l, int64_t now_ms)
{
    struct stats_series **old;
    size_t n = 0;

    if (is_old(&l->host, now_ms))
        ring_done(&l->host.ring, &s->pool);
    if (l->by_id.size == 0)
        return;
    old = xcalloc(l->by_id.size,
                  /* removed below: the map must not change during iteration */
                  sizeof(struct stats_series *));
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
        struct host_entries *l = e->value;

        sweep_host(s, l, get_now(s));
        if (l->by_id.size == 0 && ring_is_empty(&l->host.ring))
            strings_add(&empty, e->key);
    }
    for (size_t i = 0; i < empty.n; i++)
        free_host(s, map_remove(&s->hosts, empty.items[i]));
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
        free_mark(CONTAINER_OF(list_take_first(&s->marks), struct early_mark, link));
    map_foreach(&s->hosts, e)
        free_host(s, e->value);
    map_done(&s->hosts);
    free(s);
}
