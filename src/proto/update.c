#include "proto/update.h"

#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <string.h>

#define MUST     (FIELD_REQUIRED | FIELD_NON_EMPTY)
#define OMIT     FIELD_OMIT_EMPTY
#define MAX_KEEP (INT64_C(366) * 86400)
#define MAX_WAIT 86400
#define MAX_REF  512
#define MAX_TEXT 1024
#define MAX_ID   128

static const char *const state_names[UPDATE_STATES] = {
    [UPDATE_RUNNING] = "running", [UPDATE_KEPT] = "kept",
    [UPDATE_DONE] = "done",       [UPDATE_ROLLED_BACK] = "rolled_back",
    [UPDATE_FAILED] = "failed",   [UPDATE_CANCELLED] = "cancelled",
};

const char *update_state_name(enum update_state s)
{
    return state_names[s];
}

enum update_state update_state_find(const char *name)
{
    for (size_t i = 0; name && i < UPDATE_STATES; i++) {
        if (str_eq(state_names[i], name))
            return (enum update_state)i;
    }
    return UPDATE_STATES;
}

bool update_state_is_end(enum update_state s)
{
    return s != UPDATE_RUNNING && s != UPDATE_KEPT;
}

/* --- checks of single fields --- */

static int check_state(const char *value, const char **ret_why)
{
    *ret_why = "Input should be the state of an update";
    return update_state_find(value) == UPDATE_STATES ? -EINVAL : 0;
}

static int check_uuid(const char *value, const char **ret_why)
{
    size_t n = strspn(value, "0123456789abcdef-");

    *ret_why = "Input should be the id of an update, a UUID";
    return n == 36 && value[n] == '\0' ? 0 : -EINVAL;
}

/* Only 12 digits are known of the containers of agents without journals. */
static int check_id(const char *value, const char **ret_why)
{
    *ret_why = "Input should be an id of 12 or 64 hex digits";
    return str_is_hex(value, CONTAINER_ID_LEN) || str_is_hex(value, CONTAINER_SHORT_ID_LEN)
               ? 0
               : -EINVAL;
}

static int check_fingerprint(const char *value, const char **ret_why)
{
    *ret_why = "Input should be the fingerprint of a preview";
    return str_is_hex(value, UPDATE_FINGERPRINT_LEN) ? 0 : -EINVAL;
}

static int check_container(const char *value, const char **ret_why)
{
    *ret_why = "Input should be an id or a name of a container";
    return str_is_container_ref(value) ? 0 : -EINVAL;
}

static int check_image(const char *value, const char **ret_why)
{
    *ret_why = "Input should be an id or a name of an image";
    return *value == '\0' || str_is_image_ref(value) ? 0 : -EINVAL;
}

static int check_platform(const char *value, const char **ret_why)
{
    size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789/._-");

    *ret_why = "Input should be a platform such as linux/arm64";
    return value[n] == '\0' ? 0 : -EINVAL;
}

/* --- checks of the elements of arrays --- */

enum element_type { ELEMENT_TEXT, ELEMENT_NUMBER, ELEMENT_BOOL };

/* One member of an object inside a message. */
struct element {
    const char *name;
    enum element_type type;
    bool is_required; /* otherwise it may be absent or null */
};

static bool fits(const struct element *e, const json_t *v)
{
    if (!v || json_is_null(v))
        return !e->is_required;
    switch (e->type) {
    case ELEMENT_TEXT: return json_is_string(v) && json_string_length(v) <= CODEC_MAX_STRING;
    case ELEMENT_NUMBER: return json_is_number(v);
    case ELEMENT_BOOL: return json_is_boolean(v);
    }
    return false;
}

static bool is_object_of(const json_t *v, const struct element *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!json_is_object(v) || !fits(&e[i], json_object_get(v, e[i].name)))
            return false;
    }
    return true;
}

static const struct element failure[] = {
    {"code", ELEMENT_TEXT, true},
    {"text", ELEMENT_TEXT, true},
};
static const struct element dependent[] = {
    {"id",     ELEMENT_TEXT, true },
    {"new_id", ELEMENT_TEXT, false},
    {"name",   ELEMENT_TEXT, true },
    {"action", ELEMENT_TEXT, true },
    {"state",  ELEMENT_TEXT, false},
    {"reason", ELEMENT_TEXT, false},
};
static const struct element change[] = {
    {"path", ELEMENT_TEXT, true},
};
static const struct element compose[] = {
    {"project",       ELEMENT_TEXT, true },
    {"service",       ELEMENT_TEXT, true },
    {"will_recreate", ELEMENT_BOOL, true },
    {"reason",        ELEMENT_TEXT, false},
};
static const struct element layer[] = {
    {"id",      ELEMENT_TEXT,   true },
    {"status",  ELEMENT_TEXT,   true },
    {"current", ELEMENT_NUMBER, false},
    {"total",   ELEMENT_NUMBER, false},
    {"percent", ELEMENT_NUMBER, false},
};
static const struct element auth[] = {
    {"username", ELEMENT_TEXT, true},
    {"password", ELEMENT_TEXT, true},
};

/* An object, or an array of objects, that a message holds. */
struct part {
    const char *name;
    const json_t *value; /* NULL: absent */
    const struct element *elements;
    size_t n;
};

#define PART(name, value, elements)                \
    {                                              \
        name, value, elements, ARRAY_LEN(elements) \
    }

static int check_parts(const struct part *p, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t n_items = json_is_array(p[i].value) ? json_array_size(p[i].value) : 0;
        bool is_good = !p[i].value || json_is_array(p[i].value) ||
                       is_object_of(p[i].value, p[i].elements, p[i].n);

        for (size_t k = 0; is_good && k < n_items; k++)
            is_good = is_object_of(json_array_get(p[i].value, k), p[i].elements, p[i].n);
        if (!is_good)
            return codec_error(err, -EINVAL, p[i].name, "A member is missing or invalid");
    }
    return 0;
}

/* --- the record --- */

#define AT(m) offsetof(struct update_record, m)

/* clang-format off */
static const struct field record_fields[] = {
    {"update_id",        FIELD_STRING,  AT(update_id),        MUST,            0, 64,      check_uuid},
    {"container_id",     FIELD_STRING,  AT(container_id),     MUST,            0, 64,      check_id},
    {"container_name",   FIELD_STRING,  AT(container_name),   MUST,            0, 255,     NULL},
    {"new_container_id", FIELD_STRING,  AT(new_container_id), OMIT,            0, 64,      check_id},
    {"image",            FIELD_STRING,  AT(image),            FIELD_REQUIRED,  0, MAX_REF, NULL},
    {"new_image",        FIELD_STRING,  AT(new_image),        FIELD_REQUIRED,  0, MAX_REF, NULL},
    {"image_id",         FIELD_STRING,  AT(image_id),         OMIT,            0, MAX_ID,  NULL},
    {"new_image_id",     FIELD_STRING,  AT(new_image_id),     OMIT,            0, MAX_ID,  NULL},
    {"digest",           FIELD_STRING,  AT(digest),           OMIT,            0, MAX_ID,  NULL},
    {"state",            FIELD_STRING,  AT(state),            MUST,            0, 32,      check_state},
    {"step",             FIELD_STRING,  AT(step),             MUST,            0, 64,      NULL},
    {"step_at",          FIELD_I64,     AT(step_at),          0,               0, 0,       NULL},
    {"started_at",       FIELD_I64,     AT(started_at),       FIELD_REQUIRED,  0, 0,       NULL},
    {"ended_at",         FIELD_I64,     AT(ended_at),         OMIT,            0, 0,       NULL},
    {"error",            FIELD_OBJECT,  AT(error),            OMIT,            0, 0,       NULL},
    {"is_rolling_back",  FIELD_BOOL,    AT(is_rolling_back),  0,               0, 0,       NULL},
    {"probation_until",  FIELD_I64,     AT(probation_until),  OMIT,            0, 0,       NULL},
    {"probation_failed", FIELD_BOOL,    AT(probation_failed), 0,               0, 0,       NULL},
    {"expires_at",       FIELD_I64,     AT(expires_at),       OMIT,            0, 0,       NULL},
    {"downtime_ms",      FIELD_I64,     AT(downtime_ms),      0,              -1, 0,       NULL},
    {"dependents",       FIELD_ARRAY,   AT(dependents),       0,               0,
        UPDATE_MAX_DEPENDENTS, NULL},
    {"kept_volumes",     FIELD_STRINGS, AT(kept_volumes),     0,               0, 256,     NULL},
};
/* clang-format on */

void update_record_done(struct update_record *u)
{
    codec_done(record_fields, ARRAY_LEN(record_fields), u);
}

int update_record_decode(const json_t *v, struct update_record *ret, struct error *err)
{
    struct update_record u = UPDATE_RECORD_INIT;
    int r = codec_decode(record_fields, ARRAY_LEN(record_fields), v, &u, err);

    if (r == 0) {
        const struct part parts[] = {PART("error", u.error, failure),
                                     PART("dependents", u.dependents, dependent)};

        r = check_parts(parts, ARRAY_LEN(parts), err);
        if (r == 0 && json_dumpb(v, NULL, 0, JSON_COMPACT) > UPDATE_MAX_RECORD)
            r = error_set(err, -EMSGSIZE, "it is larger than %d bytes", UPDATE_MAX_RECORD);
        if (r < 0)
            update_record_done(&u);
    }
    if (r < 0)
        return error_wrap(err, r, "update_journal");
    *ret = u;
    return 0;
}

/* An absent array is written as an empty one, and an unknown downtime as null. */
json_t *update_record_encode(const struct update_record *u)
{
    json_t *o = codec_encode(record_fields, ARRAY_LEN(record_fields), u);

    if (!u->dependents)
        json_text_set(o, "dependents", json_array());
    if (u->downtime_ms < 0)
        json_text_set(o, "downtime_ms", NULL);
    return o;
}

const char *update_record_code(const struct update_record *u)
{
    return json_text_get(u->error, "code");
}

const char *update_record_text(const struct update_record *u)
{
    return json_text_get(u->error, "text");
}

/* --- arguments --- */

#undef AT
#define AT(m) offsetof(struct update_args, m)

#define CONTAINER                                                                     \
    {                                                                                 \
        "container_id", FIELD_STRING, AT(container_id), MUST, 0, 255, check_container \
    }
#define NEW_IMAGE                                                               \
    {                                                                           \
        "new_image", FIELD_STRING, AT(new_image), OMIT, 0, MAX_REF, check_image \
    }
#define AUTH                                                               \
    {                                                                      \
        "registry_auth", FIELD_OBJECT, AT(registry_auth), OMIT, 0, 0, NULL \
    }
#define PLATFORM                                                            \
    {                                                                       \
        "platform", FIELD_STRING, AT(platform), OMIT, 0, 64, check_platform \
    }
#define CONSENT                                                      \
    {                                                                \
        "has_consent", FIELD_BOOL, AT(has_consent), OMIT, 0, 0, NULL \
    }

/* clang-format off */
static const struct field preview_args[] = {CONTAINER, NEW_IMAGE, AUTH, PLATFORM, CONSENT};
static const struct field container_args[] = {
    CONTAINER, NEW_IMAGE, AUTH, PLATFORM, CONSENT,
    {"stop_timeout",   FIELD_I64,    AT(stop_timeout_s),   FIELD_TRUNCATE,  0, MAX_WAIT, NULL},
    {"health_timeout", FIELD_I64,    AT(health_timeout_s), FIELD_TRUNCATE,  0, MAX_WAIT, NULL},
    {"update_id",      FIELD_STRING, AT(update_id),        OMIT,            0, 64,       check_uuid},
    {"fingerprint",    FIELD_STRING, AT(fingerprint),      OMIT,            0, 64,       check_fingerprint},
    {"keep_s",         FIELD_I64,    AT(keep_s),           0,              -1, MAX_KEEP, NULL},
    {"stays_up_s",     FIELD_I64,    AT(stays_up_s),       OMIT,            0, MAX_WAIT, NULL},
    {"ignore_lock",    FIELD_BOOL,   AT(ignore_lock),      OMIT,            0, 0,        NULL},
};
static const struct field id_args[] = {
    {"update_id", FIELD_STRING, AT(update_id), MUST, 0, 64, check_uuid},
};
/* clang-format on */

static const struct table {
    const struct field *fields; /* NULL: no arguments */
    size_t n;
} tables[OPERATIONS] = {
    [OPERATION_UPDATE_PREVIEW] = {preview_args,   ARRAY_LEN(preview_args)  },
    [OPERATION_UPDATE_CONTAINER] = {container_args, ARRAY_LEN(container_args)},
    [OPERATION_UPDATE_ROLLBACK] = {id_args,        ARRAY_LEN(id_args)       },
    [OPERATION_UPDATE_CANCEL] = {id_args,        ARRAY_LEN(id_args)       },
};

/* The members that own memory, of any operation, are those of update_container. */
void update_args_done(struct update_args *a)
{
    codec_done(container_args, ARRAY_LEN(container_args), a);
}

int update_args_decode(enum operation_id operation,
                       const json_t *payload,
                       struct update_args *ret,
                       struct error *err)
{
    const struct table *t = &tables[operation];
    int r;

    *ret = UPDATE_ARGS_INIT;
    if (t->n == 0)
        return 0;
    r = codec_decode(t->fields, t->n, payload, ret, err);
    if (r == 0 && ret->registry_auth && !is_object_of(ret->registry_auth, auth, ARRAY_LEN(auth))) {
        update_args_done(ret);
        r = codec_error(err, -EINVAL, "registry_auth",
                        "Input should have the texts username and password");
    }
    return r;
}

json_t *update_args_encode(enum operation_id operation, const struct update_args *a)
{
    json_t *o = codec_encode(tables[operation].fields, tables[operation].n, a);

    if (a->keep_s < 0)
        (void)json_object_del(o, "keep_s");
    /* Agents of DockMon read null, and need a text. */
    if (operation == OPERATION_UPDATE_CONTAINER && !a->registry_auth)
        json_text_set(o, "registry_auth", NULL);
    return o;
}

/* --- the preview --- */

#undef AT
#define AT(m) offsetof(struct update_preview, m)

/* clang-format off */
static const struct field preview_fields[] = {
    {"container_id",     FIELD_STRING,  AT(container_id),     MUST,           0, 64,      check_id},
    {"name",             FIELD_STRING,  AT(name),             MUST,           0, 255,     NULL},
    {"image",            FIELD_STRING,  AT(image),            FIELD_REQUIRED, 0, MAX_REF, NULL},
    {"new_image",        FIELD_STRING,  AT(new_image),        FIELD_REQUIRED, 0, MAX_REF, NULL},
    {"image_id",         FIELD_STRING,  AT(image_id),         OMIT,           0, MAX_ID,  NULL},
    {"new_image_id",     FIELD_STRING,  AT(new_image_id),     OMIT,           0, MAX_ID,  NULL},
    {"digest",           FIELD_STRING,  AT(digest),           OMIT,           0, MAX_ID,  NULL},
    {"new_digest",       FIELD_STRING,  AT(new_digest),       OMIT,           0, MAX_ID,  NULL},
    {"created",          FIELD_STRING,  AT(created),          OMIT,           0, 64,      NULL},
    {"new_created",      FIELD_STRING,  AT(new_created),      OMIT,           0, 64,      NULL},
    {"size",             FIELD_I64,     AT(size),             OMIT,           0, 0,       NULL},
    {"new_size",         FIELD_I64,     AT(new_size),         OMIT,           0, 0,       NULL},
    {"platform",         FIELD_STRING,  AT(platform),         OMIT,           0, 64,      NULL},
    {"is_update",        FIELD_BOOL,    AT(is_update),        0,              0, 0,       NULL},
    {"changes",          FIELD_ARRAY,   AT(changes),          0,              0, UPDATE_MAX_CHANGES, NULL},
    {"lost_paths",       FIELD_STRINGS, AT(lost_paths),       0,              0, UPDATE_MAX_LIST, NULL},
    {"lost_paths_total", FIELD_I64,     AT(lost_paths_total), 0,              0, 0,       NULL},
    {"notes",            FIELD_ARRAY,   AT(notes),            0,              0, 256,     NULL},
    {"dependents",       FIELD_ARRAY,   AT(dependents),       0,              0, UPDATE_MAX_DEPENDENTS, NULL},
    {"compose",          FIELD_OBJECT,  AT(compose),          OMIT,           0, 0,       NULL},
    {"refused",          FIELD_OBJECT,  AT(refused),          OMIT,           0, 0,       NULL},
    {"source",           FIELD_STRING,  AT(source),           OMIT | FIELD_CUT, 0, MAX_TEXT, NULL},
    {"version",          FIELD_STRING,  AT(version),          OMIT | FIELD_CUT, 0, MAX_TEXT, NULL},
    {"url",              FIELD_STRING,  AT(url),              OMIT | FIELD_CUT, 0, MAX_TEXT, NULL},
    {"fingerprint",      FIELD_STRING,  AT(fingerprint),      MUST,           0, 64,      check_fingerprint},
};
/* clang-format on */

void update_preview_done(struct update_preview *p)
{
    codec_done(preview_fields, ARRAY_LEN(preview_fields), p);
}

int update_preview_decode(const json_t *v, struct update_preview *ret, struct error *err)
{
    struct update_preview p = {0};
    int r = codec_decode(preview_fields, ARRAY_LEN(preview_fields), v, &p, err);

    if (r == 0) {
        const struct part parts[] = {
            PART("changes", p.changes, change),          PART("notes", p.notes, failure),
            PART("dependents", p.dependents, dependent), PART("compose", p.compose, compose),
            PART("refused", p.refused, failure),
        };

        r = check_parts(parts, ARRAY_LEN(parts), err);
        if (r < 0)
            update_preview_done(&p);
    }
    if (r < 0)
        return error_wrap(err, r, "update_preview");
    *ret = p;
    return 0;
}

json_t *update_preview_encode(const struct update_preview *p)
{
    static const char *const arrays[] = {"changes", "notes", "dependents"};
    static const char *const objects[] = {"compose", "refused"};
    json_t *o = codec_encode(preview_fields, ARRAY_LEN(preview_fields), p);

    for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
        if (!json_is_array(json_object_get(o, arrays[i])))
            json_text_set(o, arrays[i], json_array());
    }
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        if (!json_object_get(o, objects[i]))
            json_text_set(o, objects[i], NULL);
    }
    return o;
}

/* --- events of DockMon --- */

#undef AT
#define AT(m) offsetof(struct update_layers, m)

/* clang-format off */
static const struct field layers_fields[] = {
    {"container_id",     FIELD_STRING, AT(container_id),     MUST,           0, 64, check_container},
    {"overall_progress", FIELD_DOUBLE, AT(overall_progress), 0,              0, 0,  NULL},
    {"layers",           FIELD_ARRAY,  AT(layers),           0,              0, UPDATE_MAX_LAYERS, NULL},
    {"total_layers",     FIELD_I64,    AT(total_layers),     FIELD_TRUNCATE, 0, 0,  NULL},
    {"remaining_layers", FIELD_I64,    AT(remaining_layers), FIELD_TRUNCATE, 0, 0,  NULL},
    {"summary",          FIELD_STRING, AT(summary),          FIELD_CUT,      0, MAX_TEXT, NULL},
    {"speed_mbps",       FIELD_DOUBLE, AT(speed_mbps),       0,              0, 0,  NULL},
};
/* clang-format on */

void update_layers_done(struct update_layers *l)
{
    codec_done(layers_fields, ARRAY_LEN(layers_fields), l);
}

int update_layers_decode(const json_t *v, struct update_layers *ret, struct error *err)
{
    struct update_layers l = {0};
    int r = codec_decode(layers_fields, ARRAY_LEN(layers_fields), v, &l, err);

    if (r == 0) {
        const struct part part = PART("layers", l.layers, layer);

        r = check_parts(&part, 1, err);
        if (r < 0)
            update_layers_done(&l);
    }
    if (r < 0)
        return error_wrap(err, r, "update_layer_progress");
    *ret = l;
    return 0;
}

json_t *update_layers_encode(const struct update_layers *l)
{
    return codec_encode(layers_fields, ARRAY_LEN(layers_fields), l);
}

#undef AT
#define AT(m) offsetof(struct update_complete, m)

static const struct field complete_fields[] = {
    {"old_container_id",  FIELD_STRING,  AT(old_container_id),  MUST, 0, 64,  check_container},
    {"new_container_id",  FIELD_STRING,  AT(new_container_id),  MUST, 0, 64,  check_container},
    {"container_name",    FIELD_STRING,  AT(container_name),    0,    0, 255, NULL           },
    {"failed_dependents", FIELD_STRINGS, AT(failed_dependents), OMIT, 0, 256, NULL           },
};

void update_complete_done(struct update_complete *c)
{
    codec_done(complete_fields, ARRAY_LEN(complete_fields), c);
}

int update_complete_decode(const json_t *v, struct update_complete *ret, struct error *err)
{
    struct update_complete c = {0};
    int r = codec_decode(complete_fields, ARRAY_LEN(complete_fields), v, &c, err);

    if (r < 0)
        return error_wrap(err, r, "update_complete");
    *ret = c;
    return 0;
}

json_t *update_complete_encode(const struct update_complete *c)
{
    return codec_encode(complete_fields, ARRAY_LEN(complete_fields), c);
}
