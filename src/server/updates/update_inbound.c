/* Messages of agents about updates: records of journals, and progress of agents without them. */

#include "base/alloc.h"
#include "base/container_id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/notice.h"
#include "server/updates/updates_internal.h"

#include <string.h>

#define TEXT_PULLING "Pulling image " /* of agents of DockMon, before the reference */

/* The record was replaced: stores it, and reports the change from `before`. */
static void note_change(struct updates *u, struct update *up, const struct update_before *before)
{
    const struct fleet_host *h = fleet_find_host(u->o.fleet, up->host_id);

    updates_store(u, up);
    if (h) {
        update_events_record(&(struct update_event_sink){u->o.fleet, u->o.store, u->o.store_jobs},
                             h, up, before);
    }
    if (updates_state_of(up) != UPDATE_RUNNING && !up->record.is_rolling_back)
        updates_notify_waiters(up, up);
    listeners_emit(&u->listeners, struct updates_listener, on_change, up);
}

static void take_record(struct updates *u, const char *host_id, struct update_record *r)
{
    char key[UPDATE_KEY_SIZE];
    struct update_before before = UPDATE_BEFORE_NONE;
    struct update *up;

    updates_make_key(key, host_id, r->update_id);
    up = map_find(&u->all, key);
    if (up) {
        before = (struct update_before){updates_state_of(up), up->record.probation_failed};
        update_record_done(&up->record);
        up->record = *r;
        *r = (struct update_record){0};
    } else if (updates_make_room(u, host_id)) {
        up = updates_add(u, host_id, r);
    } else {
        log_warn(LOG_FIELDS("host", host_id, "update", r->update_id),
                 "a record of an update is left out: the host has %d", UPDATES_MAX_PER_HOST);
        return;
    }
    up->is_foreign = false;
    note_change(u, up, &before);
}

static void on_journal(struct updates *u, const struct fleet_host *h, const json_t *payload)
{
    struct update_record r = {0};
    struct error err = ERROR_INIT;

    if (update_record_decode(json_object_get(payload, "update"), &r, &err) < 0) {
        log_warn(LOG_FIELDS("host", h->row.id), "a record of an update is left out: %s", err.msg);
        return;
    }
    take_record(u, h->row.id, &r);
    update_record_done(&r);
}

/* --- agents without journals --- */

static void set_text(char **member, const char *text)
{
    free(*member);
    *member = text ? xstrdup(text) : NULL;
}

void updates_end(struct updates *u, struct update *up, enum update_state state, const char *why)
{
    const struct update_before before = {updates_state_of(up), false};

    set_text(&up->record.state, update_state_name(state));
    up->record.ended_at = time_utc_ms();
    if (why) {
        json_decref(up->record.error);
        up->record.error = json_pack("{s:s, s:o}", "code", "engine_error", "text",
                                     json_text_str(why));
    }
    note_change(u, up, &before);
}

static void take_foreign_progress(struct updates *u,
                                  struct update *up,
                                  const struct msg_progress *m)
{
    const char *why = str_is_empty(m->error) ? m->message : m->error;

    set_text(&up->record.step, m->stage);
    up->record.step_at = time_utc_ms();
    if (str_eq(m->stage, "rollback")) {
        updates_end(u, up, UPDATE_ROLLED_BACK, why);
    } else if (str_eq(m->stage, "failed") || !str_is_empty(m->error)) {
        updates_end(u, up, UPDATE_FAILED, why);
    } else {
        /* "completed" is not the end: update_complete follows, with the new id. */
        updates_store(u, up);
    }
}

/* An update that another server has asked for, or this one before a restart. NULL: unknown. */
static struct update *adopt(struct updates *u,
                            const struct fleet_host *h,
                            const struct msg_progress *m)
{
    struct update_record r = UPDATE_RECORD_INIT;
    char update_id[UUID_TEXT_SIZE];
    struct fleet_container *c = NULL;
    const char *image = NULL;
    struct update *up;

    if (fleet_host_can(h, UPDATES_CAPABILITY) || !str_eq(m->stage, "pulling") ||
        !str_is_hex(m->container_id, CONTAINER_SHORT_ID_LEN) || !updates_make_room(u, h->row.id))
        return NULL;
    if (str_starts_with(m->message, TEXT_PULLING) &&
        str_is_image_ref(m->message + strlen(TEXT_PULLING)))
        image = m->message + strlen(TEXT_PULLING);
    random_uuid(update_id);
    /* The list may not have the container yet. */
    (void)fleet_find_container(h, m->container_id, &c);
    updates_fill_record(&r,
                        &(struct update_subject){c ? c->id : m->container_id,
                                                 c ? c->name : m->container_id,
                                                 c && c->image ? c->image : "", image},
                        update_id);
    up = updates_add(u, h->row.id, &r);
    up->is_foreign = true;
    return up;
}

static void on_progress(struct updates *u, const struct fleet_host *h, const json_t *payload)
{
    _cleanup_(msg_progress_done) struct msg_progress m = {0};
    struct update *up;

    if (msg_progress_decode(payload, &m, NULL) < 0) /* reported by the session */
        return;
    up = updates_find_in_state(u, h->row.id, m.container_id, UPDATE_RUNNING);
    if (!up && str_eq(m.stage, "rollback")) /* it follows the message about the failure */
        up = updates_find_in_state(u, h->row.id, m.container_id, UPDATE_FAILED);
    if (!up)
        up = adopt(u, h, &m);
    if (!up)
        return;
    set_text(&up->message, m.message);
    if (up->is_foreign && !fleet_host_can(h, UPDATES_CAPABILITY))
        take_foreign_progress(u, up, &m);
}

static void on_layers(struct updates *u, const struct fleet_host *h, const json_t *payload)
{
    struct update_layers layers = {0};
    struct error err = ERROR_INIT;
    struct update *up;

    if (update_layers_decode(payload, &layers, &err) < 0) {
        log_warn(LOG_FIELDS("host", h->row.id), "progress is left out: %s", err.msg);
        return;
    }
    up = updates_find_in_state(u, h->row.id, layers.container_id, UPDATE_RUNNING);
    if (up) {
        json_decref(up->layers);
        up->layers = update_layers_encode(&layers);
        update_events_show_layers(u->o.fleet, h, up);
    }
    update_layers_done(&layers);
}

static void on_complete(struct updates *u, const struct fleet_host *h, const json_t *payload)
{
    struct update_complete c = {0};
    struct error err = ERROR_INIT;
    struct update *up;

    if (update_complete_decode(payload, &c, &err) < 0) {
        log_warn(LOG_FIELDS("host", h->row.id), "the end of an update is left out: %s", err.msg);
        return;
    }
    up = updates_find_in_state(u, h->row.id, c.old_container_id, UPDATE_RUNNING);
    if (up && up->is_foreign) {
        set_text(&up->record.new_container_id, c.new_container_id);
        if (!str_is_empty(c.container_name))
            set_text(&up->record.container_name, c.container_name);
        json_decref(up->record.dependents);
        up->record.dependents = json_array();
        for (size_t i = 0; i < c.failed_dependents.n; i++) {
            (void)json_array_append_new(up->record.dependents,
                                        json_pack("{s:s, s:o, s:s, s:s}", "id", "", "name",
                                                  json_text_str(c.failed_dependents.items[i]),
                                                  "action", "recreate", "state", "failed"));
        }
        updates_end(u, up, UPDATE_DONE, NULL);
    }
    update_complete_done(&c);
}

void updates_on_event(struct sessions_listener *l,
                      const char *agent_id,
                      const char *name,
                      const json_t *payload)
{
    static const struct {
        const char *name;
        void (*take)(struct updates *u, const struct fleet_host *h, const json_t *payload);
    } events[] = {
        {"update_journal",        on_journal },
        {"update_progress",       on_progress},
        {"update_layer_progress", on_layers  },
        {"update_complete",       on_complete},
    };
    struct updates *u = CONTAINER_OF(l, struct updates, sessions);
    const struct fleet_host *h = fleet_find_agent(u->o.fleet, agent_id);

    for (size_t i = 0; h && i < ARRAY_LEN(events); i++) {
        if (str_eq(events[i].name, name))
            events[i].take(u, h, payload);
    }
}
