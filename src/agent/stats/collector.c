#include "agent/stats/collector.h"

#include "agent/common/own_container.h"
#include "agent/stats/api_poll.h"
#include "agent/stats/host.h"
#include "agent/stats/pace.h"
#include "agent/stats/source_check.h"
#include "agent/stats/target.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define THOROUGH_MS 5000  /* what is dear or hardly changes is read no more often */
#define HOST_MS     10000 /* file systems and temperatures */
#define RESCAN_MS   30000 /* which interfaces there are */
#define HOST_ROOT   "/host"
#define ROOT_SIZE   16
#define FROM_ENGINE "statistics come from the engine, every %d s at most: %s"
#define CONTAINED                                                                      \
    "the agent is in a container that does not show it the host's files: run it with " \
    "-v /proc:/host/proc:ro -v /sys/fs/cgroup:/host/sys/fs/cgroup:ro"

struct collector {
    struct collector_options o;
    struct cgroup_fs *fs;
    struct network *net;
    struct host_stats *host;
    struct running_list *running;
    struct api_poll *api;
    struct map targets; /* id -> struct target */
    size_t n_by_files;
    bool is_off, is_remote; /* `is_remote`: the engine may be on another machine */
    bool is_contained;      /* in a container, without the files of the host */
    bool has_found;         /* files of a container, ever */

    struct source_check check;
    struct error missed;               /* of the last container without files */
    char why[SOURCE_CHECK_TEXT + 128]; /* why not a better source */

    struct loop_timer timer;
    uint64_t ticked_ms, rest_at_ms, live_at_ms, thorough_at_ms, host_at_ms, rescan_at_ms, api_at_ms;

    struct msg_stats_rate rate;
    uint64_t rate_until_ms;
    bool is_eager;

    uint64_t epoch, seq;
    struct container_sample *samples;
    size_t capacity;
    struct listeners listeners;
    const char *note; /* NULL: none */
    char told_source[32], told_network[32];
    char *told_why;
    bool is_source_told;
};

/* Pace */

static bool is_rate_on(const struct collector *c, uint64_t now)
{
    return now < c->rate_until_ms;
}

static uint64_t live_interval(const struct collector *c, uint64_t now)
{
    uint64_t fastest = c->o.config->stats_live_interval_ms;
    uint64_t wanted = is_rate_on(c, now) ? (uint64_t)c->rate.interval_ms : fastest;

    return wanted > fastest ? wanted : fastest;
}

static bool has_live(const struct collector *c, uint64_t now)
{
    return c->is_eager || is_rate_on(c, now);
}

static bool is_in_rate(const struct collector *c, const char *id)
{
    for (size_t i = 0; i < c->rate.containers.n; i++) {
        if (str_eq(c->rate.containers.items[i], id))
            return true;
    }
    return c->rate.all;
}

static void on_tick(struct loop_timer *t);

static void set_timer(struct collector *c)
{
    uint64_t now = time_monotonic_ms(), due = c->rest_at_ms;

    if (has_live(c, now) && c->live_at_ms < due)
        due = c->live_at_ms;
    loop_timer_start(c->o.loop, &c->timer, due > now ? due - now : 0, on_tick);
}

static uint64_t near_ms(const struct collector *c)
{
    return c->o.config->stats_live_interval_ms / 2;
}

/* Ticks of the two paces that would come shortly one after the other are one. */
static void meet(struct collector *c, uint64_t now)
{
    if (has_live(c, now))
        pace_meet(&c->rest_at_ms, &c->live_at_ms, now, near_ms(c));
}

/* Targets */

static struct target_sources sources_of(const struct collector *c)
{
    return (struct target_sources){
        .fs = c->fs, .net = c->net, .host_memory = host_stats_memory(c->host)};
}

static void close_target(struct collector *c, struct target *t)
{
    c->n_by_files -= t->cg != NULL;
    target_done(t);
}

static void on_start(void *owner, const struct running *r)
{
    struct collector *c = owner;
    struct target_sources s = sources_of(c);
    struct target *t = xcalloc(1, sizeof(*t));

    assert(!map_find(&c->targets, r->id));
    target_open(t, &s, r, host_stats_read_cpu(c->host), &c->missed);
    t->is_watched = is_in_rate(c, r->id);
    c->n_by_files += t->cg != NULL;
    c->has_found = c->has_found || t->cg;
    (void)map_put(&c->targets, r->id, t);
}

static void on_end(void *owner, const char *id)
{
    struct collector *c = owner;
    struct target *t = map_remove(&c->targets, id);

    if (!t)
        return;
    close_target(c, t);
    free(t);
}

static void on_rename(void *owner, const char *id, const char *name)
{
    struct collector *c = owner;
    struct target *t = map_find(&c->targets, id);

    if (t)
        str_copy(t->running.name, sizeof(t->running.name), name);
}

static const struct running_handler handler = {
    .on_start = on_start,
    .on_end = on_end,
    .on_rename = on_rename,
};

/* Which source */

static void give_up_files(struct collector *c, const char *why)
{
    log_warn(
        LOG_FIELDS("source", cgroup_fs_name(c->fs), "reason", why),
        "statistics: the kernel's files do not agree with the engine, the engine is asked instead");
    (void)snprintf(c->why, sizeof(c->why), "%s does not agree with the engine: %s",
                   cgroup_fs_name(c->fs), why);
    map_foreach(&c->targets, e)
        target_drop_files(e->value);
    c->n_by_files = 0;
    cgroup_fs_free(TAKE_PTR(c->fs));
}

static void judge(struct collector *c, const struct target *t, const struct api_sample *api)
{
    char why[SOURCE_CHECK_TEXT];

    source_check_compare(c->check.before, t->values, api, why);
    if (!*why) {
        c->check.is_done = true;
        log_info(LOG_FIELDS("source", cgroup_fs_name(c->fs), "network", network_name(c->net)),
                 "statistics: the kernel's files agree with the engine");
    } else if (++c->check.n_disagreements >= SOURCE_CHECK_DISAGREEMENTS) {
        c->check.is_done = true;
        give_up_files(c, why);
    }
}

static void on_check(void *owner, int code, const struct api_sample *api)
{
    struct collector *c = owner;
    struct target_sources s = sources_of(c);
    struct target *t = map_find(&c->targets, c->check.id);

    c->check.call = NULL;
    /* A container that went meanwhile proves nothing. */
    if (code == 0 && t && t->cg && c->fs &&
        target_read(t, &s, host_stats_read_cpu(c->host), true) == 0)
        judge(c, t, api);
    if (c->check.n_tries >= SOURCE_CHECK_TRIES)
        c->check.is_done = true;
}

/* Once, with the first container that is measured. */
static void check_source(struct collector *c)
{
    const struct target *t = NULL;

    if (c->check.is_done || c->check.call || !c->fs)
        return;
    map_foreach(&c->targets, e) {
        const struct target *candidate = e->value;

        if (candidate->cg && candidate->values[CONTAINER_CPU_TIME] != METRIC_NONE &&
            (!t || candidate->running.started_at_ms < t->running.started_at_ms))
            t = candidate;
    }
    if (!t)
        return;
    memcpy(c->check.before, t->values, sizeof(t->values));
    str_copy(c->check.id, sizeof(c->check.id), t->running.id);
    c->check.n_tries++;
    if (api_stats_start(&c->check.call, c->o.engine, c->check.id, on_check, c) < 0)
        c->check.call = NULL;
}

/* There are files, but none of a container was ever found: they are not those of the host, or not of the engine's. */
static void see_found(struct collector *c)
{
    bool is_none_found = c->targets.size > 0 && !c->has_found;

    if (!c->fs || is_none_found == (*c->why != '\0'))
        return;
    c->why[0] = '\0';
    if (!is_none_found)
        return;
    str_copy(c->why, sizeof(c->why), c->is_contained ? CONTAINED : c->missed.msg);
    log_warn(NULL, FROM_ENGINE, COLLECTOR_API_MS / 1000, c->why);
}

static bool has_files(const struct collector *c)
{
    return c->fs && !*c->why;
}

void collector_source(const struct collector *c, struct samples_source *ret)
{
    const char *note;

    *ret = (struct samples_source){.containers = "none", .network = "none", .why = c->why};
    if (c->is_off)
        return;
    ret->containers = has_files(c) ? cgroup_fs_name(c->fs) : "api";
    ret->network = has_files(c) ? network_name(c->net) : "api";
    for (size_t i = 0; has_files(c) && (note = cgroup_fs_note(c->fs, i)); i++)
        ret->notes[ret->n_notes++] = note;
    if (has_files(c) && c->targets.size > c->n_by_files) {
        ret->notes[ret->n_notes++] =
            "some containers: their files cannot be read, the engine is asked";
    }
    if (c->note && *c->note)
        ret->notes[ret->n_notes++] = c->note;
}

static bool is_source_new(const struct collector *c, const struct samples_source *s)
{
    return !c->is_source_told || !str_eq(c->told_source, s->containers) ||
           !str_eq(c->told_network, s->network) || !str_eq(c->told_why, s->why);
}

static void remember_source(struct collector *c, const struct samples_source *s)
{
    c->is_source_told = true;
    str_copy(c->told_source, sizeof(c->told_source), s->containers);
    str_copy(c->told_network, sizeof(c->told_network), s->network);
    free(c->told_why);
    c->told_why = xstrdup(s->why);
}

/* The API */

static void on_api(void *owner, const char *id, const struct api_sample *sample)
{
    struct collector *c = owner;
    struct target_sources s = sources_of(c);
    struct target *t = map_find(&c->targets, id);

    if (t && !t->cg)
        target_use_api(t, &s, sample);
}

static void poll_api(struct collector *c, uint64_t now)
{
    if (c->targets.size == c->n_by_files || !pace_is_due(&c->api_at_ms, now, COLLECTOR_API_MS))
        return;
    map_foreach(&c->targets, e) {
        const struct target *t = e->value;

        if (!t->cg)
            api_poll_add(c->api, e->key);
    }
}

/* A tick */

static void read_targets(struct collector *c,
                         const struct stats_cpu *cpu,
                         bool is_rest,
                         bool is_thorough)
{
    struct target_sources s = sources_of(c);
    struct strings gone = {0};

    map_foreach(&c->targets, e) {
        struct target *t = e->value;

        if (t->cg && (is_rest || c->is_eager || t->is_watched) &&
            target_read(t, &s, cpu, is_thorough) == -ENODEV)
            strings_add(&gone, e->key);
    }
    for (size_t i = 0; i < gone.n; i++)
        on_end(c, gone.items[i]); /* the event is on its way */
    strings_done(&gone);
}

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
    if (c->capacity < c->targets.size) {
        c->capacity = c->targets.size + c->targets.size / 4 + 8;
        c->samples = xrealloc(c->samples, c->capacity, sizeof(*c->samples));
    }
    map_foreach(&c->targets, e) {
        struct target *t = e->value;

        if (t->is_fresh && batch->n_containers < SAMPLES_MAX_CONTAINERS)
            add_sample(c, batch, t);
    }
    batch->containers = c->samples;
}

static void emit(struct collector *c, struct samples *batch)
{
    batch->epoch = c->epoch;
    batch->seq = c->seq++;
    collector_source(c, &batch->source);
    batch->has_source = is_source_new(c, &batch->source);
    if (listeners_is_empty(&c->listeners))
        return;
    remember_source(c, &batch->source);
    listeners_emit(&c->listeners, struct collector_listener, on_batch, batch);
}

static void expire_rate(struct collector *c, uint64_t now)
{
    if (c->rate_until_ms == 0 || now < c->rate_until_ms)
        return;
    c->rate_until_ms = 0;
    map_foreach(&c->targets, e)
        ((struct target *)e->value)->is_watched = false;
    msg_stats_rate_done(&c->rate);
    c->rate = (struct msg_stats_rate){0};
}

/* Of an engine on another machine the host is not this one. */
static bool has_host(const struct collector *c)
{
    return !c->is_remote || c->n_by_files > 0;
}

static void read_host(struct collector *c, uint64_t now, struct samples *batch)
{
    host_stats_read(c->host, pace_is_due(&c->host_at_ms, now, HOST_MS), &batch->host);
    batch->host.values[HOST_CONTAINERS] = running_n_all(c->running);
    batch->host.values[HOST_CONTAINERS_RUNNING] = running_n(c->running);
    batch->has_host = has_host(c);
}

static void on_tick(struct loop_timer *t)
{
    struct collector *c = CONTAINER_OF(t, struct collector, timer);
    uint64_t now = time_monotonic_ms();
    struct samples batch = {.at_ms = time_utc_ms()};
    const struct stats_cpu *cpu;
    bool is_rest, is_live, is_thorough;

    expire_rate(c, now);
    meet(c, now);
    is_rest = pace_is_due(&c->rest_at_ms, now, c->o.config->stats_interval_ms);
    is_live = has_live(c, now) && pace_is_due(&c->live_at_ms, now, live_interval(c, now));
    if (is_rest || is_live) {
        c->ticked_ms = now;
        is_thorough = pace_is_due(&c->thorough_at_ms, now, THOROUGH_MS) || is_rest;
        cpu = host_stats_read_cpu(c->host);
        network_tick(c->net, pace_is_due(&c->rescan_at_ms, now, RESCAN_MS));
        see_found(c);
        read_targets(c, cpu, is_rest, is_thorough);
        if (is_rest || c->is_eager || c->rate.host)
            read_host(c, now, &batch);
        add_samples(c, &batch);
        emit(c, &batch);
        check_source(c);
        poll_api(c, now);
    }
    set_timer(c);
}

/* Life */

static void find_root(char ret_root[ROOT_SIZE], bool *ret_contained)
{
    char id[OWN_CONTAINER_SIZE];

    str_copy(ret_root, ROOT_SIZE, "");
    if (access(HOST_ROOT "/proc/stat", R_OK) == 0 && access(HOST_ROOT "/sys/fs/cgroup", R_OK) == 0)
        str_copy(ret_root, ROOT_SIZE, HOST_ROOT);
    *ret_contained = !*ret_root && own_container_find("", "", id);
}

/* Five thousand containers with their files open; the limit of most systems allows it, the usual soft one does not. */
static void raise_open_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            log_debug(NULL, "statistics: the limit of open files cannot be raised: %s",
                      error_text(-errno));
        }
    }
}

static void open_sources(struct collector *c)
{
    char found[ROOT_SIZE] = "";
    const char *root = c->o.root;
    struct error err = ERROR_INIT;

    if (!root) {
        find_root(found, &c->is_contained);
        root = found;
    }
    c->net = network_new(root);
    c->host = host_stats_new(
        &(struct host_stats_options){.root = root, .is_contained = c->is_contained});
    if (c->o.config->stats_source == STATS_SOURCE_API) {
        str_copy(c->why, sizeof(c->why), "STATS_SOURCE=api");
    } else if (cgroup_fs_new(&c->fs, root, &err) < 0) {
        c->fs = NULL;
        str_copy(c->why, sizeof(c->why), err.msg);
        log_warn(NULL, FROM_ENGINE, COLLECTOR_API_MS / 1000, err.msg);
    }
}

struct collector *collector_new(const struct collector_options *o)
{
    struct collector *c = xcalloc(1, sizeof(*c));
    uint64_t now = time_monotonic_ms();

    c->o = *o;
    c->epoch = o->epoch ? o->epoch : (uint64_t)time_utc_ms();
    c->is_off = o->config->stats_source == STATS_SOURCE_OFF;
    c->is_remote = !str_starts_with(o->config->docker_host, "unix://");
    if (c->is_off) {
        str_copy(c->why, sizeof(c->why), "STATS_SOURCE=off");
        return c;
    }
    raise_open_files();
    open_sources(c);
    c->api = api_poll_new(o->engine, on_api, c);
    (void)host_stats_read_cpu(c->host);
    c->rest_at_ms = c->live_at_ms = now + o->config->stats_live_interval_ms;
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
    api_stats_cancel(c->check.call);
    api_poll_free(c->api);
    map_foreach(&c->targets, e) {
        close_target(c, e->value);
        free(e->value);
    }
    map_done(&c->targets);
    cgroup_fs_free(c->fs);
    network_free(c->net);
    host_stats_free(c->host);
    msg_stats_rate_done(&c->rate);
    free(c->samples);
    free(c->told_why);
    free(c);
}

/* A server that has just connected need not wait a whole interval for its first samples. */
static void rest_soon(struct collector *c)
{
    uint64_t soon = time_monotonic_ms() + c->o.config->stats_live_interval_ms;

    if (c->is_off || c->rest_at_ms <= soon)
        return;
    c->rest_at_ms = soon;
    set_timer(c);
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
    c->is_source_told = false;
    c->is_eager = false;
    if (c->rate_until_ms > 0) {
        c->rate_until_ms = 1; /* long ago */
        expire_rate(c, time_monotonic_ms());
    }
}

void collector_set_note(struct collector *c, const char *note)
{
    c->note = note;
}

static void hurry(struct collector *c)
{
    uint64_t now = time_monotonic_ms();

    if (c->is_off)
        return;
    if (c->live_at_ms < now || c->live_at_ms > now + live_interval(c, now))
        c->live_at_ms = now;
    if (c->live_at_ms < c->ticked_ms + near_ms(c))
        c->live_at_ms = c->ticked_ms + near_ms(c); /* what was just measured is known */
    set_timer(c);
}

void collector_set_rate(struct collector *c, const struct msg_stats_rate *rate)
{
    msg_stats_rate_done(&c->rate);
    c->rate = *rate;
    c->rate.containers = (struct strings){0};
    for (size_t i = 0; i < rate->containers.n; i++)
        strings_add(&c->rate.containers, rate->containers.items[i]);
    c->rate_until_ms = time_monotonic_ms() + (uint64_t)rate->ttl_s * 1000;
    map_foreach(&c->targets, e)
        ((struct target *)e->value)->is_watched = rate->all;
    for (size_t i = 0; i < rate->containers.n; i++) {
        struct target *t = map_find(&c->targets, rate->containers.items[i]);

        if (t)
            t->is_watched = true;
    }
    hurry(c);
}

void collector_set_eager(struct collector *c, bool is_eager)
{
    c->is_eager = is_eager;
    if (is_eager)
        rest_soon(c);
    hurry(c);
}
