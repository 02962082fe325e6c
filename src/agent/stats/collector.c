#include "agent/stats/collector.h"

#include "agent/stats/api_poll.h"
#include "agent/stats/schedule.h"
#include "agent/stats/source.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

struct collector {
    struct collector_options o;
    struct listeners listeners;
    struct source source;
    struct targets targets;
    struct running_list *running;
    struct api_poll *api;
    bool is_remote;   /* the engine may run on another machine */
    const char *note; /* NULL: none */

    struct schedule schedule;
    struct loop_timer timer;

    uint64_t epoch, seq;
    struct container_sample *samples; /* of the batch that is being built */
    size_t capacity;
};

/* Targets */

static void on_start(void *owner, const struct running *r)
{
    struct collector *c = owner;
    struct target_sources files = source_files(&c->source);
    struct target *t = targets_add(&c->targets, &files, r, host_stats_read_cpu(c->source.host),
                                   &c->source.missed);

    t->is_watched = schedule_is_watched(&c->schedule, r->id);
    source_note_target(&c->source, t);
}

static void on_end(void *owner, const char *id)
{
    struct collector *c = owner;

    targets_remove(&c->targets, id);
}

static void on_rename(void *owner, const char *id, const char *name)
{
    struct collector *c = owner;
    struct target *t = targets_find(&c->targets, id);

    if (t)
        str_copy(t->running.name, sizeof(t->running.name), name);
}

static const struct running_handler handler = {
    .on_start = on_start,
    .on_end = on_end,
    .on_rename = on_rename,
};

static void read_targets(struct collector *c,
                         const struct stats_cpu *cpu,
                         const struct schedule_tick *tick)
{
    struct target_sources files = source_files(&c->source);
    struct strings ended = {0};

    map_foreach(&c->targets.by_id, e) {
        struct target *t = e->value;

        if (t->cg && (tick->is_rest || c->schedule.is_eager || t->is_watched) &&
            target_read(t, &files, cpu, tick->is_thorough) == -ENODEV)
            strings_add(&ended, e->key);
    }
    for (size_t i = 0; i < ended.n; i++)
        targets_remove(&c->targets, ended.items[i]); /* its event has not arrived yet */
    strings_done(&ended);
}

/* Containers whose files cannot be read */

static void on_api(void *owner, const char *id, const struct api_sample *sample)
{
    struct collector *c = owner;
    struct target_sources files = source_files(&c->source);
    struct target *t = targets_find(&c->targets, id);

    if (t && !t->cg)
        target_use_api(t, &files, sample);
}

static void poll_api(struct collector *c, uint64_t now)
{
    if (c->targets.by_id.size == c->targets.n_by_files || !schedule_is_api_due(&c->schedule, now))
        return;
    map_foreach(&c->targets.by_id, e) {
        const struct target *t = e->value;

        if (!t->cg)
            api_poll_add(c->api, e->key);
    }
}

/* Batches */

static void add_sample(struct collector *c, struct samples *batch, struct target *t)
{
    struct container_sample *sample = &c->samples[batch->n_containers++];

    memcpy(sample->id, t->running.id, sizeof(sample->id));
    sample->name = t->running.name;
    memcpy(sample->values, t->values, sizeof(sample->values));
    t->is_fresh = false;
}

static void add_samples(struct collector *c, struct samples *batch)
{
    size_t n = c->targets.by_id.size;

    if (c->capacity < n) {
        c->capacity = n + n / 4 + 8;
        c->samples = xrealloc(c->samples, c->capacity, sizeof(*c->samples));
    }
    map_foreach(&c->targets.by_id, e) {
        struct target *t = e->value;

        if (t->is_fresh && batch->n_containers < SAMPLES_MAX_CONTAINERS)
            add_sample(c, batch, t);
    }
    batch->containers = c->samples;
}

static void add_host(struct collector *c, uint64_t now, struct samples *batch)
{
    host_stats_read(c->source.host, schedule_is_host_due(&c->schedule, now), &batch->host);
    batch->host.values[HOST_CONTAINERS] = running_n_all(c->running);
    batch->host.values[HOST_CONTAINERS_RUNNING] = running_n(c->running);
    /* The host of a remote engine is not this machine, unless its containers are found here. */
    batch->has_host = !c->is_remote || c->targets.n_by_files > 0;
}

static void emit(struct collector *c, struct samples *batch)
{
    batch->epoch = c->epoch;
    batch->seq = c->seq++;
    collector_source(c, &batch->source);
    batch->has_source = source_is_changed(&c->source, &batch->source);
    if (listeners_is_empty(&c->listeners))
        return;
    source_set_reported(&c->source, &batch->source);
    listeners_emit(&c->listeners, struct collector_listener, on_batch, batch);
}

/* Ticks */

static void clear_watched(struct collector *c)
{
    map_foreach(&c->targets.by_id, e)
        ((struct target *)e->value)->is_watched = false;
}

static void run_tick(struct collector *c, const struct schedule_tick *tick, uint64_t now)
{
    struct samples batch = {.at_ms = time_utc_ms()};
    const struct stats_cpu *cpu = host_stats_read_cpu(c->source.host);

    network_tick(c->source.net, tick->is_rescan);
    source_check_found(&c->source);
    read_targets(c, cpu, tick);
    if (tick->has_host)
        add_host(c, now, &batch);
    add_samples(c, &batch);
    emit(c, &batch);
    source_compare(&c->source);
    poll_api(c, now);
}

static void on_tick(struct loop_timer *t);

static void set_timer(struct collector *c)
{
    uint64_t now = time_monotonic_ms(), due = schedule_next(&c->schedule, now);

    loop_timer_start(c->o.loop, &c->timer, due > now ? due - now : 0, on_tick);
}

static void on_tick(struct loop_timer *t)
{
    struct collector *c = CONTAINER_OF(t, struct collector, timer);
    uint64_t now = time_monotonic_ms();
    struct schedule_tick tick;

    if (schedule_begin(&c->schedule, now, &tick))
        run_tick(c, &tick, now);
    set_timer(c);
}

/* Life */

/* Thousands of containers need more open files than the default limit, which most systems allow to
 * be raised. */
static void raise_open_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            log_debug(NULL, "could not raise the limit of open files: %s", error_text(-errno));
        }
    }
}

struct collector *collector_new(const struct collector_options *o)
{
    struct collector *c = xcalloc(1, sizeof(*c));

    c->o = *o;
    c->epoch = o->epoch ? o->epoch : (uint64_t)time_utc_ms();
    c->is_remote = !str_starts_with(o->config->docker_host, "unix://");
    source_open(&c->source, o->config, o->root, o->engine, &c->targets);
    if (c->source.is_off)
        return c;
    raise_open_files();
    c->api = api_poll_new(o->engine, on_api, c);
    (void)host_stats_read_cpu(c->source.host);
    schedule_init(&c->schedule, o->config->stats_interval_ms, o->config->stats_live_interval_ms,
                  time_monotonic_ms());
    c->running = running_new(o->engine, o->events, &handler, c);
    set_timer(c);
    return c;
}

void collector_free(struct collector *c)
{
    if (!c)
        return;
    listeners_done(&c->listeners);
    loop_timer_stop(&c->timer);
    running_free(c->running);
    api_poll_free(c->api);
    targets_done(&c->targets);
    source_close(&c->source);
    schedule_done(&c->schedule);
    free(c->samples);
    free(c);
}

void collector_add_listener(struct collector *c, struct collector_listener *l)
{
    listeners_add(&c->listeners, &l->base);
}

void collector_remove_listener(struct collector_listener *l)
{
    listeners_remove(&l->base);
}

void collector_reset_demand(struct collector *c)
{
    c->source.is_reported = false;
    schedule_reset(&c->schedule);
    clear_watched(c);
}

void collector_set_rate(struct collector *c, const struct msg_stats_rate *rate)
{
    if (c->source.is_off)
        return;
    schedule_set_rate(&c->schedule, rate, time_monotonic_ms());
    map_foreach(&c->targets.by_id, e)
        ((struct target *)e->value)->is_watched = rate->all;
    for (size_t i = 0; i < rate->containers.n; i++) {
        struct target *t = targets_find(&c->targets, rate->containers.items[i]);

        if (t)
            t->is_watched = true;
    }
    set_timer(c);
}

void collector_set_eager(struct collector *c, bool is_eager)
{
    if (c->source.is_off)
        return;
    schedule_set_eager(&c->schedule, is_eager, time_monotonic_ms());
    set_timer(c);
}

void collector_set_note(struct collector *c, const char *note)
{
    c->note = note;
}

void collector_source(const struct collector *c, struct samples_source *ret)
{
    source_describe(&c->source, c->note, ret);
}
