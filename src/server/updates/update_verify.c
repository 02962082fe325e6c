/*
 * The connection of an agent as seen from its updates. When it ends, nobody waits for it any more.
 * When it comes back, the agent is asked for its updates: one that it does not know has been lost
 * with its data directory, and would be shown as running for ever.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/updates/updates_internal.h"

#define LIST_MS 60000
#define LOST                                                                                   \
    "the agent has no record of this update any more: its data directory was lost. Check the " \
    "container"

struct inquiry {
    struct updates *owner;
    char host_id[UUID_TEXT_SIZE];
};

static bool has_record(const json_t *list, const char *update_id)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (str_eq(json_text_get(json_array_get(list, i), "update_id"), update_id))
            return true;
    }
    return false;
}

/* Whether the agent has had a record of it, and says that it is running. */
static bool is_running_at(const struct update *up, const char *host_id)
{
    return str_eq(up->host_id, host_id) && !up->is_foreign &&
           updates_state_of(up) == UPDATE_RUNNING;
}

static struct update *find_lost(const struct updates *u, const char *host_id, const json_t *list)
{
    map_foreach(&u->all, e) {
        struct update *up = e->value;

        if (is_running_at(up, host_id) && !has_record(list, up->record.update_id))
            return up;
    }
    return NULL;
}

static void on_list(void *owner, const struct command_result *r)
{
    struct inquiry *q = owner;
    const json_t *list = r->code < 0 ? NULL : json_object_get(r->result, "updates");
    struct update *up;

    while (json_is_array(list) && (up = find_lost(q->owner, q->host_id, list)))
        updates_end(q->owner, up, UPDATE_FAILED, LOST);
    free(q);
}

static bool has_running(const struct updates *u, const char *host_id)
{
    map_foreach(&u->all, e) {
        if (is_running_at(e->value, host_id))
            return true;
    }
    return false;
}

static void ask_for_list(struct updates *u, const struct fleet_host *h)
{
    struct inquiry *q = xcalloc(1, sizeof(*q));

    q->owner = u;
    str_copy(q->host_id, sizeof(q->host_id), h->row.id);
    command_start(sessions_commands(u->o.sessions), &(struct command_request){
                                                        .agent_id = h->agent.id,
                                                        .operation = OPERATION_UPDATE_LIST,
                                                        .timeout_ms = LIST_MS,
                                                        .is_routine = true,
                                                        .done = on_list,
                                                        .owner = q,
                                                    });
}

/* Returns an active update of the host that a caller waits for, or NULL. */
static struct update *find_awaited(const struct updates *u, const char *host_id)
{
    map_foreach(&u->all, e) {
        struct update *up = e->value;

        if (str_eq(up->host_id, host_id) && !list_empty(&up->waiters))
            return up;
    }
    return NULL;
}

void updates_on_host(struct fleet_listener *l, const struct fleet_host *h)
{
    struct updates *u = CONTAINER_OF(l, struct updates, fleet);
    bool was_online = map_find(&u->online, h->row.id);
    struct update *up;

    if (was_online == h->is_online)
        return;
    if (h->is_online) {
        (void)map_put(&u->online, h->row.id, u);
        if (fleet_host_can(h, UPDATES_CAPABILITY) && has_running(u, h->row.id))
            ask_for_list(u, h);
        return;
    }
    (void)map_remove(&u->online, h->row.id);
    while ((up = find_awaited(u, h->row.id)))
        updates_notify_waiters(up, NULL);
}
