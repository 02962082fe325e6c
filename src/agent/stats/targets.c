#include "agent/stats/targets.h"

#include "base/alloc.h"

#include <assert.h>

static void free_target(struct targets *ts, struct target *t)
{
    ts->n_by_files -= t->cg != NULL;
    target_done(t);
    free(t);
}

void targets_done(struct targets *ts)
{
    map_foreach(&ts->by_id, e)
        free_target(ts, e->value);
    map_done(&ts->by_id);
}

struct target *targets_find(const struct targets *ts, const char *id)
{
    return map_find(&ts->by_id, id);
}

struct target *targets_add(struct targets *ts,
                           const struct target_sources *s,
                           const struct running *r,
                           const struct stats_cpu *cpu,
                           struct error *err)
{
    struct target *t = xcalloc(1, sizeof(*t));

    assert(!map_find(&ts->by_id, r->id));
    target_open(t, s, r, cpu, err);
    ts->n_by_files += t->cg != NULL;
    (void)map_put(&ts->by_id, r->id, t);
    return t;
}

void targets_remove(struct targets *ts, const char *id)
{
    struct target *t = map_remove(&ts->by_id, id);

    if (t)
        free_target(ts, t);
}

void targets_drop_files(struct targets *ts)
{
    map_foreach(&ts->by_id, e)
        target_drop_files(e->value);
    ts->n_by_files = 0;
}

const struct target *targets_oldest(const struct targets *ts)
{
    const struct target *oldest = NULL;

    map_foreach(&ts->by_id, e) {
        const struct target *t = e->value;

        if (t->cg && t->values[CONTAINER_CPU_TIME] != METRIC_NONE &&
            (!oldest || t->running.started_at_ms < oldest->running.started_at_ms))
            oldest = t;
    }
    return oldest;
}
