#include "server/session/ingest.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "server/store/agents.h"
#include "server/store/container_settings.h"

#define BATCH_MAX 256
#define RETRY_MS  100 /* after the store queue was full */

struct item {
    struct list link;
    char *agent_id; /* set: a sighting; NULL: an event */
    int64_t seen_at_ms;
    struct event event;
    char *old_name; /* of a container that the event says was renamed, or NULL */
};

struct ingest {
    struct loop *loop;
    struct loop_timer retry;
    struct job_queue *jobs;
    struct db *store;
    ingest_event_fn on_event;
    void *owner;
    struct list waiting;
    size_t n_waiting;
    bool is_writing;
};

struct batch {
    struct ingest *ingest;
    struct db *store;
    struct list items;
    size_t n_refused; /* rows that violate a constraint: a deleted host, invalid JSON */
    int code;
    struct error err;
};

static void item_free(struct item *it)
{
    event_done(&it->event);
    free(it->agent_id);
    free(it->old_name);
    free(it);
}

static struct item *take_item(struct list *items)
{
    return CONTAINER_OF(list_take_first(items), struct item, link);
}

static int store_item(struct db *s, struct item *it, struct error *err)
{
    int r;

    if (it->agent_id)
        return agents_touch(s, it->agent_id, it->seen_at_ms, err);
    r = events_insert(s, &it->event, &it->event.id, err);
    /* A duplicate would move the rows of a container that has the old name now. */
    if (r == 0 && it->event.id > 0 && it->old_name) {
        r = container_settings_rename(s, it->event.host_id, it->old_name, it->event.container_name,
                                      err);
    }
    return r;
}

static int store_batch(struct db *s, void *arg, struct error *err)
{
    struct batch *b = arg;

    b->n_refused = 0;
    for (struct list *l = b->items.next; l != &b->items; l = l->next) {
        int r = store_item(s, CONTAINER_OF(l, struct item, link), err);

        if (r == -EINVAL || r == -ENOENT || r == -EEXIST) {
            b->n_refused++; /* only this row is lost */
        } else if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void batch_work(void *job)
{
    struct batch *b = job;

    b->code = db_tx(b->store, store_batch, b, &b->err);
}

static void batch_done(void *job)
{
    struct batch *b = job;
    struct ingest *in = b->ingest;
    struct item *it;

    if (b->code < 0) {
        log_error(NULL, "events lost: %s", b->err.msg);
    } else if (b->n_refused > 0) {
        log_debug(NULL, "%zu rows refused, the last one: %s", b->n_refused, b->err.msg);
    }

    while (!list_empty(&b->items)) {
        it = take_item(&b->items);
        if (b->code == 0 && it->event.id > 0 && in->on_event)
            in->on_event(in->owner, &it->event, it->old_name);
        item_free(it);
    }
    free(b);
    in->is_writing = false;
    ingest_flush(in);
}

static void on_retry(struct loop_timer *t)
{
    ingest_flush(CONTAINER_OF(t, struct ingest, retry));
}

void ingest_flush(struct ingest *in)
{
    struct batch *b;

    if (in->is_writing || list_empty(&in->waiting))
        return;

    b = xcalloc(1, sizeof(*b));
    b->ingest = in;
    b->store = in->store;
    list_init(&b->items);
    for (size_t i = 0; i < BATCH_MAX && !list_empty(&in->waiting); i++) {
        list_append(&b->items, list_take_first(&in->waiting));
        in->n_waiting--;
    }

    if (job_submit(in->jobs, b, batch_work, batch_done) == 0) {
        in->is_writing = true;
        return;
    }

    /* The items go back to the front, in order. */
    while (!list_empty(&b->items)) {
        struct list *l = b->items.prev;

        list_unlink(l);
        list_append(in->waiting.next, l); /* before the first */
        in->n_waiting++;
    }
    free(b);
    loop_timer_start(in->loop, &in->retry, RETRY_MS, on_retry);
}

struct ingest *ingest_new(struct loop *loop,
                          struct job_queue *jobs,
                          struct db *store,
                          ingest_event_fn on_event,
                          void *owner)
{
    struct ingest *in = xcalloc(1, sizeof(*in));

    in->loop = loop;
    in->jobs = jobs;
    in->store = store;
    in->on_event = on_event;
    in->owner = owner;
    list_init(&in->waiting);
    return in;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;

    loop_timer_stop(&in->retry);
    while (!list_empty(&in->waiting))
        item_free(take_item(&in->waiting));
    free(in);
}

static void add_item(struct ingest *in, struct item *it)
{
    list_append(&in->waiting, &it->link);
    in->n_waiting++;
    if (!loop_timer_is_running(&in->retry))
        ingest_flush(in);
}

int ingest_event(struct ingest *in, struct event *e)
{
    return ingest_renamed(in, e, NULL);
}

int ingest_renamed(struct ingest *in, struct event *e, const char *old_name)
{
    struct item *it;

    if (in->n_waiting >= INGEST_MAX_WAITING) {
        event_done(e);
        return -ENOBUFS;
    }

    it = xcalloc(1, sizeof(*it));
    list_init(&it->link);
    it->event = *e;
    it->old_name = xstrdup(old_name);
    *e = (struct event){0};
    add_item(in, it);
    return 0;
}

void ingest_seen(struct ingest *in, const char *agent_id, int64_t seen_at_ms)
{
    struct item *it;

    if (in->n_waiting >= INGEST_MAX_WAITING)
        return;

    it = xcalloc(1, sizeof(*it));
    list_init(&it->link);
    it->agent_id = xstrdup(agent_id);
    it->seen_at_ms = seen_at_ms;
    add_item(in, it);
}
