#include "server/updates/updates.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/store/updates.h"
#include "server/updates/updates_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOAD_LIMIT 20000
#define SWEEP_MS   30000

void updates_make_key(char ret[UPDATE_KEY_SIZE], const char *host_id, const char *update_id)
{
    (void)snprintf(ret, UPDATE_KEY_SIZE, "%s/%s", host_id, update_id);
}

enum update_state updates_state_of(const struct update *up)
{
    return update_state_find(up->record.state);
}

/* Waiters may be freed by their own callback, or wait again. */
void updates_notify_waiters(struct update *up, const struct update *result)
{
    struct list now;

    list_init(&now);
    while (!list_empty(&up->waiters))
        list_append(&now, list_take_first(&up->waiters));
    while (!list_empty(&now)) {
        struct update_waiter *w = CONTAINER_OF(list_take_first(&now), struct update_waiter, link);

        list_init(&w->link);
        w->done(w, result);
    }
}

static void update_free(struct update *up)
{
    while (!list_empty(&up->waiters))
        list_init(list_take_first(&up->waiters));
    free(up->host_id);
    free(up->triggered_by);
    free(up->message);
    json_decref(up->layers);
    update_record_done(&up->record);
    free(up);
}

void updates_remove(struct updates *u, struct update *up)
{
    char key[UPDATE_KEY_SIZE];

    updates_make_key(key, up->host_id, up->record.update_id);
    (void)map_remove(&u->all, key);
    updates_notify_waiters(up, NULL);
    update_free(up);
}

/* --- the store --- */

struct store_job {
    struct db *store;
    struct update_row row;
    int code;
    struct error err;
};

static void store_work(void *owner)
{
    struct store_job *job = owner;

    job->code = updates_put(job->store, &job->row, &job->err);
}

static void store_done(void *owner)
{
    struct store_job *job = owner;

    if (job->code < 0 && job->code != -EINVAL) { /* -EINVAL: its host was deleted */
        log_error(LOG_FIELDS("host", job->row.host_id, "update", job->row.update_id),
                  "a record of an update was not stored: %s", job->err.msg);
    }
    update_row_done(&job->row);
    free(job);
}

void updates_store(const struct updates *u, const struct update *up)
{
    struct store_job *job = xcalloc(1, sizeof(*job));
    json_auto_t *data = update_record_encode(&up->record);

    job->store = u->o.store;
    job->row = (struct update_row){
        .host_id = xstrdup(up->host_id),
        .update_id = xstrdup(up->record.update_id),
        .container_name = xstrdup(up->record.container_name),
        .state = xstrdup(up->record.state),
        .triggered_by = up->triggered_by ? xstrdup(up->triggered_by) : NULL,
        .data = json_text_write(data, NULL),
        .started_at_ms = up->record.started_at,
        .updated_at_ms = time_utc_ms(),
    };
    if (job_submit(u->o.store_jobs, job, store_work, store_done) < 0) {
        log_warn(LOG_FIELDS("host", up->host_id, "update", up->record.update_id),
                 "a record of an update was not stored: the store is too slow");
        update_row_done(&job->row);
        free(job);
    }
}

struct update *updates_add(struct updates *u, const char *host_id, struct update_record *r)
{
    struct update *up = xcalloc(1, sizeof(*up));
    char key[UPDATE_KEY_SIZE];

    updates_make_key(key, host_id, r->update_id);
    up->host_id = xstrdup(host_id);
    up->record = *r;
    *r = (struct update_record){0};
    up->begun_ms = time_monotonic_ms();
    list_init(&up->waiters);
    (void)map_put(&u->all, key, up);
    return up;
}

static void load_row(void *arg, const struct update_row *row)
{
    struct updates *u = arg;
    struct update_record r = {0};
    struct error err = ERROR_INIT;
    json_auto_t *data = json_text_parse(row->data, strlen(row->data), 0, &err);
    struct update *up;

    if (!data || update_record_decode(data, &r, &err) < 0) {
        log_warn(LOG_FIELDS("host", row->host_id, "update", row->update_id),
                 "a stored update cannot be read and is left out: %s", err.msg);
        return;
    }
    up = updates_add(u, row->host_id, &r);
    up->triggered_by = row->triggered_by ? xstrdup(row->triggered_by) : NULL;
}

/* --- finding --- */

const struct update *updates_find(const struct updates *u,
                                  const char *host_id,
                                  const char *update_id)
{
    char key[UPDATE_KEY_SIZE];

    updates_make_key(key, host_id, update_id);
    return map_find(&u->all, key);
}

/* Either may be short, or NULL. */
static bool is_same(const char *a, const char *b)
{
    return a && b && strlen(a) >= CONTAINER_SHORT_ID_LEN &&
           strncmp(a, b, CONTAINER_SHORT_ID_LEN) == 0;
}

static bool is_of(const struct update *up, const char *host_id, const char *container_id)
{
    return str_eq(up->host_id, host_id) && (is_same(up->record.container_id, container_id) ||
                                            is_same(up->record.new_container_id, container_id));
}

struct update *updates_find_in_state(const struct updates *u,
                                     const char *host_id,
                                     const char *container_id,
                                     enum update_state state)
{
    struct update *found = NULL;

    map_foreach(&u->all, e) {
        struct update *up = e->value;

        if (updates_state_of(up) == state && is_of(up, host_id, container_id) &&
            (!found || up->record.started_at > found->record.started_at))
            found = up;
    }
    return found;
}

const struct update *updates_find_active(const struct updates *u,
                                         const char *host_id,
                                         const char *container_id)
{
    return updates_find_in_state(u, host_id, container_id, UPDATE_RUNNING);
}

const struct update *updates_find_kept(const struct updates *u,
                                       const char *host_id,
                                       const char *container_id)
{
    return updates_find_in_state(u, host_id, container_id, UPDATE_KEPT);
}

void updates_each(const struct updates *u, updates_fn fn, void *arg)
{
    map_foreach(&u->all, e)
        fn(arg, e->value);
}

void updates_add_listener(struct updates *u, struct updates_listener *l)
{
    listeners_add(&u->listeners, &l->base);
}

void updates_remove_listener(struct updates_listener *l)
{
    listeners_remove(&l->base);
}

void updates_wait(struct updates *u,
                  const char *host_id,
                  const char *update_id,
                  struct update_waiter *w)
{
    char key[UPDATE_KEY_SIZE];
    struct update *up;

    updates_make_key(key, host_id, update_id);
    up = map_find(&u->all, key);
    list_init(&w->link);
    if (up)
        list_append(&up->waiters, &w->link);
}

/* --- making --- */

static bool is_full(const struct updates *u, const char *host_id)
{
    size_t n = 0;

    map_foreach(&u->all, e) {
        const struct update *up = e->value;

        n += str_eq(up->host_id, host_id);
    }
    return n >= UPDATES_MAX_PER_HOST;
}

bool updates_make_room(struct updates *u, const char *host_id)
{
    struct update *oldest = NULL;

    if (!is_full(u, host_id))
        return true;
    map_foreach(&u->all, e) {
        struct update *up = e->value;

        if (str_eq(up->host_id, host_id) && update_state_is_end(updates_state_of(up)) &&
            (!oldest || up->record.started_at < oldest->record.started_at))
            oldest = up;
    }
    if (!oldest)
        return false;
    updates_remove(u, oldest);
    return true;
}

void updates_fill_record(struct update_record *r,
                         const struct update_subject *s,
                         const char *update_id)
{
    r->update_id = xstrdup(update_id);
    r->container_id = xstrdup(s->id);
    r->container_name = xstrdup(s->name);
    r->image = xstrdup(s->image);
    r->new_image = xstrdup(str_is_empty(s->new_image) ? s->image : s->new_image);
    r->state = xstrdup(update_state_name(UPDATE_RUNNING));
    r->step = xstrdup(UPDATE_REQUESTED);
    r->started_at = r->step_at = time_utc_ms();
}

/* --- life --- */

/* Returns an update without a journal that has lasted too long, or NULL. */
static struct update *find_overdue(const struct updates *u)
{
    map_foreach(&u->all, e) {
        struct update *up = e->value;

        if (up->is_foreign && updates_state_of(up) == UPDATE_RUNNING &&
            time_monotonic_ms() - up->begun_ms > UPDATES_FOREIGN_MS)
            return up;
    }
    return NULL;
}

static void on_sweep(struct loop_timer *t)
{
    struct updates *u = CONTAINER_OF(t, struct updates, sweep);
    struct update *up;

    while ((up = find_overdue(u)))
        updates_end(u, up, UPDATE_FAILED, "the agent did not report the end of the update");
    loop_timer_start(u->o.loop, t, SWEEP_MS, on_sweep);
}

static struct update *find_of_host(const struct updates *u, const char *host_id)
{
    map_foreach(&u->all, e) {
        struct update *up = e->value;

        if (str_eq(up->host_id, host_id))
            return up;
    }
    return NULL;
}

static void on_host_removal(struct fleet_listener *l, const struct fleet_host *h)
{
    struct updates *u = CONTAINER_OF(l, struct updates, fleet);
    struct update *up;

    (void)map_remove(&u->online, h->row.id);
    while ((up = find_of_host(u, h->row.id)))
        updates_remove(u, up);
}

int updates_open(struct updates **ret, const struct updates_options *o, struct error *err)
{
    struct updates *u = xcalloc(1, sizeof(*u));
    int r;

    u->o = *o;
    u->sessions.on_update = updates_on_event;
    u->fleet.on_host = updates_on_host;
    u->fleet.on_host_removal = on_host_removal;
    r = updates_list(o->store, &(struct updates_query){.limit = LOAD_LIMIT}, load_row, u, err);
    if (r < 0) {
        updates_close(u);
        return error_wrap(err, r, "load updates");
    }
    sessions_add_listener(o->sessions, &u->sessions);
    fleet_add_listener(o->fleet, &u->fleet);
    loop_timer_start(o->loop, &u->sweep, SWEEP_MS, on_sweep);
    *ret = u;
    return 0;
}

void updates_stop(struct updates *u)
{
    if (!u)
        return;
    loop_timer_stop(&u->sweep);
    sessions_remove_listener(&u->sessions);
    fleet_remove_listener(&u->fleet);
    map_foreach(&u->all, e)
        updates_notify_waiters(e->value, NULL);
}

void updates_close(struct updates *u)
{
    if (!u)
        return;
    updates_stop(u);
    while (u->all.size > 0) {
        struct update *up = map_next(&u->all, NULL)->value;
        char key[UPDATE_KEY_SIZE];

        updates_make_key(key, up->host_id, up->record.update_id);
        (void)map_remove(&u->all, key);
        update_free(up);
    }
    listeners_done(&u->listeners);
    map_done(&u->all);
    map_done(&u->online);
    free(u);
}
