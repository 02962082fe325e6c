#include "agent/common/channel.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <assert.h>

void channel_set_init(struct channel_set *set,
                      const struct channel_kind *kind,
                      const struct sender *sender)
{
    *set = (struct channel_set){.kind = kind, .sender = *sender};
    list_init(&set->list);
}

void channel_set_done(struct channel_set *set)
{
    assert(list_empty(&set->list) && set->n == 0);
}

static struct channel *channel_at(const struct channel_set *set, struct list *link)
{
    return link == &set->list ? NULL : CONTAINER_OF(link, struct channel, link);
}

struct channel *channel_set_first(const struct channel_set *set)
{
    return channel_at(set, set->list.next);
}

struct channel *channel_next(const struct channel *c)
{
    return channel_at(c->set, c->link.next);
}

struct channel *channel_set_find(const struct channel_set *set, const char *id)
{
    struct channel *c = channel_set_first(set);

    while (c && !str_eq(c->id, id))
        c = channel_next(c);
    return c;
}

static int send_event(const struct channel_set *set,
                      const char *id,
                      const char *action,
                      json_t *fields)
{
    json_t *payload = envelope_part(set->kind->id_key, id, action, fields);

    return sender_send(&set->sender, envelope_event(set->kind->event, payload, time_utc_ms()));
}

/* Takes `fields`. Servers that understand no codes get the text alone. */
static json_t *error_fields(const struct channel_set *set,
                            json_t *fields,
                            enum error_code code,
                            const char *why)
{
    if (!fields)
        fields = json_object();
    json_text_set(fields, "error", json_text_str(why));
    sender_add_code(&set->sender, fields, code);
    return fields;
}

void channel_set_refuse(const struct channel_set *set,
                        const char *id,
                        json_t *fields,
                        enum error_code code,
                        const char *why)
{
    int r;

    log_warn(LOG_FIELDS(set->kind->field, id), "%s refused: %s", set->kind->name, why);
    r = send_event(set, id, "error", error_fields(set, fields, code, why));
    if (r < 0) {
        log_debug(LOG_FIELDS(set->kind->field, id), "could not notify the server: %s",
                  error_text(r));
    }
}

void channel_init(struct channel *c, struct channel_set *set, const char *id)
{
    *c = (struct channel){.set = set, .id = xstrdup(id)};
    list_init(&c->link);
    list_append(&set->list, &c->link);
    set->n++;
}

void channel_done(struct channel *c)
{
    list_unlink(&c->link);
    c->set->n--;
    free(c->id);
}

int channel_send(const struct channel *c, const char *action, json_t *fields)
{
    return send_event(c->set, c->id, action, fields);
}

void channel_notify(const struct channel *c, const char *action, json_t *fields)
{
    int r = channel_send(c, action, fields);

    if (r < 0) {
        log_warn(LOG_FIELDS(c->set->kind->field, c->id), "%s: could not send \"%s\": %s",
                 c->set->kind->name, action, error_text(r));
    }
}

void channel_notify_error(const struct channel *c,
                          json_t *fields,
                          enum error_code code,
                          const char *why)
{
    channel_notify(c, "error", error_fields(c->set, fields, code, why));
}

const char *channel_container_fault(const char *container)
{
    if (str_is_empty(container))
        return "container_id is required";
    if (!str_is_container_ref(container))
        return "container_id is neither an id nor a name of a container";
    return NULL;
}
