#include "cli/hosts/event_format.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/listing.h"
#include "cli/common/member.h"

const struct format_field event_fields[] = {
    {"Type",     "TYPE"},
    {"Action",          "ACTION"},
    {"Status","STATUS"},
    {"ID",   "ID"},
    {"Actor",          "ACTOR"},
    {"Time",    "TIME"},
    {"TimeNano",    "TIME"},
    {"Host",          "HOST"},
    {"Message", "MESSAGE"},
    {0},
};

/* The server's word for an action, and the engine's. */
static const char *engine_action(const char *type)
{
    static const char *const words[][2] = {
        {"created",   "create" },
        {"started",   "start"  },
        {"restarted", "restart"},
        {"died",      "die"    },
        {"signalled", "kill"   },
        {"paused",    "pause"  },
        {"unpaused",  "unpause"},
        {"renamed",   "rename" },
        {"deleted",   "destroy"},
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(type, words[i][0]))
            return words[i][1];
    }
    return type;
}

json_t *event_describe(const json_t *event)
{
    const char *action = engine_action(member_text(event, "event_type"));
    const char *id = member_text(event, "container_id"), *text = member_text(event, "message");
    json_t *o = json_object(), *actor = json_object(), *attributes = json_object();
    int64_t ns = 0;

    if (time_parse_ns(member_text(event, "timestamp"), &ns) < 0)
        ns = 0;
    listing_set_field(attributes, "name", xstrdup(member_text(event, "container_name")));
    listing_set_field(actor, "ID", xstrdup(id));
    (void)json_object_set_new(actor, "Attributes", attributes);
    listing_set_field(o, "Type", xstrdup(member_text(event, "category")));
    listing_set_field(o, "Action", xstrdup(action));
    listing_set_field(o, "Status", xstrdup(action));
    listing_set_field(o, "ID", xstrdup(id));
    (void)json_object_set_new(o, "Actor", actor);
    (void)json_object_set_new(o, "Time", json_integer(time_div_floor(ns, NS_PER_S)));
    (void)json_object_set_new(o, "TimeNano", json_integer(ns));
    listing_set_field(o, "Host", xstrdup(member_text(event, "host_name")));
    listing_set_field(o, "Message", xstrdup(*text ? text : member_text(event, "title")));
    return o;
}
