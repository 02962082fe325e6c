#include "server/updates/update_events.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/fleet/event_record.h"
#include "server/fleet/fleet_listener.h"
#include "server/view/json_values.h"

struct kind {
    const char *type, *severity;
    const char *what; /* of the title: "what NAME" */
};

static const struct kind completed = {"update_completed", "info", "Updated container"};
static const struct kind half_completed = {"update_completed", "warning", "Updated container"};
static const struct kind failed = {"update_failed", "error", "Update failed of container"};
static const struct kind rolled_back = {"update_rolled_back", "warning", "Rolled back container"};
static const struct kind cancelled = {"update_cancelled", "info", "Update cancelled of container"};
static const struct kind probation = {"update_probation_failed", "error",
                                      "Probation failed of container"};

static bool has_failed_dependent(const struct update_record *r)
{
    for (size_t i = 0; i < json_array_size(r->dependents); i++) {
        if (str_eq(json_text_get(json_array_get(r->dependents, i), "state"), "failed"))
            return true;
    }
    return false;
}

static char *make_message(const struct update_record *r)
{
    const char *why = update_record_text(r);

    return why ? xasprintf("%s -> %s: %s", r->image, r->new_image, why)
               : xasprintf("%s -> %s", r->image, r->new_image);
}

static void record(const struct update_event_sink *sink,
                   const struct fleet_host *h,
                   const struct update *up,
                   const struct kind *k)
{
    const struct update_record *r = &up->record;
    const char *id = r->new_container_id && k != &rolled_back ? r->new_container_id
                                                              : r->container_id;
    json_auto_t *details = json_pack(
        "{s:s, s:o, s:o, s:o, s:o}", "update_id", r->update_id, "image_id",
        json_text_str(r->image_id), "new_image_id", json_text_str(r->new_image_id), "digest",
        json_text_str(r->digest), "code", json_text_str(update_record_code(r)));
    const struct event event = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("container"),
        .type = xstrdup(k->type),
        .severity = xstrdup(k->severity),
        .host_id = xstrdup(h->row.id),
        .host_name = xstrdup(h->row.name),
        .container_id = xstrndup(id, CONTAINER_SHORT_ID_LEN),
        .container_name = xstrdup(r->container_name),
        .title = xasprintf("%s %s", k->what, r->container_name),
        .message = make_message(r),
        .triggered_by = xstrdup(up->triggered_by ? up->triggered_by : "agent"),
        .details = json_text_write(details, NULL),
        .dedup_key = xasprintf("update/%s/%s/%s", h->row.id, r->update_id, k->type),
    };

    record_event(sink->fleet, sink->store, sink->store_jobs, &event);
}

static void record_end(const struct update_event_sink *sink,
                       const struct fleet_host *h,
                       const struct update *up,
                       enum update_state before)
{
    switch (update_state_find(up->record.state)) {
    case UPDATE_KEPT:
    case UPDATE_DONE:
        if (before == UPDATE_RUNNING || before == UPDATE_STATES)
            record(sink, h, up, has_failed_dependent(&up->record) ? &half_completed : &completed);
        break;
    case UPDATE_ROLLED_BACK:
        if (up->record.error) /* by itself: the update has failed, too */
            record(sink, h, up, &failed);
        record(sink, h, up, &rolled_back);
        break;
    case UPDATE_FAILED: record(sink, h, up, &failed); break;
    case UPDATE_CANCELLED: record(sink, h, up, &cancelled); break;
    case UPDATE_RUNNING:
    case UPDATE_STATES: break;
    }
}

void update_events_record(const struct update_event_sink *sink,
                          const struct fleet_host *h,
                          const struct update *up,
                          const struct update_before *before)
{
    json_t *step;

    /* The ends that agents without journals report are recorded by their session. */
    if (update_state_find(up->record.state) != before->state && !up->is_foreign)
        record_end(sink, h, up, before->state);
    if (up->record.probation_failed && !before->probation_failed)
        record(sink, h, up, &probation);
    step = update_json(up, h->row.name);
    fleet_notify_progress(sink->fleet, "container_update", step);
    json_decref(step);
}

void update_events_show_layers(struct fleet *fleet,
                               const struct fleet_host *h,
                               const struct update *up)
{
    json_t *step = json_copy(up->layers);

    json_text_set(step, "host_id", json_text_str(h->row.id));
    json_text_set(step, "update_id", json_text_str(up->record.update_id));
    fleet_notify_progress(fleet, "container_update_layer_progress", step);
    json_decref(step);
}

static json_t *short_id(const char *id)
{
    return str_is_empty(id) ? json_null() : json_text_string(id, CONTAINER_SHORT_ID_LEN);
}

json_t *update_json(const struct update *up, const char *host_name)
{
    static const struct {
        const char *name;
        size_t offset;
    } times[] = {
        {"step_at",         offsetof(struct update_record, step_at)        },
        {"started_at",      offsetof(struct update_record, started_at)     },
        {"ended_at",        offsetof(struct update_record, ended_at)       },
        {"probation_until", offsetof(struct update_record, probation_until)},
        {"expires_at",      offsetof(struct update_record, expires_at)     },
    };
    static const char *const nullable[] = {"image_id", "new_image_id", "digest", "error"};
    const struct update_record *r = &up->record;
    json_t *o = update_record_encode(r);

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        json_text_set(o, times[i].name,
                      json_value_time(*(const int64_t *)((const char *)r + times[i].offset)));
    }
    for (size_t i = 0; i < ARRAY_LEN(nullable); i++) {
        if (!json_object_get(o, nullable[i]))
            json_text_set(o, nullable[i], NULL);
    }
    json_text_set(o, "host_id", json_text_str(up->host_id));
    json_text_set(o, "host_name", json_text_str(host_name));
    json_text_set(o, "container_id", short_id(r->container_id));
    json_text_set(o, "new_container_id", short_id(r->new_container_id));
    json_text_set(o, "triggered_by", json_text_str(up->triggered_by));
    json_text_set(o, "message", json_text_str(up->message));
    json_text_set(o, "layers", json_incref(up->layers));
    return o;
}
