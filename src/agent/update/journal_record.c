#include "agent/update/journal_record.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/codec.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VOLUMES 256 /* of a report */
#define MAX_REF     1024
#define MAX_ERROR   4096

/* The names are stored, and sent to servers; the stages are those of DockMon's own agents. */
static const struct {
    const char *name, *stage;
} steps[UPDATE_STEPS] = {
    [STEP_WAIT] = {"wait",         "pulling"     },
    [STEP_PREPARE] = {"prepare",      "pulling"     },
    [STEP_CREATE] = {"create",       "creating"    },
    [STEP_CONNECT] = {"connect",      "creating"    },
    [STEP_POLICY] = {"policy",       "backup"      },
    [STEP_STOP] = {"stop",         "backup"      },
    [STEP_LATE_POLICY] = {"late_policy",  "backup"      },
    [STEP_SET_ASIDE] = {"set_aside",    "backup"      },
    [STEP_INSTALL] = {"install",      "starting"    },
    [STEP_START] = {"start",        "health_check"},
    [STEP_COMMIT] = {"commit",       "cleanup"     },
    [STEP_UNDO_STOP] = {"undo_stop",    "rollback"    },
    [STEP_UNDO_REMOVE] = {"undo_remove",  "rollback"    },
    [STEP_UNDO_NAME] = {"undo_name",    "rollback"    },
    [STEP_UNDO_CONNECT] = {"undo_connect", "rollback"    },
    [STEP_UNDO_POLICY] = {"undo_policy",  "rollback"    },
    [STEP_UNDO_START] = {"undo_start",   "rollback"    },
    [STEP_UNDONE] = {"undone",       "rollback"    },
};

#define AT(m) offsetof(struct journal_record, m)

static const struct field fields[] = {
    {"update_id",            FIELD_STRING, AT(id),                   FIELD_REQUIRED, 0,  36,                 NULL},
    {"image",                FIELD_STRING, AT(image),                FIELD_REQUIRED, 0,  MAX_REF,            NULL},
    {"new_image",            FIELD_STRING, AT(new_image),            FIELD_REQUIRED, 0,  MAX_REF,            NULL},
    {"image_id",             FIELD_STRING, AT(image_id),             0,              0,  MAX_REF,            NULL},
    {"new_image_id",         FIELD_STRING, AT(new_image_id),         0,              0,  MAX_REF,            NULL},
    {"digest",               FIELD_STRING, AT(digest),               0,              0,  MAX_REF,            NULL},
    {"platform",             FIELD_STRING, AT(platform),             0,              0,  MAX_REF,            NULL},
    {"member",               FIELD_I64,    AT(member),               0,              0,  UPDATE_MAX_MEMBERS, NULL},
    {"is_undoing",           FIELD_BOOL,   AT(is_undoing),           0,              0,  0,                  NULL},
    {"is_cancelled",         FIELD_BOOL,   AT(is_cancelled),         0,              0,  0,                  NULL},
    {"has_failed_probation", FIELD_BOOL,   AT(has_failed_probation), 0,              0,  0,                  NULL},
    {"error_code",           FIELD_STRING, AT(error_code),           0,              0,  64,                 NULL},
    {"error",                FIELD_STRING, AT(error),                FIELD_CUT,      0,  MAX_ERROR,          NULL},
    {"stop_timeout_s",       FIELD_I64,    AT(stop_timeout_s),       0,              -1, 86400,              NULL},
    {"health_timeout_ms",    FIELD_I64,    AT(health_timeout_ms),    0,              0,  INT64_MAX,          NULL},
    {"stays_up_ms",          FIELD_I64,    AT(stays_up_ms),          0,              0,  INT64_MAX,          NULL},
    {"keep_ms",              FIELD_I64,    AT(keep_ms),              0,              0,  INT64_MAX,          NULL},
    {"has_consent",          FIELD_BOOL,   AT(has_consent),          0,              0,  0,                  NULL},
    {"ignores_lock",         FIELD_BOOL,   AT(ignores_lock),         0,              0,  0,                  NULL},
    {"restarts",             FIELD_I64,    AT(restarts),             0,              0,  INT64_MAX,          NULL},
    {"fingerprint",          FIELD_STRING, AT(fingerprint),          0,              0,  64,                 NULL},
    {"started_at",           FIELD_I64,    AT(started_at),           0,              0,  INT64_MAX,          NULL},
    {"step_at",              FIELD_I64,    AT(step_at),              0,              0,  INT64_MAX,          NULL},
    {"ended_at",             FIELD_I64,    AT(ended_at),             0,              0,  INT64_MAX,          NULL},
    {"probation_until",      FIELD_I64,    AT(probation_until),      0,              0,  INT64_MAX,          NULL},
    {"expires_at",           FIELD_I64,    AT(expires_at),           0,              0,  INT64_MAX,          NULL},
    {"downtime_ms",          FIELD_I64,    AT(downtime_ms),          0,              -1, INT64_MAX,          NULL},
    {"kept_volumes",         FIELD_ARRAY,  AT(kept_volumes),         0,              0,  0,                  NULL},
};

#undef AT
#define AT(m) offsetof(struct update_member, m)

static const struct field member_fields[] = {
    {"id",              FIELD_STRING, AT(id),              FIELD_REQUIRED, 0, CONTAINER_ID_LEN, NULL},
    {"name",            FIELD_STRING, AT(name),            FIELD_REQUIRED, 0, 255,              NULL},
    {"new_id",          FIELD_STRING, AT(new_id),          0,              0, CONTAINER_ID_LEN, NULL},
    {"reason",          FIELD_STRING, AT(reason),          FIELD_CUT,      0, 255,              NULL},
    {"is_restart",      FIELD_BOOL,   AT(is_restart),      0,              0, 0,                NULL},
    {"is_running",      FIELD_BOOL,   AT(is_running),      0,              0, 0,                NULL},
    {"is_auto_remove",  FIELD_BOOL,   AT(is_auto_remove),  0,              0, 0,                NULL},
    {"is_late_policy",  FIELD_BOOL,   AT(is_late_policy),  0,              0, 0,                NULL},
    {"is_checked",      FIELD_BOOL,   AT(is_checked),      0,              0, 0,                NULL},
    {"is_policy_fixed", FIELD_BOOL,   AT(is_policy_fixed), 0,              0, 0,                NULL},
    {"policy",          FIELD_OBJECT, AT(policy),          0,              0, 0,                NULL},
    {"create",          FIELD_OBJECT, AT(create),          0,              0, 0,                NULL},
    {"connect",         FIELD_ARRAY,  AT(connect),         0,              0, 0,                NULL},
    {"source",          FIELD_OBJECT, AT(source),          0,              0, 0,                NULL},
    {"platform",        FIELD_STRING, AT(platform),        0,              0, 64,               NULL},
    {"config",          FIELD_OBJECT, AT(config),          0,              0, 0,                NULL},
};

#undef AT

const char *update_step_name(enum update_step step)
{
    return steps[step].name;
}

const char *update_step_stage(enum update_step step)
{
    return steps[step].stage;
}

struct journal_record *journal_record_new(const char *id)
{
    struct journal_record *r = xcalloc(1, sizeof(*r));

    r->id = xstrdup(id);
    r->stop_timeout_s = -1;
    r->downtime_ms = -1;
    return r;
}

void journal_record_free(struct journal_record *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_members; i++) {
        json_decref(r->members[i].facts.connected);
        codec_done(member_fields, ARRAY_LEN(member_fields), &r->members[i]);
    }
    codec_done(fields, ARRAY_LEN(fields), r);
    free(r);
}

json_t *journal_record_encode(const struct journal_record *r)
{
    json_t *o = codec_encode(fields, ARRAY_LEN(fields), r);
    json_t *members = json_array();

    for (size_t i = 0; i < r->n_members; i++) {
        json_t *m = codec_encode(member_fields, ARRAY_LEN(member_fields), &r->members[i]);

        if (json_array_append_new(members, m) < 0)
            abort(); /* out of memory */
    }
    json_text_set(o, "state", json_text_str(update_state_name(r->state)));
    json_text_set(o, "step", json_text_str(steps[r->step].name));
    json_text_set(o, "members", members);
    return o;
}

static int find_step(const char *name)
{
    for (int i = 0; i < UPDATE_STEPS; i++) {
        if (str_eq(name, steps[i].name))
            return i;
    }
    return -1;
}

static int decode_members(const json_t *v, struct journal_record *r, struct error *err)
{
    const json_t *members = json_object_get(v, "members");
    size_t i;
    json_t *one;

    if (json_array_size(members) == 0 || json_array_size(members) > UPDATE_MAX_MEMBERS)
        return error_set(err, -EBADMSG, "invalid number of members");
    json_array_foreach(members, i, one)
    {
        struct update_member *m = &r->members[i];

        if (codec_decode(member_fields, ARRAY_LEN(member_fields), one, m, err) < 0)
            return -EBADMSG;
        r->n_members = i + 1;
        if (!str_is_hex(m->id, CONTAINER_ID_LEN) || !str_is_container_ref(m->name) ||
            (m->new_id && !str_is_hex(m->new_id, CONTAINER_ID_LEN)))
            return error_set(err, -EBADMSG, "member %zu has no valid id and name", i);
    }
    return 0;
}

int journal_record_decode(const json_t *v, struct journal_record **ret, struct error *err)
{
    _cleanup_(journal_record_freep) struct journal_record *r = journal_record_new(NULL);
    enum update_state state = update_state_find(json_text_get(v, "state"));
    int step = find_step(json_text_get(v, "step"));

    if (codec_decode(fields, ARRAY_LEN(fields), v, r, err) < 0)
        return -EBADMSG;
    if (state == UPDATE_STATES || step < 0)
        return error_set(err, -EBADMSG, "unknown state or step");
    r->state = state;
    r->step = (enum update_step)step;
    if (decode_members(v, r, err) < 0)
        return -EBADMSG;
    if (r->member >= (int64_t)r->n_members)
        return error_set(err, -EBADMSG, "there is no member %lld", (long long)r->member);
    *ret = TAKE_PTR(r);
    return 0;
}

/* The state of a dependent, for people. */
static const char *describe_member(const struct journal_record *r, const struct update_member *m)
{
    if (r->step <= STEP_PREPARE && r->state != UPDATE_RUNNING)
        return "unchanged"; /* the container has the image already */
    if (r->state == UPDATE_KEPT || r->state == UPDATE_DONE)
        return m->is_restart ? "restarted" : "re-created";
    if (r->state != UPDATE_RUNNING)
        return "unchanged";
    return m->is_checked ? "checked" : "waiting";
}

static json_t *report_dependents(const struct journal_record *r)
{
    json_t *all = json_array();

    for (size_t i = 1; i < r->n_members; i++) {
        const struct update_member *m = &r->members[i];
        json_t *one = json_object();

        json_text_set(one, "id", json_text_str(m->id));
        json_text_set(one, "new_id", json_text_str(m->new_id));
        json_text_set(one, "name", json_text_str(m->name));
        json_text_set(one, "action", json_text_str(m->is_restart ? "restart" : "recreate"));
        json_text_set(one, "state", json_text_str(describe_member(r, m)));
        if (json_array_append_new(all, one) < 0)
            abort(); /* out of memory */
    }
    return all;
}

static struct strings report_volumes(const struct journal_record *r)
{
    struct strings names = {0};
    size_t i;
    json_t *name;

    json_array_foreach(r->kept_volumes, i, name)
    {
        if (json_is_string(name) && names.n < MAX_VOLUMES)
            strings_add(&names, json_string_value(name));
    }
    return names;
}

static json_t *report_error(const struct journal_record *r)
{
    json_t *error;

    if (!r->error)
        return NULL;
    error = json_object();
    json_text_set(error, "code", json_text_str(r->error_code));
    json_text_set(error, "text", json_text_str(r->error));
    return error;
}

json_t *journal_record_report(const struct journal_record *r)
{
    const struct update_member *m = &r->members[0];
    json_auto_t *dependents = report_dependents(r), *error = report_error(r);
    struct strings volumes = report_volumes(r);
    json_t *report;

    report = update_record_encode(&(struct update_record){
        .update_id = r->id,
        .container_id = m->id,
        .container_name = m->name,
        .new_container_id = m->new_id,
        .image = r->image,
        .new_image = r->new_image,
        .image_id = r->image_id,
        .new_image_id = r->new_image_id,
        .digest = r->digest,
        .state = (char *)(uintptr_t)update_state_name(r->state),
        .step = (char *)(uintptr_t)steps[r->step].name,
        .step_at = r->step_at,
        .started_at = r->started_at,
        .ended_at = r->ended_at,
        .error = error,
        .is_rolling_back = r->is_undoing && r->state == UPDATE_RUNNING,
        .probation_until = r->probation_until,
        .probation_failed = r->has_failed_probation,
        .expires_at = r->state == UPDATE_KEPT ? r->expires_at : 0,
        .downtime_ms = r->downtime_ms,
        .dependents = dependents,
        .kept_volumes = volumes,
    });
    strings_done(&volumes);
    return report;
}

char *update_member_name(const struct journal_record *r,
                         const struct update_member *m,
                         const char *suffix)
{
    return xasprintf("%s%s%.8s", m->name, suffix, r->id);
}
