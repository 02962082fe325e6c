#include "agent/update/updates.h"
#include "agent/update/dependents.h"
#include "agent/update/probe.h"
#include "agent/update/rejoin.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "net/loop.h"
#include "proto/error_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define CARE_MS          15000
#define DEFAULT_KEEP_MS  DAY_MS
#define MAX_KEEP_MS      (90 * DAY_MS)
#define MIN_FREE_PERCENT 5
#define INSPECT_MS       10000

struct entry {
    struct list link; /* in the order of their start */
    struct updates *us;
    struct update *update;
    uint64_t watched_ms; /* when the new container was inspected last; 0: never */
};

struct updates {
    struct updates_options o;
    struct journal *journal;
    struct probes *probes;
    struct rejoin *rejoin;
    char *path;
    struct list entries;
    size_t n;
    struct listeners listeners;
    struct loop_timer care;
    struct engine_call *call; /* inspects the container of `watched` */
    struct entry *watched;
};

static struct entry *entry_of(struct list *l)
{
    return CONTAINER_OF(l, struct entry, link);
}

/* The entry after `e`, the first one for NULL; NULL: there is none. */
static struct entry *next_entry(const struct updates *us, const struct entry *e)
{
    struct list *l = e ? e->link.next : us->entries.next;

    return l == &us->entries ? NULL : entry_of(l);
}

static const struct journal_record *record_of(const struct entry *e)
{
    return update_get_record(e->update);
}

static void free_entry(struct entry *e)
{
    e->us->n--;
    if (e->us->watched == e) {
        engine_call_cancel(TAKE_PTR(e->us->call));
        e->us->watched = NULL;
    }
    list_unlink(&e->link);
    update_free(e->update);
    free(e);
}

static bool is_updated(void *owner, const char *container)
{
    return updates_find_running(owner, container) != NULL;
}

struct updates *updates_new(const struct updates_options *o)
{
    struct updates *us = xcalloc(1, sizeof(*us));

    us->o = *o;
    us->path = xstrdup(o->path);
    us->journal = journal_new(o->path);
    us->probes = probes_new(o->engine);
    us->rejoin = rejoin_new(&(struct rejoin_options){.engine = o->engine,
                                                     .own_container = o->own_container,
                                                     .is_updated = is_updated,
                                                     .owner = us});
    list_init(&us->entries);
    return us;
}

void updates_free(struct updates *us)
{
    if (!us)
        return;
    loop_timer_stop(&us->care);
    engine_call_cancel(us->call);
    us->watched = NULL;
    while (!list_empty(&us->entries))
        free_entry(entry_of(list_take_first(&us->entries)));
    listeners_done(&us->listeners);
    journal_free(us->journal);
    rejoin_free(us->rejoin);
    probes_free(us->probes);
    free(us->path);
    free(us);
}

void updates_add_listener(struct updates *us, struct updates_listener *l)
{
    listeners_add(&us->listeners, &l->base);
}

void updates_remove_listener(struct updates_listener *l)
{
    listeners_remove(&l->base);
}

/* --- the queue --- */

static size_t count_state(const struct updates *us, bool (*matches)(const struct journal_record *r))
{
    size_t n = 0;

    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        if (matches(record_of(e)))
            n++;
    }
    return n;
}

static bool is_pending(const struct journal_record *r)
{
    return r->state == UPDATE_RUNNING;
}

static bool is_at_work(const struct journal_record *r)
{
    return r->state == UPDATE_RUNNING && r->step != STEP_WAIT;
}

static void start_waiting(struct updates *us)
{
    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        if (count_state(us, is_at_work) >= UPDATES_MAX_RUNNING)
            return;
        if (is_pending(record_of(e)) && !is_at_work(record_of(e)))
            update_start(e->update);
    }
}

static void on_care(struct loop_timer *t);

/* From within a callback of an update the next one is not started, but soon. */
static void on_ended(void *owner, struct update *u)
{
    struct entry *e = owner;

    (void)u;
    loop_timer_start(e->us->o.loop, &e->us->care, 0, on_care);
}

static void on_changed(void *owner, struct update *u)
{
    struct entry *e = owner;

    listeners_emit(&e->us->listeners, struct updates_listener, on_change, update_get_record(u));
}

static void on_pulled(void *owner, struct update *u, const struct pull_layers *layers)
{
    struct entry *e = owner;

    listeners_emit(&e->us->listeners, struct updates_listener, on_pull, update_get_record(u),
                   layers);
}

const json_t *updates_find_config(const struct updates *us, const char *container)
{
    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        const struct journal_record *r = record_of(e);

        for (size_t i = 0; i < r->n_members; i++) {
            if (r->members[i].config && str_eq(r->members[i].new_id, container))
                return r->members[i].config;
        }
    }
    return NULL;
}

static const json_t *find_config(void *owner, const char *container)
{
    const struct entry *e = owner;

    return updates_find_config(e->us, container);
}

static struct entry *add(struct updates *us, struct journal_record *r, json_t *auth)
{
    struct entry *e = xcalloc(1, sizeof(*e));

    e->us = us;
    e->update = update_new(&(struct update_options){.engine = us->o.engine,
                                                    .journal = us->journal,
                                                    .probes = us->probes,
                                                    .own_container = us->o.own_container,
                                                    .changed = on_changed,
                                                    .ended = on_ended,
                                                    .pulled = on_pulled,
                                                    .find_config = find_config,
                                                    .owner = e},
                           r, auth);
    list_append(&us->entries, &e->link);
    us->n++;
    return e;
}

/* --- what was kept --- */

static bool is_kept(const struct journal_record *r)
{
    return r->state == UPDATE_KEPT;
}

static bool is_disk_full(const struct updates *us)
{
    struct statvfs v;

    return statvfs(us->path, &v) == 0 && v.f_blocks > 0 &&
           v.f_bavail < v.f_blocks / 100 * MIN_FREE_PERCENT;
}

/* The oldest one that is due; entries are in the order of their start. */
static struct entry *find_expired(struct updates *us)
{
    size_t n_kept = count_state(us, is_kept);
    bool is_urgent = n_kept > UPDATES_MAX_KEPT || (n_kept > 0 && is_disk_full(us));
    int64_t now = time_utc_ms();

    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        const struct journal_record *r = record_of(e);

        if (is_kept(r) && (is_urgent || r->expires_at <= now))
            return e;
    }
    return NULL;
}

/* The oldest records of updates that are over. */
static void prune(struct updates *us)
{
    struct entry *e = entry_of(us->entries.next);

    while (us->n > UPDATES_MAX_RECORDS && &e->link != &us->entries) {
        struct entry *next = entry_of(e->link.next);
        const struct journal_record *r = record_of(e);

        if (!is_pending(r) && !is_kept(r) && !(r->state == UPDATE_FAILED && r->is_undoing)) {
            journal_remove(us->journal, r->id);
            free_entry(e);
        }
        e = next;
    }
}

/* --- probation --- */

/* Why the new container has failed although the update succeeded; NULL: it has not. */
static const char *find_trouble(const struct journal_record *r, const json_t *inspect)
{
    const json_t *state = json_object_get(inspect, "State");
    const json_t *health = json_object_get(state, "Health");
    json_int_t restarts = json_integer_value(json_object_get(inspect, "RestartCount"));

    if (restarts > r->restarts)
        return "it has been restarted by the engine";
    if (str_eq(json_string_value(json_object_get(health, "Status")), "unhealthy"))
        return "it is unhealthy";
    if (!json_is_true(json_object_get(state, "Running")) &&
        json_integer_value(json_object_get(state, "ExitCode")) != 0)
        return "it has ended with an error";
    return NULL;
}

static void on_watched(void *owner, const struct engine_reply *reply)
{
    struct updates *us = owner;
    struct entry *e = TAKE_PTR(us->watched);
    const char *trouble;

    us->call = NULL;
    if (reply->code < 0 || !is_kept(record_of(e)))
        return;
    trouble = find_trouble(record_of(e), reply->json);
    if (trouble)
        update_fail_probation(e->update, trouble);
}

static bool is_on_probation(const struct journal_record *r)
{
    return is_kept(r) && r->probation_until > time_utc_ms() && !r->has_failed_probation;
}

/* One after the other, so that many updates do not ask the engine at once. */
static struct entry *find_to_watch(struct updates *us)
{
    struct entry *found = NULL;

    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        if (is_on_probation(record_of(e)) && (!found || e->watched_ms < found->watched_ms))
            found = e;
    }
    return found;
}

static void watch_next(struct updates *us)
{
    struct entry *e = us->call ? NULL : find_to_watch(us);
    _cleanup_free_ char *path = NULL;

    if (!e)
        return;
    path = xasprintf("/containers/%s/json", record_of(e)->members[0].new_id);
    e->watched_ms = time_monotonic_ms();
    if (engine_call_start(&us->call, us->o.engine,
                          &(struct engine_request){.path = path,
                                                   .wants_json = true,
                                                   .timeout_ms = INSPECT_MS,
                                                   .done = on_watched,
                                                   .owner = us},
                          NULL) == 0)
        us->watched = e;
}

/* --- care --- */

static bool is_expiring(const struct updates *us)
{
    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        if (update_is_expiring(e->update))
            return true;
    }
    return false;
}

static void on_care(struct loop_timer *t)
{
    struct updates *us = CONTAINER_OF(t, struct updates, care);
    struct entry *expired;

    start_waiting(us);
    expired = is_expiring(us) ? NULL : find_expired(us);
    if (expired)
        update_expire(expired->update);
    watch_next(us);
    prune(us);
    if (us->n > 0)
        loop_timer_start(us->o.loop, &us->care, CARE_MS, on_care);
}

/* --- requests --- */

static struct entry *find(const struct updates *us, const char *id)
{
    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        if (str_eq(record_of(e)->id, id))
            return e;
    }
    return NULL;
}

const struct journal_record *updates_find_running(const struct updates *us, const char *container)
{
    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        if (is_pending(record_of(e)) && update_concerns(e->update, container))
            return record_of(e);
    }
    return NULL;
}

void updates_note_start(struct updates *us, const char *container)
{
    rejoin_after(us->rejoin, container);
}

struct probes *updates_probes(const struct updates *us)
{
    return us->probes;
}

const char *updates_own_container(const struct updates *us)
{
    return us->o.own_container;
}

void updates_each(const struct updates *us,
                  void (*fn)(void *owner, const struct journal_record *r),
                  void *owner)
{
    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        fn(owner, record_of(e));
    }
}

static int check_id(const struct updates *us, const char *id, struct error *err)
{
    if (!str_is_uuid(id))
        return error_code_set(err, CODE_INVALID_ARGUMENT, "update_id is not a UUID");
    if (find(us, id))
        return error_code_set(err, CODE_ALREADY_EXISTS, "update %s exists already", id);
    return 0;
}

static int check_request(const struct updates *us,
                         const struct updates_request *q,
                         struct error *err)
{
    const struct journal_record *running = updates_find_running(us, q->container);

    if (!running)
        running = updates_find_running(us, q->name);
    if (running) {
        return error_code_set(err, CODE_UPDATE_IN_PROGRESS, "update %s of %s is in progress",
                              running->id, running->members[0].name);
    }
    if (update_name_is_ours(q->name)) {
        return error_code_set(err, CODE_UPDATE_REFUSED,
                              "%s belongs to an update: it cannot be updated itself", q->name);
    }
    if (count_state(us, is_pending) >= UPDATES_MAX_PENDING) {
        return error_code_set(err, CODE_TOO_MANY_UPDATES,
                              "%d updates run or wait on this host already", UPDATES_MAX_PENDING);
    }
    if (!str_is_empty(q->new_image) && !str_is_image_ref(q->new_image))
        return error_code_set(err, CODE_INVALID_ARGUMENT, "new_image is not a valid reference");
    return str_is_empty(q->update_id) ? 0 : check_id(us, q->update_id, err);
}

static struct journal_record *make_record(const struct updates *us, const struct updates_request *q)
{
    char id[UUID_TEXT_SIZE];
    struct journal_record *r;
    int64_t keep_ms = q->keep_ms > 0 ? q->keep_ms : DEFAULT_KEEP_MS;

    random_uuid(id);
    r = journal_record_new(str_is_empty(q->update_id) ? id : q->update_id);
    r->image = xstrdup("");
    r->new_image = xstrdup(q->new_image ? q->new_image : "");
    r->platform = str_is_empty(q->platform) ? NULL : xstrdup(q->platform);
    r->fingerprint = str_is_empty(q->fingerprint) ? NULL : xstrdup(q->fingerprint);
    r->stop_timeout_s = q->stop_timeout_s;
    r->health_timeout_ms = q->health_timeout_ms > 0 ? q->health_timeout_ms
                                                    : (int64_t)us->o.health_timeout_ms;
    r->stays_up_ms = q->stays_up_ms;
    r->keep_ms = keep_ms < MAX_KEEP_MS ? keep_ms : MAX_KEEP_MS;
    r->has_consent = q->has_consent;
    r->ignores_lock = q->ignores_lock;
    r->started_at = time_utc_ms();
    r->n_members = 1;
    r->members[0].id = xstrdup(q->container);
    r->members[0].name = xstrdup(q->name);
    return r;
}

/* The record and its reserve are on disk before the update is accepted, so a kill loses neither. */
static int store_new(struct updates *us, const struct journal_record *record, struct error *err)
{
    struct error why = ERROR_INIT;
    int r = journal_reserve(us->journal, record->id, &why);

    if (r == 0)
        r = journal_save(us->journal, record, &why);
    if (r == 0)
        return 0;
    journal_remove(us->journal, record->id);
    return error_code_set(err,
                          r == -ENOSPC || r == -EDQUOT ? CODE_STORAGE_FULL : CODE_INTERNAL_ERROR,
                          "the update was not begun, its record cannot be stored: %s", why.msg);
}

int updates_begin(struct updates *us,
                  const struct updates_request *q,
                  const char **ret_id,
                  struct error *err)
{
    int r = check_request(us, q, err);
    struct journal_record *record;
    struct entry *e;

    if (r < 0) {
        json_decref(q->auth);
        return r;
    }
    record = make_record(us, q);
    r = store_new(us, record, err);
    if (r < 0) {
        journal_record_free(record);
        json_decref(q->auth);
        return r;
    }
    e = add(us, record, q->auth);
    *ret_id = record_of(e)->id;
    on_changed(e, e->update);
    loop_timer_start(us->o.loop, &us->care, 0, on_care);
    return 0;
}

static int find_update(struct updates *us, const char *id, struct entry **ret, struct error *err)
{
    *ret = find(us, id);
    if (!*ret)
        return error_code_set(err, CODE_NO_SUCH_UPDATE, "there is no update %s on this host", id);
    return 0;
}

int updates_roll_back(struct updates *us, const char *id, struct error *err)
{
    struct entry *e;
    int r = find_update(us, id, &e, err);

    return r < 0 ? r : update_roll_back(e->update, err);
}

int updates_cancel(struct updates *us, const char *id, struct error *err)
{
    struct entry *e;
    int r = find_update(us, id, &e, err);

    return r < 0 ? r : update_cancel(e->update, err);
}

/* --- the start of the agent --- */

static void on_found(void *owner, struct journal_record *r)
{
    struct updates *us = owner;
    struct entry *e = add(us, r, NULL);
    struct list *before;

    /* in the order of their start; the files have none */
    list_unlink(&e->link);
    before = us->entries.next;
    while (before != &us->entries && record_of(entry_of(before))->started_at <= r->started_at)
        before = before->next;
    list_append(before, &e->link);
}

void updates_start(struct updates *us)
{
    journal_load(us->journal, on_found, us);
    for (struct entry *e = next_entry(us, NULL); e; e = next_entry(us, e)) {
        if (is_at_work(record_of(e))) {
            log_info(LOG_FIELDS("update", record_of(e)->id, "container",
                                record_of(e)->members[0].name, "step",
                                update_step_name(record_of(e)->step)),
                     "an update was interrupted: looking for what it left behind");
            update_resume(e->update);
        }
    }
    /* At once: updates that were accepted may not have begun. */
    if (us->n > 0)
        loop_timer_start(us->o.loop, &us->care, 0, on_care);
}
