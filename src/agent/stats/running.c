#include "agent/stats/running.h"
#include "base/set.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "docker/model/container.h"
#include "proto/metric.h"

#include <assert.h>
#include <string.h>

#define MAX_PARALLEL       4
#define MAX_LIST_BODY      ((size_t)64 << 20)
#define INSPECT_TIMEOUT_MS 10000
#define RETRY_MS           5000
#define MAX_ALL            50000
#define NUMBER_SIZE        24

enum entry_state {
    ENTRY_WAITING, /* to be inspected */
    ENTRY_ASKED,   /* being inspected */
    ENTRY_KNOWN,   /* the handler knows it */
};

struct entry {
    struct list link; /* in `waiting`, else empty */
    char id[CONTAINER_ID_SIZE];
    enum entry_state state;
    bool is_notified;    /* on_start was called, on_end was not yet */
    bool is_asked_again; /* it was restarted while being inspected */
    /* the number of lists asked for when it was added, or last seen in a list */
    unsigned list_number;
};

struct lookup {
    struct running_list *owner;
    struct engine_call *call; /* NULL: the slot is free */
    char id[CONTAINER_ID_SIZE];
};

struct running_list {
    struct engine *engine;
    struct events *events;
    struct events_listener listener;
    const struct running_handler *handler;
    void *owner;
    struct map entries;
    struct list waiting;
    struct lookup lookups[MAX_PARALLEL];
    struct engine_call *list_call;
    struct loop_timer retry;
    unsigned n_lists; /* that were asked for */
    uint64_t next;    /* number of the next event */
    struct set all;   /* ids of containers in any state; the values are unused */
    bool is_listed;
    uint64_t list_seq; /* the first event after the list was asked for */
};

/* Parsing */

static int64_t get_number(struct json_span s)
{
    char text[NUMBER_SIZE];
    int64_t v = 0;

    if (s.n == 0 || s.n >= sizeof(text))
        return METRIC_NONE;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return parse_i64(text, &v) < 0 || v < 0 ? METRIC_NONE : v;
}

static int64_t get_time(struct json_span s)
{
    char text[TIME_TEXT_SIZE + 16];
    int64_t ns = 0;

    if (!json_span_copy_string(s, text, sizeof(text)) || time_parse_ns(text, &ns) < 0 || ns < 0)
        return METRIC_NONE;
    return ns / NS_PER_MS;
}

bool running_from_inspect(struct json_span inspect, struct running *ret)
{
    struct json_span state = json_span_find(inspect, "State");
    char name[RUNNING_NAME_SIZE + 1] = "";
    int64_t pid = get_number(json_span_find(state, "Pid"));

    *ret = (struct running){0};
    if (!json_span_copy_string(json_span_find(inspect, "Id"), ret->id, sizeof(ret->id)) ||
        !str_is_hex(ret->id, sizeof(ret->id) - 1) || !container_inspect_is_running(inspect))
        return false;
    if (json_span_copy_string(json_span_find(inspect, "Name"), name, sizeof(name)))
        str_copy(ret->name, sizeof(ret->name), name[0] == '/' ? name + 1 : name);
    ret->pid = pid == METRIC_NONE ? 0 : pid;
    ret->started_at_ms = get_time(json_span_find(state, "StartedAt"));
    ret->restarts = get_number(json_span_find(inspect, "RestartCount"));
    ret->is_host_network = json_span_is(
        json_span_find(json_span_find(inspect, "HostConfig"), "NetworkMode"), "\"host\"");
    return true;
}

/* Entries */

static void set_state(struct entry *e, enum entry_state state)
{
    assert(state != ENTRY_ASKED || e->state == ENTRY_WAITING);
    assert(state != ENTRY_KNOWN || e->state == ENTRY_ASKED);
    e->state = state;
}

static void notify_end(struct running_list *l, struct entry *e)
{
    if (TAKE(e->is_notified, false))
        l->handler->on_end(l->owner, e->id);
}

static void forget(struct running_list *l, struct entry *e)
{
    notify_end(l, e);
    list_unlink(&e->link);
    (void)map_remove(&l->entries, e->id);
    free(e);
}

static void start_next(struct running_list *l);

/* The container was started, or may have been without an event: inspect it. */
static void request_inspect(struct running_list *l, const char *id)
{
    struct entry *e = map_find(&l->entries, id);

    if (!e && l->entries.size >= RUNNING_MAX)
        return;
    if (!e) {
        e = xcalloc(1, sizeof(*e));
        list_init(&e->link);
        str_copy(e->id, sizeof(e->id), id);
        (void)map_put(&l->entries, id, e);
        set_state(e, ENTRY_WAITING);
        list_append(&l->waiting, &e->link);
    } else if (e->state == ENTRY_ASKED) {
        e->is_asked_again = true;
    } else if (e->state == ENTRY_KNOWN) {
        set_state(e, ENTRY_WAITING);
        list_append(&l->waiting, &e->link);
    }
    e->list_number = l->n_lists;
    start_next(l);
}

static void on_known(struct running_list *l, struct entry *e, const struct running *r)
{
    if (TAKE(e->is_asked_again, false)) {
        set_state(e, ENTRY_WAITING);
        list_append(&l->waiting, &e->link);
        return;
    }
    set_state(e, ENTRY_KNOWN);
    notify_end(l, e);
    e->is_notified = true;
    l->handler->on_start(l->owner, r);
}

static void on_inspect(void *owner, const struct engine_reply *reply)
{
    struct lookup *lookup = owner;
    struct running_list *l = lookup->owner;
    struct entry *e = map_find(&l->entries, lookup->id);
    struct checked_text text = {0};
    struct running r;

    lookup->call = NULL;
    if (e && e->state == ENTRY_ASKED) {
        /* The container has ended already: too short-lived to have statistics. */
        bool is_running = reply->code == 0 &&
                          checked_text_init(&text, reply->body, reply->size, NULL) == 0 &&
                          running_from_inspect(checked_text_span(&text), &r) && str_eq(r.id, e->id);

        if (is_running) {
            on_known(l, e, &r);
        } else if (TAKE(e->is_asked_again, false)) {
            set_state(e, ENTRY_WAITING);
            list_append(&l->waiting, &e->link);
        } else {
            forget(l, e);
        }
        checked_text_done(&text);
    }
    start_next(l);
}

static struct lookup *free_lookup(struct running_list *l)
{
    for (size_t i = 0; i < MAX_PARALLEL; i++) {
        if (!l->lookups[i].call)
            return &l->lookups[i];
    }
    return NULL;
}

static void start_next(struct running_list *l)
{
    struct lookup *lookup;

    while (!list_empty(&l->waiting) && (lookup = free_lookup(l))) {
        struct entry *e = CONTAINER_OF(list_take_first(&l->waiting), struct entry, link);
        _cleanup_free_ char *path = xasprintf("/containers/%s/json", e->id);

        lookup->owner = l;
        str_copy(lookup->id, sizeof(lookup->id), e->id);
        set_state(e, ENTRY_ASKED);
        if (engine_call_start(&lookup->call, l->engine,
                              &(struct engine_request){
                                  .path = path,
                                  .timeout_ms = INSPECT_TIMEOUT_MS,
                                  .done = on_inspect,
                                  .owner = lookup,
                              },
                              NULL) < 0) {
            lookup->call = NULL;
            forget(l, e); /* the next list contains it again */
        }
    }
}

/* The list */

static void ask_list(struct running_list *l);

static void on_retry(struct loop_timer *t)
{
    ask_list(CONTAINER_OF(t, struct running_list, retry));
}

static bool is_live_state(struct json_span state)
{
    return json_span_is(state, "\"running\"") || json_span_is(state, "\"paused\"");
}

/*
 * Removes the containers that the list does not contain, but that existed before it was asked for.
 */
static void drop_missing(struct running_list *l, unsigned number)
{
    struct entry **gone = xcalloc(l->entries.size + 1, sizeof(struct entry *));
    size_t n = 0;

    map_foreach(&l->entries, e) {
        struct entry *entry = e->value;

        if (entry->list_number < number)
            gone[n++] = entry;
    }
    for (size_t i = 0; i < n; i++)
        forget(l, gone[i]);
    free(gone);
}

static void set_exists(struct running_list *l, const char *id, bool exists)
{
    if (!exists) {
        (void)set_remove(&l->all, id);
    } else if (set_size(&l->all) < MAX_ALL) {
        (void)set_add(&l->all, id);
    }
}

static void use_existence(struct running_list *l, const struct event *e)
{
    if (str_eq(e->action, "create") || str_eq(e->action, "destroy"))
        set_exists(l, e->id, str_eq(e->action, "create"));
}

/* Applies the events that arrived while the list was on its way. */
static void replay_existence(struct running_list *l)
{
    for (uint64_t seq = l->list_seq; seq < l->next; seq++) {
        const struct event *e = events_get(l->events, seq);

        if (e)
            use_existence(l, e);
    }
}

static void read_list(struct running_list *l, struct json_span list)
{
    unsigned number = l->n_lists;
    struct json_span key, element;
    struct json_iter it;

    set_done(&l->all);
    l->is_listed = true;
    json_iter_init(&it, list);
    while (json_iter_next(&it, &key, &element)) {
        char id[CONTAINER_ID_SIZE];

        if (!json_span_copy_string(json_span_find(element, "Id"), id, sizeof(id)) ||
            !str_is_hex(id, sizeof(id) - 1))
            continue;
        set_exists(l, id, true);
        if (is_live_state(json_span_find(element, "State")))
            request_inspect(l, id); /* known ones may have been restarted without an event */
    }
    drop_missing(l, number);
    replay_existence(l);
}

static void on_list(void *owner, const struct engine_reply *reply)
{
    struct running_list *l = owner;
    struct checked_text text = {0};

    l->list_call = NULL;
    if (reply->code < 0 || checked_text_init(&text, reply->body, reply->size, NULL) < 0) {
        log_debug(NULL, "could not get the list of containers: %s", reply->message);
        loop_timer_start(engine_loop(l->engine), &l->retry, RETRY_MS, on_retry);
        return;
    }
    read_list(l, checked_text_span(&text));
    checked_text_done(&text);
}

static void ask_list(struct running_list *l)
{
    loop_timer_stop(&l->retry);
    engine_call_cancel(TAKE_PTR(l->list_call));
    l->n_lists++;
    l->list_seq = l->next;
    if (engine_call_start(&l->list_call, l->engine,
                          &(struct engine_request){
                              .path = "/containers/json?all=1",
                              .max_body = MAX_LIST_BODY,
                              .done = on_list,
                              .owner = l,
                          },
                          NULL) < 0) {
        l->list_call = NULL;
        loop_timer_start(engine_loop(l->engine), &l->retry, RETRY_MS, on_retry);
    }
}

/* Events */

static void on_rename(struct running_list *l, const struct event *e)
{
    const struct entry *entry = map_find(&l->entries, e->id);
    const char *name = event_attribute(e, "name");

    if (entry && entry->is_notified && *name)
        l->handler->on_rename(l->owner, e->id, name[0] == '/' ? name + 1 : name);
}

static void on_one_event(struct running_list *l, const struct event *e)
{
    struct entry *entry = map_find(&l->entries, e->id);

    if (str_eq(e->action, "start")) {
        request_inspect(l, e->id);
    } else if (str_eq(e->action, "rename")) {
        on_rename(l, e);
    } else if (entry && (str_eq(e->action, "die") || str_eq(e->action, "destroy"))) {
        forget(l, entry);
    }
    use_existence(l, e);
}

static void on_event(struct events_listener *listener, const struct event *e)
{
    struct running_list *l = CONTAINER_OF(listener, struct running_list, listener);

    (void)e; /* the history also has events from before the last list */
    if (l->next < events_first(l->events)) {
        l->next = events_first(l->events);
        ask_list(l); /* some events were missed */
    }
    for (; l->next < events_end(l->events); l->next++)
        on_one_event(l, events_get(l->events, l->next));
}

static void on_gap(struct events_listener *listener, const struct events *ev)
{
    (void)ev;
    ask_list(CONTAINER_OF(listener, struct running_list, listener));
}

struct running_list *running_new(struct engine *engine,
                                 struct events *events,
                                 const struct running_handler *handler,
                                 void *owner)
{
    struct running_list *l = xcalloc(1, sizeof(*l));

    l->engine = engine;
    l->events = events;
    l->handler = handler;
    l->owner = owner;
    list_init(&l->waiting);
    l->next = events_end(events);
    l->listener.on_event = on_event;
    l->listener.on_gap = on_gap;
    events_add_listener(events, &l->listener);
    if (events_is_live(events))
        ask_list(l);
    return l;
}

void running_free(struct running_list *l)
{
    if (!l)
        return;
    events_remove_listener(&l->listener);
    loop_timer_stop(&l->retry);
    engine_call_cancel(l->list_call);
    for (size_t i = 0; i < MAX_PARALLEL; i++)
        engine_call_cancel(l->lookups[i].call);
    map_foreach(&l->entries, e)
        free(e->value);
    map_done(&l->entries);
    set_done(&l->all);
    free(l);
}

int64_t running_n_all(const struct running_list *l)
{
    return l->is_listed ? (int64_t)set_size(&l->all) : METRIC_NONE;
}

int64_t running_n(const struct running_list *l)
{
    int64_t n = 0;

    if (!l->is_listed)
        return METRIC_NONE;
    map_foreach(&l->entries, e)
        n += ((const struct entry *)e->value)->is_notified;
    return n;
}
