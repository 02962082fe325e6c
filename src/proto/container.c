#include "proto/container.h"
#include "base/container_id.h"

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <string.h>

#define MAX_NAME 255 /* bytes */
#define AT(m)    offsetof(struct msg_container, m)

static int check_full_id(const char *s, const char **ret_why)
{
    *ret_why = "String should be 64 hex digits";
    return str_is_hex(s, 64) ? 0 : -EINVAL;
}

static const struct field fields[] = {
    {"Id",              FIELD_STRING,  AT(id),               FIELD_REQUIRED, 0, 0,      check_full_id},
    {"Image",           FIELD_STRING,  AT(image),            FIELD_CUT,      0, 0,      NULL         },
    {"ImageID",         FIELD_STRING,  AT(image_id),         FIELD_CUT,      0, 0,      NULL         },
    {"Command",         FIELD_STRING,  AT(command),          FIELD_CUT,      0, 131072, NULL         },
    {"State",           FIELD_STRING,  AT(state),            FIELD_CUT,      0, 64,     NULL         },
    {"Status",          FIELD_STRING,  AT(status),           FIELD_CUT,      0, 255,    NULL         },
    {"Created",         FIELD_I64,     AT(created_s),        FIELD_TRUNCATE, 0, 0,      NULL         },
    {"StartedAt",       FIELD_STRING,  AT(started_at),       FIELD_CUT,      0, 64,     NULL         },
    {"Labels",          FIELD_OBJECT,  AT(labels),           0,              0, 0,      NULL         },
    {"Ports",           FIELD_ARRAY,   AT(ports),            0,              0, 65536,  NULL         },
    {"Mounts",          FIELD_ARRAY,   AT(mounts),           0,              0, 0,      NULL         },
    {"Env",             FIELD_OBJECT,  AT(env),              0,              0, 0,      NULL         },
    {"RepoDigests",     FIELD_STRINGS, AT(repo_digests),     0,              0, 0,      NULL         },
    {"NetworkSettings", FIELD_OBJECT,  AT(network_settings), 0,              0, 0,      NULL         },
    {"HostConfig",      FIELD_OBJECT,  AT(host_config),      0,              0, 0,      NULL         },
    {"OOMKilled",       FIELD_JSON,    AT(oom_killed),       0,              0, 0,      NULL         },
};

/*
 * Links add names such as "/web/db". The container's own name is the first without a second slash.
 */
static const char *find_name(const json_t *names)
{
    const char *first = NULL;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *s = json_string_value(json_array_get(names, i));

        if (!s)
            continue;
        s += *s == '/';
        if (*s == '\0')
            continue;
        if (!strchr(s, '/'))
            return s;
        first = first ? first : s;
    }
    return first;
}

int msg_container_decode(const json_t *v, struct msg_container *ret, struct error *err)
{
    struct msg_container m = {0};
    const char *name;
    int r;

    r = codec_decode(fields, ARRAY_LEN(fields), v, &m, err);
    if (r < 0)
        return error_wrap(err, r, "container");

    name = find_name(json_object_get(v, "Names"));
    if (name && strlen(name) > MAX_NAME) {
        m.name = xasprintf("%.*s\u2026", STR_CUT(name, MAX_NAME - strlen("\u2026")));
    } else {
        m.name = name ? xstrdup(name) : xstrndup(m.id, CONTAINER_SHORT_ID_LEN);
    }
    *ret = m;
    return 0;
}

const char *msg_container_find_cut(const json_t *v)
{
    const char *name = find_name(json_object_get(v, "Names"));

    return name && strlen(name) > MAX_NAME ? "Names" : codec_find_cut(fields, ARRAY_LEN(fields), v);
}

void msg_container_done(struct msg_container *m)
{
    free(TAKE_PTR(m->name));
    codec_done(fields, ARRAY_LEN(fields), m);
}

const char *msg_container_state(const char *engine_state)
{
    static const char *const map[][2] = {
        {"running",    "running"   },
        {"paused",     "paused"    },
        {"restarting", "restarting"},
        {"exited",     "exited"    },
        {"created",    "created"   },
        {"removing",   "removing"  },
        {"dead",       "exited"    },
    };

    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (str_eq(engine_state, map[i][0]))
            return map[i][1];
    }
    return "unknown";
}
