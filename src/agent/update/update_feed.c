#include "agent/update/update_feed.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <stdlib.h>

struct update_feed {
    struct update_feed_options o;
    struct updates_listener listener;
};

static void send_event(const struct update_feed *f, const char *name, json_t *payload)
{
    int r = sender_send(f->o.sender, envelope_event(name, payload, time_utc_ms()));

    if (r < 0)
        log_warn(LOG_FIELDS("event", name), "could not send an event: %s", error_text(r));
}

static void send_record(void *owner, const struct journal_record *r)
{
    json_t *payload = json_object();

    json_text_set(payload, "update", journal_record_report(r));
    send_event(owner, "update_journal", payload);
}

static json_t *short_id(const char *id)
{
    _cleanup_free_ char *text = id ? xstrndup(id, CONTAINER_SHORT_ID_LEN) : NULL;

    return json_text_str(text);
}

/* The last stage says how it ended. */
static const char *get_stage(const struct journal_record *r)
{
    switch (r->state) {
    case UPDATE_KEPT:
    case UPDATE_DONE: return "completed";
    case UPDATE_ROLLED_BACK: return "rollback";
    case UPDATE_FAILED:
    case UPDATE_CANCELLED: return "failed";
    case UPDATE_RUNNING:
    case UPDATE_STATES: break;
    }
    return update_step_stage(r->step);
}

static void send_progress(const struct update_feed *f, const struct journal_record *r)
{
    json_t *payload = json_object();

    json_text_set(payload, "container_id", short_id(r->members[0].id));
    json_text_set(payload, "stage", json_text_str(get_stage(r)));
    json_text_set(payload, "message",
                  json_text_str(r->error ? r->error : update_step_name(r->step)));
    if (r->error && r->state != UPDATE_RUNNING)
        json_text_set(payload, "error", json_text_str(r->error));
    send_event(f, "update_progress", payload);
}

/* A container that had the image already is its own successor. */
static void send_complete(const struct update_feed *f, const struct journal_record *r)
{
    const struct update_member *m = &r->members[0];
    json_t *payload = json_object();

    json_text_set(payload, "old_container_id", short_id(m->id));
    json_text_set(payload, "new_container_id", short_id(m->new_id ? m->new_id : m->id));
    json_text_set(payload, "container_name", json_text_str(m->name));
    send_event(f, "update_complete", payload);
}

static void on_change(struct updates_listener *l, const struct journal_record *r)
{
    struct update_feed *f = CONTAINER_OF(l, struct update_feed, listener);

    send_progress(f, r);
    if (f->o.sends_records) {
        send_record(f, r);
    } else if (r->state == UPDATE_KEPT || (r->state == UPDATE_DONE && r->expires_at == 0)) {
        send_complete(f, r);
    }
}

/* Both kinds of servers know this event. */
static void on_pull(struct updates_listener *l,
                    const struct journal_record *r,
                    const struct pull_layers *layers)
{
    const struct update_feed *f = CONTAINER_OF(l, struct update_feed, listener);
    json_t *payload = pull_layers_describe(layers);

    json_text_set(payload, "container_id", short_id(r->members[0].id));
    send_event(f, "update_layer_progress", payload);
}

struct update_feed *update_feed_new(const struct update_feed_options *o)
{
    struct update_feed *f = xcalloc(1, sizeof(*f));

    f->o = *o;
    f->listener.on_change = on_change;
    f->listener.on_pull = on_pull;
    updates_add_listener(o->updates, &f->listener);
    if (o->sends_records)
        updates_each(o->updates, send_record, f);
    return f;
}

void update_feed_free(struct update_feed *f)
{
    if (!f)
        return;
    updates_remove_listener(&f->listener);
    free(f);
}
