/* The next step of a batch, and the start and the end of its updates. */

#include "base/alloc.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "server/common/audit_log.h"
#include "server/fleet/scope_view.h"
#include "server/updates/batches_internal.h"

#define CHECK_MS 10000                          /* while something cannot begin, or runs */
#define ITEM_MS  (UINT64_C(2) * 60 * 60 * 1000) /* the end of an update is awaited this long */

static const struct state_row state_rows[] = {
    STATE_ROW(BATCH_RUNNING,
              "running",
              STATE_TO(BATCH_STOPPING) | STATE_TO(BATCH_CANCELLING) | STATE_TO(BATCH_COMPLETED)),
    STATE_ROW(BATCH_STOPPING, "stopping", STATE_TO(BATCH_FAILED)),
    STATE_ROW(BATCH_CANCELLING, "cancelling", STATE_TO(BATCH_CANCELLED)),
    STATE_ROW(BATCH_COMPLETED, "completed", 0),
    STATE_ROW(BATCH_FAILED, "failed", 0),
    STATE_ROW(BATCH_CANCELLED, "cancelled", 0),
};
static const struct state_machine machine = STATE_MACHINE("batch", state_rows);

static const struct state_row item_rows[] = {
    STATE_ROW(BATCH_ITEM_QUEUED,
              "queued",
              STATE_TO(BATCH_ITEM_RUNNING) | STATE_TO(BATCH_ITEM_FAILED) |
                  STATE_TO(BATCH_ITEM_CANCELLED)),
    STATE_ROW(BATCH_ITEM_RUNNING,
              "running",
              STATE_TO(BATCH_ITEM_QUEUED) | STATE_TO(BATCH_ITEM_SUCCESS) |
                  STATE_TO(BATCH_ITEM_FAILED) | STATE_TO(BATCH_ITEM_CANCELLED) |
                  STATE_TO(BATCH_ITEM_SKIPPED)),
    STATE_ROW(BATCH_ITEM_SUCCESS, "success", STATE_TO(BATCH_ITEM_FAILED)), /* on probation */
    STATE_ROW(BATCH_ITEM_FAILED, "failed", 0),
    STATE_ROW(BATCH_ITEM_CANCELLED, "cancelled", 0),
    STATE_ROW(BATCH_ITEM_SKIPPED, "skipped", 0),
};
static const struct state_machine item_machine = STATE_MACHINE("batch-item", item_rows);

static void publish(const struct update_batch *b, const char *type, json_t *data)
{
    const struct identity whose = {.user_id = b->user_id, .key_id = b->key_id};

    feed_on_batch(b->owner->o.feed, type, &whose, data);
}

void batch_set_state(struct update_batch *b, enum batch_state state)
{
    state_check(&machine, b->id, b->state, state);
    b->state = state;
    if (batch_is_over(b))
        b->ended_at_ms = time_utc_ms();
    batch_store(b);
    publish(b, "update_batch", batch_json(b));
}

static void audit(const struct batch_item *item)
{
    const struct batches *bs = item->batch->owner;
    const struct fleet_host *h = fleet_find_host(bs->o.fleet, item->host_id);
    bool is_failure = item->state == BATCH_ITEM_FAILED;
    const struct audit_entry entry = {
        .at_ms = time_utc_ms(),
        .who = xstrdup(item->batch->created_by),
        .action = xstrdup("container_update"),
        .target = xasprintf("%s/%s", h ? h->row.name : item->host_id, item->container_name),
        .result = is_failure ? xasprintf("batch %s: %s", item->batch->id, item->reason)
                             : xstrdup("ok"),
    };

    audit_add(bs->o.store, bs->o.store_jobs, &entry);
}

static void set_reason(char **member, const char *reason)
{
    char *old = *member;

    *member = reason ? xstrdup(reason) : NULL;
    free(old);
}

/* Other items of the host, which this one has held up, can begin at once. */
static void release_others(const struct batch_item *item)
{
    for (size_t i = 0; i < item->batch->n; i++) {
        if (str_eq(item->batch->items[i].host_id, item->host_id))
            item->batch->items[i].retry_ms = 0;
    }
}

void batch_item_set_state(struct batch_item *item, enum batch_item_state state, const char *reason)
{
    struct update_batch *b = item->batch;
    json_t *news;

    state_check(&item_machine, item->update_id, item->state, state);
    b->count[item->state]--;
    b->count[state]++;
    item->state = state;
    set_reason(&item->reason, reason);
    if (state == BATCH_ITEM_RUNNING) {
        item->started_at_ms = time_utc_ms();
    } else if (state != BATCH_ITEM_QUEUED) {
        item->ended_at_ms = time_utc_ms();
    }
    if (state != BATCH_ITEM_RUNNING) /* batch_store_start() stores these */
        batch_item_store(item);
    if (state == BATCH_ITEM_SUCCESS || state == BATCH_ITEM_FAILED)
        audit(item);
    if (state != BATCH_ITEM_RUNNING && state != BATCH_ITEM_QUEUED)
        release_others(item);
    news = batch_item_json(b->owner, item);
    json_text_set(news, "job_id", json_text_str(b->id));
    publish(b, "update_batch_item", news);
}

void batch_halt(struct update_batch *b, enum batch_state state, const char *reason)
{
    if (b->state != BATCH_RUNNING)
        return;
    set_reason(&b->reason, reason);
    log_info(LOG_FIELDS("batch", b->id, "who", b->created_by), "no further update begins: %s",
             reason);
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i].state == BATCH_ITEM_QUEUED)
            batch_item_set_state(&b->items[i], BATCH_ITEM_CANCELLED, NULL);
    }
    batch_set_state(b, state);
}

static void fail(struct batch_item *item, const char *why)
{
    const struct fleet_host *h = fleet_find_host(item->batch->owner->o.fleet, item->host_id);
    _cleanup_free_ char *reason = xasprintf("%s/%s: %s", h ? h->row.name : item->host_id,
                                            item->container_name, why);

    batch_item_set_state(item, BATCH_ITEM_FAILED, why);
    batch_halt(item->batch, BATCH_STOPPING, reason);
}

/* --- the end of an update --- */

static bool has_failed_dependent(const struct update_record *r)
{
    for (size_t i = 0; i < json_array_size(r->dependents); i++) {
        if (str_eq(json_text_get(json_array_get(r->dependents, i), "state"), "failed"))
            return true;
    }
    return false;
}

static void end_item(struct batch_item *item, const struct update *up)
{
    const struct update_record *r = &up->record;
    const char *why = update_record_text(r);

    switch (update_state_find(r->state)) {
    case UPDATE_KEPT:
    case UPDATE_DONE:
        if (r->probation_failed) {
            fail(item, "the new container has failed on probation");
        } else if (has_failed_dependent(r)) {
            fail(item, "a container that depends on it was not updated with it");
        } else if (!r->new_container_id) {
            batch_item_set_state(item, BATCH_ITEM_SKIPPED, "has the image already");
        } else {
            batch_item_set_state(item, BATCH_ITEM_SUCCESS, NULL);
        }
        break;
    case UPDATE_ROLLED_BACK:
    case UPDATE_FAILED: fail(item, why ? why : "the update has failed"); break;
    case UPDATE_CANCELLED:
        batch_item_set_state(item, BATCH_ITEM_CANCELLED, "the update was cancelled");
        break;
    case UPDATE_RUNNING:
    case UPDATE_STATES: break;
    }
}

/* Reads how the update of an item stands. */
static void check_item(struct batch_item *item)
{
    struct batches *bs = item->batch->owner;
    const struct update *up;

    if (!item->update_id)
        return;
    up = updates_find(bs->o.updates, item->host_id, item->update_id);
    if (item->state == BATCH_ITEM_SUCCESS) {
        if (up && up->record.probation_failed)
            fail(item, "the new container has failed on probation");
        return;
    }
    if (item->state != BATCH_ITEM_RUNNING)
        return;
    if (up && !str_eq(up->record.state, update_state_name(UPDATE_RUNNING))) {
        if (!up->record.is_rolling_back)
            end_item(item, up);
    } else if (item->begun_ms && time_monotonic_ms() - item->begun_ms > ITEM_MS) {
        fail(item, "the end of the update was not reported in two hours");
    } else if (!fleet_find_host(bs->o.fleet, item->host_id)) {
        fail(item, "the host was deleted");
    }
}

/* --- the start of an update --- */

/* An agent that has connected after a restart has sent no list yet: its containers may have other ids. */
static bool is_ready(const struct batches *bs, const struct fleet_host *h)
{
    if (!h->is_online || !h->agent.id)
        return false;
    if (h->containers_at_ms >= bs->opened_at_ms)
        return true;
    sessions_need_lists(bs->o.sessions);
    return false;
}

/* Another update of the batch that runs on the host can be what the refused one waits for. */
static bool has_other_on_host(const struct batch_item *item)
{
    const struct update_batch *b = item->batch;

    for (size_t i = 0; i < b->n; i++) {
        const struct batch_item *other = &b->items[i];

        if (other != item && other->state == BATCH_ITEM_RUNNING &&
            str_eq(other->host_id, item->host_id))
            return true;
    }
    return false;
}

/* The consequence of a refused update. */
enum consequence {
    FAILS,
    STARTS_LATER, /* something else has to end first */
    IS_UNKNOWN,   /* the agent may have begun it: it is asked again when it answers */
    IS_KNOWN,     /* the agent has begun it, and sends its record */
};

static enum consequence judge(const struct batch_item *item, enum error_code code)
{
    static const struct {
        enum error_code code;
        enum consequence consequence;
    } rows[] = {
        {CODE_ALREADY_EXISTS,    IS_KNOWN    },
        {CODE_HOST_OFFLINE,      IS_UNKNOWN  },
        {CODE_TIMEOUT,           IS_UNKNOWN  },
        {CODE_AGENT_STOPPING,    IS_UNKNOWN  },
        {CODE_TOO_MANY_UPDATES,  STARTS_LATER},
        {CODE_TOO_MANY_COMMANDS, STARTS_LATER},
        {CODE_CIRCUIT_OPEN,      STARTS_LATER},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].code == code)
            return rows[i].consequence;
    }
    return code == CODE_UPDATE_IN_PROGRESS && has_other_on_host(item) ? STARTS_LATER : FAILS;
}

static void take_refusal(struct batch_item *item, enum error_code code, const char *why)
{
    struct update_batch *b = item->batch;
    uint64_t now_ms = time_monotonic_ms();

    if (updates_find(b->owner->o.updates, item->host_id, item->update_id))
        return; /* the agent has sent its record in the meantime */
    item->retry_ms = now_ms + CHECK_MS;
    if (!item->blocked_ms)
        item->blocked_ms = now_ms;
    switch (judge(item, code)) {
    case IS_KNOWN: break;
    case IS_UNKNOWN: item->is_asked = false; break;
    case STARTS_LATER:
        if (b->state != BATCH_RUNNING) {
            batch_item_set_state(item, BATCH_ITEM_CANCELLED, NULL);
            break;
        }
        if (now_ms - item->blocked_ms <= BATCH_PATIENCE_MS) {
            batch_item_set_state(item, BATCH_ITEM_QUEUED, NULL);
            break;
        }
        fail(item, why);
        break;
    case FAILS: fail(item, why); break;
    }
}

struct answer {
    struct batches *owner;
    char batch_id[UUID_TEXT_SIZE];
    size_t index;
};

static void on_answer(void *owner, const char *update_id, const struct command_result *r)
{
    struct answer *a = owner;
    struct update_batch *b = batches_lookup(a->owner, a->batch_id);
    struct batch_item *item = b ? &b->items[a->index] : NULL;

    if (item && !a->owner->is_stopped && item->state == BATCH_ITEM_RUNNING &&
        str_eq(item->update_id, update_id)) {
        if (r->code < 0)
            take_refusal(item, r->reason, r->message);
        batch_advance(b);
    }
    free(a);
}

static void ask(struct batch_item *item,
                const struct fleet_host *h,
                const struct fleet_container *c)
{
    struct update_batch *b = item->batch;
    struct update_args args = UPDATE_ARGS_INIT;
    json_auto_t *payload = json_deep_copy(b->options);
    struct answer *a = xcalloc(1, sizeof(*a));
    struct error err = ERROR_INIT;
    int r;

    *a = (struct answer){.owner = b->owner, .index = (size_t)(item - b->items)};
    str_copy(a->batch_id, sizeof(a->batch_id), b->id);
    json_text_set(payload, "container_id", json_text_str(c->id));
    item->is_asked = true;
    r = update_args_decode(OPERATION_UPDATE_CONTAINER, payload, &args, &err);
    if (r == 0) {
        free(TAKE_PTR(args.container_id));
        r = updates_ask(b->owner->o.updates,
                        &(struct updates_start){.host = h,
                                                .container = c,
                                                .args = &args,
                                                .update_id = item->update_id,
                                                .triggered_by = b->created_by,
                                                .done = on_answer,
                                                .owner = a},
                        &err);
        update_args_done(&args);
    }
    if (r < 0) {
        free(a);
        take_refusal(item, error_code_of(&err), err.msg);
    }
}

void batch_on_rights(struct batch_item *item, const struct identity *who, const char *why)
{
    struct update_batch *b = item->batch;
    const struct fleet_host *h;
    const struct fleet_container *c = batch_item_find(b->owner, item, &h);

    if (b->owner->is_stopped || item->state != BATCH_ITEM_RUNNING)
        return;
    if (b->state != BATCH_RUNNING) {
        batch_item_set_state(item, BATCH_ITEM_CANCELLED, NULL);
    } else if (!who) {
        fail(item, why);
    } else if (!c || !scope_allows_container(&who->scope, h, c)) {
        fail(item, error_code_sentence(CODE_NO_SUCH_CONTAINER));
    } else {
        ask(item, h, c);
    }
    batch_advance(b);
}

static void start(struct batch_item *item)
{
    char id[UUID_TEXT_SIZE];

    random_uuid(id);
    free(item->update_id);
    item->update_id = xstrdup(id);
    item->begun_ms = time_monotonic_ms();
    item->is_asked = true; /* batch_on_rights() asks */
    batch_item_set_state(item, BATCH_ITEM_RUNNING, NULL);
    if (batch_store_start(item) < 0)
        fail(item, "the store is too busy");
}

/* Begins the item if its host can do so now. */
static void try_to_start(struct batch_item *item)
{
    struct batches *bs = item->batch->owner;
    const struct fleet_host *h;
    const struct fleet_container *c = batch_item_find(bs, item, &h);
    uint64_t now_ms = time_monotonic_ms();

    if (now_ms < item->retry_ms)
        return;
    if (!h) {
        fail(item, "the host was deleted");
    } else if (is_ready(bs, h)) {
        if (c) {
            start(item);
        } else {
            fail(item, error_code_sentence(CODE_NO_SUCH_CONTAINER));
        }
    } else if (!item->blocked_ms) {
        item->blocked_ms = now_ms;
    } else if (now_ms - item->blocked_ms > BATCH_PATIENCE_MS) {
        fail(item, error_code_sentence(CODE_HOST_OFFLINE));
    }
}

/*
 * Takes up an update that an earlier process has begun: an agent that knows its id sends its record
 * when it connects, and refuses to begin it again.
 */
static void take_up(struct batch_item *item)
{
    struct batches *bs = item->batch->owner;
    const struct fleet_host *h;
    const struct fleet_container *c = batch_item_find(bs, item, &h);

    if (!item->begun_ms)
        item->begun_ms = time_monotonic_ms();
    if (updates_find(bs->o.updates, item->host_id, item->update_id) || !h || !is_ready(bs, h) ||
        time_monotonic_ms() < item->retry_ms)
        return;
    if (!fleet_host_can(h, UPDATES_CAPABILITY) || !c) {
        fail(item, "the server was restarted, and its agent does not know how the update ended");
    } else {
        ask(item, h, c);
    }
}

/* --- the batch --- */

/* Returns the first ring that is not over; 0: all are. */
static size_t find_ring(const struct update_batch *b)
{
    size_t ring = 0;

    for (size_t i = 0; i < b->n; i++) {
        const struct batch_item *item = &b->items[i];

        if ((item->state == BATCH_ITEM_QUEUED || item->state == BATCH_ITEM_RUNNING) &&
            (ring == 0 || item->ring < ring))
            ring = item->ring;
    }
    return ring;
}

/* Returns whether items of the ring may begin: the pause before it is over. */
static bool enter_ring(struct update_batch *b, size_t ring)
{
    if (ring > b->ring) {
        if (b->ring > 0 && b->pause_s > 0)
            b->resumes_ms = time_monotonic_ms() + b->pause_s * 1000;
        b->ring = ring;
        publish(b, "update_batch", batch_json(b));
    }
    return time_monotonic_ms() >= b->resumes_ms;
}

static void start_items(struct update_batch *b)
{
    size_t ring = find_ring(b);

    if (ring == 0 || !enter_ring(b, ring))
        return;
    for (size_t i = 0; i < b->n && b->state == BATCH_RUNNING; i++) {
        struct batch_item *item = &b->items[i];

        if (b->count[BATCH_ITEM_RUNNING] >= b->max_parallel)
            break;
        if (item->ring == ring && item->state == BATCH_ITEM_QUEUED)
            try_to_start(item);
    }
}

static void end_if_over(struct update_batch *b)
{
    static const enum batch_state ends[] = {
        [BATCH_RUNNING] = BATCH_COMPLETED,
        [BATCH_STOPPING] = BATCH_FAILED,
        [BATCH_CANCELLING] = BATCH_CANCELLED,
    };

    if (!batch_is_over(b) && b->count[BATCH_ITEM_QUEUED] + b->count[BATCH_ITEM_RUNNING] == 0)
        batch_set_state(b, ends[b->state]);
}

static void on_timer(struct loop_timer *t)
{
    batch_advance(CONTAINER_OF(t, struct update_batch, timer));
}

static void start_timer(struct update_batch *b)
{
    uint64_t now_ms = time_monotonic_ms(), wait_ms = CHECK_MS;

    if (b->resumes_ms > now_ms && b->resumes_ms - now_ms < wait_ms)
        wait_ms = b->resumes_ms - now_ms;
    loop_timer_start(b->owner->o.loop, &b->timer, wait_ms, on_timer);
}

void batch_advance(struct update_batch *b)
{
    if (b->is_advancing || b->owner->is_stopped || batch_is_over(b))
        return;
    b->is_advancing = true;
    for (size_t i = 0; i < b->n; i++) {
        struct batch_item *item = &b->items[i];

        check_item(item);
        if (item->state == BATCH_ITEM_RUNNING && !item->is_asked)
            take_up(item);
    }
    if (b->state == BATCH_RUNNING)
        start_items(b);
    end_if_over(b);
    b->is_advancing = false;
    if (batch_is_over(b)) {
        loop_timer_stop(&b->timer);
    } else {
        start_timer(b);
    }
}
