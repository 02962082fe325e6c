#include "server/maintenance/list_keeper.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "server/common/repeated_job.h"
#include "server/store/container_lists.h"
#include "server/store/hosts.h"
#include "server/view/saved_list.h"

#include <errno.h>
#include <string.h>

#define NEXT_SLICE_MS 50
#define SLICE         200  /* containers encoded in a turn of the loop: a few milliseconds */
#define LAST_WRITE_MS 5000 /* for all hosts together, when the server ends */

/* One allocation, as the input of a repeated_job is. */
struct list_write {
    struct db *store;
    char host_id[UUID_TEXT_SIZE]; /* "": nothing to write */
    uint64_t version;             /* of the host's containers */
    int64_t listed_at_ms;
    bool is_confirmed; /* the list is as stored: only its time has changed */
    bool is_more;
    int code;
    struct error err;
    char containers[];
};

struct list_keeper {
    struct list_keeper_options o;
    struct repeated_job job;
    uint64_t turn; /* number of the last attempt */
};

static void load_list(void *arg, const char *host_id, int64_t listed_at_ms, const char *containers)
{
    struct fleet_host *h = fleet_find_host(arg, host_id);
    struct error err = ERROR_INIT;
    int n;

    if (!h) /* the host is inactive: replaced by another */
        return;
    n = saved_list_read(h, containers, listed_at_ms, &err);
    if (n < 0) {
        log_warn(LOG_FIELDS("host", h->row.name),
                 "the stored list of containers cannot be read and is left out: %s", err.msg);
    } else if (n > 0) {
        log_warn(LOG_FIELDS("host", h->row.name),
                 "%d containers of the stored list are left out: unreadable, or more than "
                 "--max-containers or --inventory-memory allow",
                 n);
    }
    h->stored.version = h->containers_version;
    h->stored.listed_at_ms = h->containers_at_ms;
}

int list_keeper_load(struct db *store, struct fleet *f, struct error *err)
{
    return container_lists_each(store, load_list, f, err);
}

/* True also for a host whose containers are not known. */
static bool is_stored(const struct fleet_host *h)
{
    return h->stored.listed_at_ms == h->containers_at_ms &&
           (h->stored.version == h->containers_version || !h->containers_at_ms);
}

static bool is_due(const struct list_keeper *k, const struct fleet_host *h)
{
    int64_t age_ms = k->o.utc_ms() - h->stored.written_at_ms;

    if (is_stored(h))
        return false;
    /* The age is negative after the clock was set back. */
    return !h->is_online || age_ms < 0 || age_ms >= (int64_t)k->o.online_ms;
}

static void warn_left_out(struct fleet_host *h, size_t n)
{
    if (n > 0 && n != h->stored.n_left_out) {
        log_warn(LOG_FIELDS("host", h->row.name),
                 "%zu containers are not stored: the list is longer than %zu MiB", n,
                 SAVED_LIST_MAX >> 20);
    }
    h->stored.n_left_out = n;
}

/* Returns the list of the host as it is now, to be released with free(). */
static struct list_write *make_list(const struct list_keeper *k, struct fleet_host *h)
{
    bool is_confirmed = h->stored.listed_at_ms && h->stored.version == h->containers_version;
    struct buf text = BUF_INIT(SAVED_LIST_MAX + 1);
    struct list_write *w;

    if (!is_confirmed)
        warn_left_out(h, saved_list_write(&text, h));
    w = xcalloc(1, sizeof(*w) + text.size + 1);
    w->store = k->o.store;
    str_copy(w->host_id, sizeof(w->host_id), h->row.id);
    w->version = h->containers_version;
    w->listed_at_ms = h->containers_at_ms;
    w->is_confirmed = is_confirmed;
    w->is_more = true;
    memcpy(w->containers, buf_str(&text), text.size);
    buf_done(&text);
    return w;
}

/* The host that has waited longest, or NULL: one that changes too fast, or whose list cannot be
 * stored, does not hold up the others. */
static struct fleet_host *find_next(const struct list_keeper *k)
{
    struct fleet_host *next = NULL;

    map_foreach(fleet_hosts(k->o.fleet), e) {
        struct fleet_host *h = e->value;

        if ((!next || h->stored.turn < next->stored.turn) && is_due(k, h))
            next = h;
    }
    return next;
}

static void *make_write(struct repeated_job *j)
{
    struct list_keeper *k = CONTAINER_OF(j, struct list_keeper, job);
    struct fleet_host *h = find_next(k);
    struct list_write *nothing;

    if (h)
        h->stored.turn = ++k->turn;
    if (h && saved_list_prepare(h, SLICE))
        return make_list(k, h);
    nothing = xcalloc(1, sizeof(*nothing));
    nothing->is_more = h != NULL;
    return nothing;
}

static int write_list(struct db *d, void *arg, struct error *err)
{
    const struct list_write *w = arg;
    _cleanup_(host_done) struct host host = {0};
    int r;

    r = hosts_get(d, w->host_id, &host, err);
    if (r == -ENOENT)
        return 0; /* the host was deleted meanwhile */
    if (r < 0)
        return r;
    if (w->is_confirmed)
        return container_lists_confirm(d, w->host_id, w->listed_at_ms, err);
    return container_lists_put(d, w->host_id, w->listed_at_ms, w->containers, err);
}

static void do_write(void *run)
{
    struct list_write *w = run;

    if (*w->host_id)
        w->code = db_tx(w->store, write_list, w, &w->err);
}

static void note_written(const struct list_keeper *k, const struct list_write *w)
{
    struct fleet_host *h = *w->host_id ? fleet_find_host(k->o.fleet, w->host_id) : NULL;

    if (!h)
        return;
    h->stored.version = w->version;
    h->stored.listed_at_ms = w->listed_at_ms;
    h->stored.written_at_ms = k->o.utc_ms();
}

static uint64_t on_written(struct repeated_job *j, void *run)
{
    const struct list_write *w = run;
    const struct list_keeper *k;

    if (w->code < 0)
        log_error(NULL, "could not store a list of containers: %s", w->err.msg);
    if (!j)
        return 0;
    k = CONTAINER_OF(j, struct list_keeper, job);
    if (w->code < 0)
        return MINUTE_MS;
    note_written(k, w);
    return w->is_more && k->o.period_ms > NEXT_SLICE_MS ? NEXT_SLICE_MS : k->o.period_ms;
}

static uint64_t on_busy(struct repeated_job *j)
{
    return CONTAINER_OF(j, struct list_keeper, job)->o.period_ms;
}

static const struct repeated_job_ops ops = {
    .make = make_write,
    .work = do_write,
    .done = on_written,
    .busy = on_busy,
};

struct list_keeper *list_keeper_new(const struct list_keeper_options *o)
{
    struct list_keeper *k = xcalloc(1, sizeof(*k));

    k->o = *o;
    if (!k->o.period_ms)
        k->o.period_ms = 1000;
    if (!k->o.online_ms)
        k->o.online_ms = 5 * MINUTE_MS;
    if (!k->o.utc_ms)
        k->o.utc_ms = time_utc_ms;
    repeated_job_start(&k->job, o->loop, o->store_jobs, &ops, k->o.period_ms);
    return k;
}

void list_keeper_stop(struct list_keeper *k)
{
    if (k)
        repeated_job_stop(&k->job);
}

static bool write_last(const struct list_keeper *k, struct fleet_host *h)
{
    _cleanup_free_ struct list_write *w = make_list(k, h);

    do_write(w);
    if (w->code < 0) {
        log_error(LOG_FIELDS("host", h->row.name), "could not store its list of containers: %s",
                  w->err.msg);
    }
    return w->code == 0;
}

void list_keeper_free(struct list_keeper *k)
{
    uint64_t end_ms = time_monotonic_ms() + LAST_WRITE_MS;

    if (!k)
        return;
    map_foreach(fleet_hosts(k->o.fleet), e) {
        struct fleet_host *h = e->value;

        if (is_stored(h))
            continue;
        if (time_monotonic_ms() > end_ms) {
            log_warn(NULL, "not all lists of containers could be stored in time");
            break;
        }
        if (!write_last(k, h))
            break;
    }
    free(k);
}
