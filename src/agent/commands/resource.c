#include "agent/commands/resource.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "proto/json_text.h"

#include <errno.h>
#include <string.h>

#define MAX_LABELS 4096 /* bytes of names and values */

int resource_prepare(struct operation *op, struct error *err)
{
    const struct msg_command *request = op->o.request;

    return resource_args_decode(request->operation, request->payload, &resource_of(op)->args, err);
}

void resource_release(struct operation *op)
{
    struct resource *f = resource_of(op);

    resource_args_done(&f->args);
    json_decref(f->object);
}

int resource_read(const struct operation *op, json_type type, json_t **ret, struct error *err)
{
    struct checked_text text;
    json_t *v;
    int r;

    r = checked_text_init(&text, op->reply->body, op->reply->size, err);
    if (r < 0)
        return r;
    v = json_text_parse(text.p, text.n, 0, err);
    checked_text_done(&text);
    if (!v)
        return error_wrap(err, -EPROTO, "answer of the docker engine");
    if (json_typeof(v) != type) {
        json_decref(v);
        return error_set(err, -EPROTO, "the docker engine's answer is not of the expected kind");
    }
    *ret = v;
    return 0;
}

/* --- lists --- */

const char *const resource_list_steps[] = {
    [LIST_OBJECTS] = "objects",
    [LIST_CONTAINERS] = "containers",
    [LIST_ANSWER] = "answer",
};

static int answer_list(struct resource *f, const struct resource_list *list, struct error *err)
{
    const json_t *objects = list->member ? json_object_get(f->object, list->member) : f->object;
    const struct engine_reply *reply = f->base.reply;
    struct checked_text text;
    struct usage usage;
    json_t *answer;
    int r;

    r = checked_text_init(&text, reply->body, reply->size, err);
    if (r < 0)
        return r;
    usage_init(&usage, list->usage, checked_text_span(&text));
    answer = json_array();
    for (size_t i = 0; i < json_array_size(objects); i++) {
        json_t *element = list->describe(json_array_get(objects, i), &usage);

        if (element && json_array_append_new(answer, element) < 0)
            abort(); /* out of memory */
    }
    usage_done(&usage);
    checked_text_done(&text);
    if (list->summarize)
        answer = list->summarize(answer);
    return operation_answer(&f->base, answer);
}

int resource_list_advance(struct operation *op, const struct resource_list *list, struct error *err)
{
    struct resource *f = resource_of(op);
    struct operation_request request = {0};
    int r;

    switch ((enum resource_list_step)op->step) {
    case LIST_OBJECTS:
        request.path = xstrdup(list->path);
        return operation_ask(op, LIST_CONTAINERS, request, err);
    case LIST_CONTAINERS:
        r = resource_read(op, list->member ? JSON_OBJECT : JSON_ARRAY, &f->object, err);
        if (r < 0)
            return r;
        request.path = xstrdup("/containers/json?all=1");
        return operation_ask(op, LIST_ANSWER, request, err);
    case LIST_ANSWER: return answer_list(f, list, err);
    }
    return -EINVAL;
}

/* --- objects of the engine --- */

json_t *resource_text(const json_t *object, const char *key)
{
    const char *s = json_text_get(object, key);

    return json_text_str(s ? s : "");
}

json_t *resource_time(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    char text[TIME_TEXT_SIZE];
    int64_t ns;

    if (json_is_integer(v))
        return json_text_str(time_format_ms(json_integer_value(v) * 1000, text));
    if (!json_is_string(v) || time_parse_ns(json_string_value(v), &ns) < 0)
        return json_text_str("");
    return json_text_str(time_format_ms(ns / 1000000, text));
}

json_t *resource_short_id(const char *id)
{
    if (!id)
        id = "";
    if (str_starts_with(id, "sha256:"))
        id += strlen("sha256:");
    return json_text_string(id, str_cut(id, strlen(id), CONTAINER_SHORT_ID_LEN));
}

void resource_set_users(json_t *o, json_t *users)
{
    json_text_set(o, "container_count", json_integer((json_int_t)json_array_size(users)));
    json_text_set(o, "containers", users);
}

json_t *resource_labels(const json_t *object)
{
    const json_t *labels = json_object_get(object, "Labels");
    json_t *copy = json_object();
    size_t size = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)labels, key, value)
    {
        size += strlen(key) + json_string_length(value);
        if (size > MAX_LABELS) {
            json_decref(copy);
            return json_null();
        }
        if (json_is_string(value))
            (void)json_object_set(copy, key, value);
    }
    return copy;
}

json_t *resource_texts(const json_t *array)
{
    json_t *texts = json_array();

    for (size_t i = 0; i < json_array_size(array); i++) {
        if (json_is_string(json_array_get(array, i)) &&
            json_array_append(texts, json_array_get(array, i)) < 0)
            abort(); /* out of memory */
    }
    return texts;
}

bool resource_is_builtin_network(const char *name)
{
    return str_eq(name, "bridge") || str_eq(name, "host") || str_eq(name, "none");
}

json_t *resource_make_success(void)
{
    json_t *o = json_object();

    json_text_set(o, "success", json_true());
    return o;
}
