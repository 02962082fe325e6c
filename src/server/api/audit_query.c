#include "server/api/audit_query.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/store/users.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <string.h>

#define OTHER_TYPE "system"
#define DATE_SIZE  strlen("2026-01-31")

/* No prefix is the beginning of another one. */
static const struct {
    const char *prefix, *type;
} types[] = {
    {"agent",            "agent"    },
    {"apikey",           "api_key"  },
    {"batch",            "batch"    },
    {"bulk",             "batch"    },
    {"change_password",  "user"     },
    {"container",        "container"},
    {"copy",             "container"},
    {"event_sort_order", "user"     },
    {"exec",             "container"},
    {"host",             "host"     },
    {"image",            "image"    },
    {"login",            "session"  },
    {"logout",           "session"  },
    {"logs",             "container"},
    {"network",          "network"  },
    {"preferences",      "user"     },
    {"session",          "session"  },
    {"shell",            "container"},
    {"token",            "agent"    },
    {"update_profile",   "user"     },
    {"user",             "user"     },
    {"view_mode",        "user"     },
    {"volume",           "volume"   },
};

const char *audit_entity_type(const char *action)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_starts_with(action, types[i].prefix))
            return types[i].type;
    }
    return OTHER_TYPE;
}

/* Returns the prefixes of a type, or of all types, as a JSON array. */
static char *make_prefixes(const char *type)
{
    json_auto_t *list = json_array();
    size_t size;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!type || str_eq(types[i].type, type))
            (void)json_array_append_new(list, json_text_str(types[i].prefix));
    }
    return json_text_write(list, &size);
}

/* A date without a time stands for the whole day (UTC); clients send both. */
static int read_time(
    const struct api_call *call, const char *name, bool is_end, int64_t *ret_ms, struct error *err)
{
    _cleanup_free_ char *text = api_query(call, name), *whole = NULL;
    int64_t ns;

    if (!text || strlen(text) != DATE_SIZE || !strchr(text, '-'))
        return api_query_time(call, name, ret_ms, err);
    whole = xasprintf("%sT00:00:00Z", text);
    if (time_parse_ns(whole, &ns) < 0)
        return api_query_time(call, name, ret_ms, err);
    *ret_ms = ns / 1000000 + (is_end ? INT64_C(24) * 3600 * 1000 : 0);
    return 0;
}

/* An empty parameter is none, as forms send it. */
static char *read_text(const struct api_call *call, const char *name)
{
    char *text = api_query(call, name);

    if (!str_is_empty(text))
        return text;
    free(text);
    return NULL;
}

int audit_filters_read(const struct api_call *call, struct audit_filters *ret, struct error *err)
{
    _cleanup_free_ char *type = read_text(call, "entity_type");
    int r;

    *ret = (struct audit_filters){
        .who = read_text(call, "username"),
        .action = read_text(call, "action"),
        .search = read_text(call, "search"),
    };
    if (str_eq(type, OTHER_TYPE)) {
        ret->others = make_prefixes(NULL);
    } else if (type) {
        ret->prefixes = make_prefixes(type); /* of an unknown type: none, so that nothing matches */
    }
    r = read_time(call, "start_date", false, &ret->since_ms, err);
    return r < 0 ? r : read_time(call, "end_date", true, &ret->until_ms, err);
}

void audit_filters_done(struct audit_filters *f)
{
    free(TAKE_PTR(f->who));
    free(TAKE_PTR(f->action));
    free(TAKE_PTR(f->search));
    free(TAKE_PTR(f->prefixes));
    free(TAKE_PTR(f->others));
}

struct audit_query audit_filters_query(const struct audit_filters *f)
{
    return (struct audit_query){
        .page = {.since_ms = f->since_ms, .until_ms = f->until_ms},
        .who = f->who,
        .action = f->action,
        .search = f->search,
        .prefixes = f->prefixes,
        .others = f->others,
    };
}

/* The target of an action on an object of a host is "HOST/NAME". */
json_t *audit_entry_json(const struct audit_entry *e, const json_t *users)
{
    const char *type = audit_entity_type(e->action);
    const char *slash = e->target && !str_eq(type, "session") ? strchr(e->target, '/') : NULL;
    const char *name = slash ? slash + 1 : e->target;
    json_t *user_id = json_object_get(users, e->who);
    json_t *host = slash ? json_text_string(e->target, (size_t)(slash - e->target)) : json_null();

    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:n, s:o, s:{s:o}, s:o, s:n, s:o}", "id",
                     (json_int_t)e->id, "user_id", user_id ? json_incref(user_id) : json_null(),
                     "username", json_value_string(e->who), "action", json_value_string(e->action),
                     "entity_type", json_text_str(type), "entity_id", json_value_string(e->target),
                     "entity_name", json_value_string(name), "host_id", "host_name", host,
                     "details", "result", json_value_string(e->result), "ip_address",
                     json_value_string(e->peer), "user_agent", "created_at",
                     json_value_time(e->at_ms));
}

static void add_user(void *arg, const struct user *u)
{
    (void)json_object_set_new(arg, u->name, json_integer(u->id));
}

json_t *audit_user_ids(struct db *store, struct error *err)
{
    json_t *users = json_object();

    if (users_each(store, add_user, users, err) == 0)
        return users;
    json_decref(users);
    return NULL;
}
