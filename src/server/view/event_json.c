#include "server/view/event_json.h"
#include "server/view/json_values.h"

json_t *event_json(const struct event *e)
{
    json_t *o = json_object(), *details, *duration;
    const struct {
        const char *name;
        const char *value;
    } texts[] = {
        {"category",       e->category      },
        {"event_type",     e->type          },
        {"severity",       e->severity      },
        {"host_id",        e->host_id       },
        {"host_name",      e->host_name     },
        {"container_id",   e->container_id  },
        {"container_name", e->container_name},
        {"title",          e->title         },
        {"message",        e->message       },
        {"old_state",      e->old_state     },
        {"new_state",      e->new_state     },
        {"triggered_by",   e->triggered_by  },
        {"correlation_id", e->correlation_id},
    };

    (void)json_object_set_new(o, "id", json_integer(e->id));
    (void)json_object_set_new(o, "timestamp", json_value_time(e->at_ms));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        (void)json_object_set_new(o, texts[i].name, json_value_string(texts[i].value));
    details = json_value_column(e->details, json_object());
    duration = json_object_get(details, "duration_ms");
    (void)json_object_set(o, "duration_ms", duration ? duration : json_null());
    (void)json_object_set_new(o, "details", details);
    return o;
}
