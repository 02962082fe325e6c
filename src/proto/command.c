#include "proto/command.h"

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define ID_MAX        255
#define NAME_MAX_SIZE 100
#define AT(m)         offsetof(struct command_args, m)
#define TIMEOUT_MAX_S 86400

static const struct field fields[] = {
    {"container_id", FIELD_STRING, AT(container_id), FIELD_OMIT_EMPTY, 0,  255,           NULL},
    {"timeout",      FIELD_I64,    AT(timeout_s),    FIELD_TRUNCATE,   -1, TIMEOUT_MAX_S, NULL},
    {"force",        FIELD_BOOL,   AT(force),        FIELD_OMIT_EMPTY, 0,  0,             NULL},
    {"volumes",      FIELD_BOOL,   AT(volumes),      FIELD_OMIT_EMPTY, 0,  0,             NULL},
    {"since",        FIELD_STRING, AT(since),        FIELD_OMIT_EMPTY, 0,  64,            NULL},
    {"until",        FIELD_STRING, AT(until),        FIELD_OMIT_EMPTY, 0,  64,            NULL},
    {"details",      FIELD_BOOL,   AT(has_details),  FIELD_OMIT_EMPTY, 0,  0,             NULL},
    {"streams",      FIELD_BOOL,   AT(has_streams),  FIELD_OMIT_EMPTY, 0,  0,             NULL},
    {"new_name",     FIELD_STRING, AT(new_name),     FIELD_OMIT_EMPTY, 0,  255,           NULL},
    {"limits",       FIELD_OBJECT, AT(limits),       FIELD_OMIT_EMPTY, 0,  0,             NULL},
    {"signal",       FIELD_STRING, AT(signal),       FIELD_OMIT_EMPTY, 0,  16,            NULL},
};

bool command_is_signal(const char *s)
{
    uint64_t number;
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-");

    if (parse_u64(s, COMMAND_MAX_SIGNAL, &number) == 0)
        return number > 0;
    return n > 2 && n <= COMMAND_MAX_SIGNAL_SIZE && s[n] == '\0' && (s[0] < '0' || s[0] > '9') &&
           s[0] != '+' && s[0] != '-';
}

bool command_is_mild_signal(const char *signal)
{
    uint64_t number;

    if (str_is_empty(signal))
        return false;
    if (parse_u64(signal, COMMAND_MAX_SIGNAL, &number) == 0)
        return number != SIGKILL;
    return strcasecmp(signal, "KILL") != 0 && strcasecmp(signal, "SIGKILL") != 0;
}

static int decode_tail(const json_t *v, int64_t *ret, struct error *err)
{
    double number = json_number_value(v);
    int64_t lines = 0;

    if (!v || json_is_null(v))
        return 0;
    if (json_is_string(v)) {
        if (str_eq(json_string_value(v), "all")) {
            lines = -1;
        } else if (parse_i64(json_string_value(v), &lines) < 0) {
            return codec_error(err, -EINVAL, "tail",
                               "Input should be a number of lines or \"all\"");
        }
        number = (double)lines;
    } else if (!json_is_number(v)) {
        return codec_error(err, -EINVAL, "tail", "Input should be a number of lines or \"all\"");
    }
    *ret = number < 0.0 || number > COMMAND_MAX_TAIL ? COMMAND_MAX_TAIL : (int64_t)number;
    return 0;
}

static int decode_args(const json_t *v, struct command_args *ret, struct error *err)
{
    struct command_args a = COMMAND_ARGS_INIT;
    int r;

    r = decode_tail(json_object_get(v, "tail"), &a.tail, err);
    if (r == 0)
        r = codec_decode(fields, ARRAY_LEN(fields), v, &a, err);
    if (r == 0)
        *ret = a;
    return r;
}

static char *copy_text(const json_t *object, const char *key, size_t max)
{
    const char *s = json_text_get(object, key);

    return str_is_empty(s) || strlen(s) > max ? NULL : xstrdup(s);
}

static char *find_id(const json_t *v)
{
    char *id = copy_text(v, "id", ID_MAX);

    if (!id)
        id = copy_text(v, "correlation_id", ID_MAX);
    if (!id)
        id = copy_text(json_object_get(v, "payload"), "correlation_id", ID_MAX);
    return id;
}

/* Old backends put the name of a command into the payload, as its action. */
static char *find_name(enum command_kind kind, const json_t *merged)
{
    char *name = copy_text(merged, kind == COMMAND_KIND_COMMAND ? "command" : "action",
                           NAME_MAX_SIZE);

    if (!name && kind == COMMAND_KIND_COMMAND)
        name = copy_text(merged, "action", NAME_MAX_SIZE);
    return name ? name : xstrdup("");
}

/* Returns the fields of the payload, and those at top level that the payload does not have. */
static json_t *merge(const json_t *v)
{
    const json_t *payload = json_object_get(v, "payload");
    json_t *merged = json_object();

    if (json_object_update(merged, (json_t *)(uintptr_t)v) < 0)
        abort(); /* out of memory */
    if (json_is_object(payload) && json_object_update(merged, (json_t *)(uintptr_t)payload) < 0)
        abort();
    return merged;
}

int msg_command_decode(const json_t *v, struct msg_command *ret, struct error *err)
{
    json_auto_t *merged = NULL;
    const char *type = json_text_get(v, "type");
    int r;

    *ret = (struct msg_command){.args = COMMAND_ARGS_INIT};
    if (str_eq(type, "container_operation")) {
        ret->kind = COMMAND_KIND_OPERATION;
    } else if (str_eq(type, "command")) {
        ret->kind = COMMAND_KIND_COMMAND;
    } else {
        return error_set(err, -ENOMSG, "not a command: type \"%s\"", type ? type : "");
    }

    merged = merge(v);
    ret->id = find_id(v);
    ret->name = find_name(ret->kind, merged);
    ret->operation = operation_find(ret->kind, ret->name);
    ret->payload = json_incref(json_object_get(v, "payload"));

    if (*ret->name == '\0') {
        return codec_error(err, -EINVAL, ret->kind == COMMAND_KIND_OPERATION ? "action" : "command",
                           "Field required");
    }
    r = decode_args(merged, &ret->args, err);
    return r < 0 ? error_wrap(err, -EINVAL, "%s", ret->name) : 0;
}

void msg_command_done(struct msg_command *m)
{
    free(TAKE_PTR(m->id));
    free(TAKE_PTR(m->name));
    codec_done(fields, ARRAY_LEN(fields), &m->args);
    json_decref(TAKE_PTR(m->payload));
}

json_t *msg_command_encode(enum command_kind kind,
                           const char *id,
                           const char *name,
                           const json_t *payload)
{
    bool is_operation = kind == COMMAND_KIND_OPERATION;
    json_t *fields_out = json_object();
    json_t *o = json_object();

    if (payload && json_object_update(fields_out, (json_t *)(uintptr_t)payload) < 0)
        abort(); /* out of memory */
    if (is_operation) {
        json_text_set(fields_out, "action", json_text_str(name));
        json_text_set(fields_out, "correlation_id", json_text_str(id));
    }

    json_text_set(o, "type", json_text_str(is_operation ? "container_operation" : "command"));
    json_text_set(o, "id", json_text_str(id));
    json_text_set(o, "correlation_id", json_text_str(id));
    if (!is_operation)
        json_text_set(o, "command", json_text_str(name));
    json_text_set(o, "payload", fields_out);
    return o;
}

json_t *command_args_encode(const struct command_args *a)
{
    json_t *o = codec_encode(fields, ARRAY_LEN(fields), a);

    if (a->timeout_s == COMMAND_DEFAULT_TIMEOUT_S)
        (void)json_object_del(o, "timeout");
    if (a->tail != COMMAND_DEFAULT_TAIL)
        json_text_set(o, "tail", json_integer(a->tail));
    return o;
}
