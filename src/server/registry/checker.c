#include "server/registry/checker.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/registry/checker_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define THREADS          8
#define MAX_WAITING      64
#define FIRST_SWEEP_MS   15000 /* agents have sent their lists by then */
#define SWEEP_MS         60000
#define MAX_JITTER_MS    60000 /* of new references */
#define FORGOTTEN_MS     (30 * DAY_MS)
#define WEBHOOK_PAUSE_MS 60000

static void free_check(struct check *k)
{
    check_end_waits(k, -ECANCELED);
    image_check_done(&k->row);
    json_decref(k->platforms);
    json_decref(k->newer);
    list_unlink(&k->link);
    free(k);
}

/* Returns the check of a reference, which is made if it is new; NULL: there are too many. */
static struct check *find_check(struct checker *c, const char *reference)
{
    struct check *k = map_find(&c->checks, reference);
    struct reference r = {0};

    if (k)
        return k;
    if (c->checks.size >= CHECKER_MAX_REFERENCES || reference_parse(reference, &r, NULL) < 0)
        return NULL;
    k = xcalloc(1, sizeof(*k));
    k->checker = c;
    k->row.reference = xstrdup(reference);
    k->peer = checker_peer(c, r.domain);
    list_init(&k->link);
    list_init(&k->waits);
    (void)map_put(&c->checks, reference, k);
    reference_done(&r);
    return k;
}

static void load_check(void *arg, const struct image_check *row)
{
    struct check *k = find_check(arg, row->reference);

    if (!k)
        return;
    image_check_done(&k->row);
    k->row = image_check_copy(row);
    if (row->platforms)
        k->platforms = json_text_parse(row->platforms, strlen(row->platforms), 0, NULL);
    if (row->newer)
        k->newer = json_text_parse(row->newer, strlen(row->newer), 0, NULL);
}

static void load_registry(void *arg, const struct registry *row)
{
    checker_put_registry(arg, row);
}

/* A registry on the host of a container is another one than that on this machine. */
static bool is_asked(struct checker *c, const char *reference)
{
    _cleanup_free_ char *domain = xstrndup(reference, strcspn(reference, "/"));
    const struct peer *p = map_find(&c->peers, domain);

    return !reference_is_loopback(domain) || (p && p->access.is_known);
}

struct image_facts *checker_facts(struct checker *c,
                                  const struct fleet_host *h,
                                  const struct fleet_container *container)
{
    _cleanup_free_ char *key = xasprintf("%s/%s", h->row.id, container->id);
    struct image_facts *f = map_find(&c->facts, key);

    if (!f) {
        f = xcalloc(1, sizeof(*f));
        (void)map_put(&c->facts, key, f);
    } else if (f->version == container->version) {
        return f;
    }
    image_facts_done(f);
    image_facts_read(f, h, container);
    return f;
}

static void plan(struct checker *c, const char *reference, int64_t now_ms)
{
    struct check *k = is_asked(c, reference) ? find_check(c, reference) : NULL;
    int64_t interval_ms = (int64_t)c->o.interval_ms;

    if (!k || k->is_seen)
        return;
    k->is_seen = true;
    if (!k->due_at_ms) {
        k->due_at_ms = k->row.checked_at_ms
                           ? k->row.checked_at_ms + interval_ms -
                                 (int64_t)random_below((uint64_t)interval_ms / 10 + 1)
                           : now_ms + (int64_t)random_below(MAX_JITTER_MS);
    }
    if (k->due_at_ms <= now_ms && k->state == CHECK_IDLE)
        check_queue(k, false);
}

static void mark_facts(struct checker *c, int64_t now_ms)
{
    map_foreach(fleet_hosts(c->o.fleet), e) {
        const struct fleet_host *h = e->value;

        map_foreach(&h->containers, entry) {
            struct image_facts *f = checker_facts(c, h, entry->value);

            f->is_seen = true;
            if (f->reference)
                plan(c, f->reference, now_ms);
        }
    }
}

/* Returns a copy of the key of an entry whose container was removed; NULL: there is none. */
static char *find_unused_fact(struct checker *c)
{
    map_foreach(&c->facts, e) {
        const struct image_facts *f = e->value;

        if (!f->is_seen)
            return xstrdup(e->key);
    }
    return NULL;
}

static void drop_unused_facts(struct checker *c)
{
    char *key;

    while ((key = find_unused_fact(c))) {
        struct image_facts *f = map_remove(&c->facts, key);

        image_facts_done(f);
        free(f);
        free(key);
    }
    map_foreach(&c->facts, e)
        ((struct image_facts *)e->value)->is_seen = false;
}

struct deletion {
    struct db *store;
    char *reference;
};

static void delete_work(void *job)
{
    struct deletion *d = job;
    struct error err = ERROR_INIT;

    if (image_checks_delete(d->store, d->reference, &err) < 0)
        log_warn(NULL, "an old answer of a registry was not deleted: %s", err.msg);
}

static void delete_done(void *job)
{
    struct deletion *d = job;

    free(d->reference);
    free(d);
}

/* Forgets one reference that no container has had for a month. */
static void drop_unused_check(struct checker *c, int64_t now_ms)
{
    map_foreach(&c->checks, e) {
        struct check *k = e->value;
        struct deletion *d;

        if (k->is_seen || k->state != CHECK_IDLE || k->row.checked_at_ms + FORGOTTEN_MS > now_ms)
            continue;
        d = xcalloc(1, sizeof(*d));
        d->store = c->o.store;
        d->reference = xstrdup(k->row.reference);
        if (job_submit(c->o.store_jobs, d, delete_work, delete_done) < 0) {
            delete_done(d);
            return;
        }
        (void)map_remove(&c->checks, d->reference);
        free_check(k);
        return;
    }
}

static void on_sweep(struct loop_timer *t)
{
    struct checker *c = CONTAINER_OF(t, struct checker, sweep);
    int64_t now_ms = time_utc_ms();

    loop_timer_start(c->o.loop, t, SWEEP_MS, on_sweep);
    mark_facts(c, now_ms);
    map_foreach(&c->peers, e)
        checker_pump(c, e->value);
    drop_unused_facts(c);
    drop_unused_check(c, now_ms);
    map_foreach(&c->checks, e)
        ((struct check *)e->value)->is_seen = false;
}

int checker_open(struct checker **ret, const struct checker_options *o, struct error *err)
{
    struct checker *c = xcalloc(1, sizeof(*c));
    int r;

    c->o = *o;
    c->jobs = job_queue_new(o->loop, THREADS, MAX_WAITING);
    r = c->jobs ? vault_open(&c->vault, o->data_dir, err)
                : error_set(err, -EAGAIN, "worker threads cannot be started");
    if (r == 0)
        r = registries_each(o->store, load_registry, c, err);
    if (r == 0)
        r = image_checks_each(o->store, load_check, c, err);
    if (r < 0) {
        checker_free(c);
        return error_wrap(err, r, "registries");
    }
    if (o->interval_ms > 0)
        loop_timer_start(o->loop, &c->sweep, FIRST_SWEEP_MS, on_sweep);
    *ret = c;
    return 0;
}

void checker_stop(struct checker *c)
{
    if (!c)
        return;
    c->is_stopped = true;
    atomic_store(&c->is_cancelled, true);
    loop_timer_stop(&c->sweep);
    map_foreach(&c->checks, e)
        check_end_waits(e->value, -ECANCELED);
}

void checker_free(struct checker *c)
{
    if (!c)
        return;
    checker_stop(c);
    if (c->jobs) {
        job_queue_drain(c->jobs);
        job_queue_free(c->jobs);
    }
    map_foreach(&c->checks, e)
        free_check(e->value);
    map_done(&c->checks);
    map_foreach(&c->peers, e)
        checker_peer_free(e->value);
    map_done(&c->peers);
    map_foreach(&c->facts, e) {
        image_facts_done(e->value);
        free(e->value);
    }
    map_done(&c->facts);
    vault_close(&c->vault);
    free(c);
}

void check_end_waits(struct check *k, int code)
{
    while (!list_empty(&k->waits)) {
        struct check_wait *w = CONTAINER_OF(list_take_first(&k->waits), struct check_wait, link);

        w->done(w->owner, code);
        free(w);
    }
}

void checker_look(struct checker *c,
                  const struct fleet_host *h,
                  const struct fleet_container *container,
                  struct checker_view *ret)
{
    struct image_facts *f = checker_facts(c, h, container);
    struct checker_view v = {.facts = f};
    struct decision_source s = image_facts_source(f);
    const struct check *k = f->reference ? map_find(&c->checks, f->reference) : NULL;

    if (k && k->row.outcome) {
        v.check = &k->row;
        v.failure = xstrdup(k->row.error);
        s.digest = k->row.digest;
        s.platforms = k->platforms;
    } else if (f->reference && !is_asked(c, f->reference)) {
        v.failure = xstrdup("the registry is on the host itself, where the server cannot reach it: "
                            "add it to the registries if the server has the same one");
    }
    s.failure = v.failure;
    decision_make(&s, &v.decision);
    *ret = v;
}

void checker_view_done(struct checker_view *v)
{
    free(v->failure);
    *v = (struct checker_view){0};
}

int checker_ask(struct checker *c,
                const struct fleet_host *h,
                const struct fleet_container *container,
                checker_done_fn done,
                void *owner)
{
    const struct image_facts *f = checker_facts(c, h, container);
    struct check_wait *w;
    struct check *k;

    if (!f->reference || !is_asked(c, f->reference))
        return -ENOENT;
    k = c->is_stopped ? NULL : find_check(c, f->reference);
    if (!k)
        return -ENOBUFS;
    w = xcalloc(1, sizeof(*w));
    w->done = done;
    w->owner = owner;
    list_append(&k->waits, &w->link);
    if (k->state == CHECK_IDLE)
        check_queue(k, true);
    return 0;
}

size_t checker_ask_registry(struct checker *c, const char *domain, const char *path)
{
    struct peer *p = map_find(&c->peers, domain);
    uint64_t now_ms = time_monotonic_ms();
    _cleanup_free_ char *prefix = path ? xasprintf("%s/%s:", domain, path)
                                       : xasprintf("%s/", domain);
    size_t n = 0;

    if (!p || c->is_stopped || (p->called_at_ms && now_ms - p->called_at_ms < WEBHOOK_PAUSE_MS))
        return 0;
    map_foreach(&c->checks, e) {
        struct check *k = e->value;

        if (!str_starts_with(e->key, prefix) || k->state != CHECK_IDLE)
            continue;
        check_queue(k, true);
        n++;
    }
    if (n > 0)
        p->called_at_ms = now_ms;
    return n;
}
