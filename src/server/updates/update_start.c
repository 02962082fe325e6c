/* Requests to agents for updates. */

#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "server/fleet/own_containers.h"
#include "server/updates/updates_internal.h"

#define START_MS 60000 /* with a fingerprint the agent makes the preview once more */

struct request {
    struct updates *owner;
    char host_id[UUID_TEXT_SIZE], update_id[UUID_TEXT_SIZE];
    void (*done)(void *owner, const char *update_id, const struct command_result *r);
    void *done_owner;
};

/* Removes an update that the agent has refused: it never was. */
static void drop(struct updates *u, const char *host_id, const char *update_id)
{
    char key[UPDATE_KEY_SIZE];
    struct update *up;

    updates_make_key(key, host_id, update_id);
    up = map_find(&u->all, key);
    if (up && up->is_foreign && str_eq(up->record.step, UPDATE_REQUESTED))
        updates_remove(u, up);
}

static void on_answer(void *owner, const struct command_result *r)
{
    struct request *q = owner;

    if (r->code < 0)
        drop(q->owner, q->host_id, q->update_id);
    q->done(q->done_owner, q->update_id, r);
    free(q);
}

static int reserve(struct updates *u,
                   const struct updates_start *s,
                   const char *update_id,
                   struct error *err)
{
    const struct fleet_container *c = s->container;
    const struct update *active = updates_find_active(u, s->host->row.id, c->id);
    struct update_record r = UPDATE_RECORD_INIT;
    size_t n_active = 0;
    struct update *up;

    if (active) {
        return error_code_set(err, CODE_UPDATE_IN_PROGRESS,
                              "An update of container %s is in progress: %s", c->name,
                              active->record.update_id);
    }
    map_foreach(&u->all, e)
        n_active += updates_state_of(e->value) == UPDATE_RUNNING;
    if (n_active >= UPDATES_MAX_ACTIVE || !updates_make_room(u, s->host->row.id)) {
        return error_code_set(err, CODE_TOO_MANY_UPDATES,
                              "Too many updates are in progress (%zu): wait until one of them ends",
                              n_active);
    }
    updates_fill_record(
        &r, &(struct update_subject){c->id, c->name, c->image ? c->image : "", s->args->new_image},
        update_id);
    up = updates_add(u, s->host->row.id, &r);
    up->triggered_by = s->triggered_by ? xstrdup(s->triggered_by) : NULL;
    up->is_foreign = true;
    return 0;
}

/* Agents of DockMon send progress with short ids, and need the name of the image. */
static json_t *make_payload(const struct updates *u,
                            const struct updates_start *s,
                            const char *update_id)
{
    bool has_journal = fleet_host_can(s->host, UPDATES_CAPABILITY);
    struct update_args args = *s->args; /* borrows its members */
    char id[CONTAINER_ID_SIZE];
    json_auto_t *auth = NULL;

    str_copy(id, has_journal ? CONTAINER_ID_SIZE : CONTAINER_SHORT_ID_SIZE, s->container->id);
    args.container_id = id;
    args.update_id = (char *)(uintptr_t)update_id;
    if (!has_journal && str_is_empty(args.new_image))
        args.new_image = s->container->image;
    auth = checker_credentials(u->o.checker,
                               str_is_empty(args.new_image) ? s->container->image : args.new_image);
    args.registry_auth = auth;
    return update_args_encode(OPERATION_UPDATE_CONTAINER, &args);
}

int updates_ask(struct updates *u, const struct updates_start *s, struct error *err)
{
    const struct fleet_container *c = s->container;
    char update_id[UUID_TEXT_SIZE];
    struct request *q;
    int r;

    if (own_containers_has(s->host, &(struct own_subject){c->id, c->name, c->labels})) {
        return error_code_set(err, CODE_OWN_CONTAINER,
                              "Permission denied: %s belongs to DockMon, it cannot update itself",
                              c->name);
    }
    if (s->update_id) {
        str_copy(update_id, sizeof(update_id), s->update_id);
    } else {
        random_uuid(update_id);
    }
    r = reserve(u, s, update_id, err);
    if (r < 0)
        return r;
    q = xcalloc(1, sizeof(*q));
    q->owner = u;
    str_copy(q->host_id, sizeof(q->host_id), s->host->row.id);
    str_copy(q->update_id, sizeof(q->update_id), update_id);
    q->done = s->done;
    q->done_owner = s->owner;
    command_start(sessions_commands(u->o.sessions), &(struct command_request){
                                                        .agent_id = s->host->agent.id,
                                                        .operation = OPERATION_UPDATE_CONTAINER,
                                                        .payload = make_payload(u, s, update_id),
                                                        .timeout_ms = START_MS,
                                                        .done = on_answer,
                                                        .owner = q,
                                                    });
    return 0;
}
