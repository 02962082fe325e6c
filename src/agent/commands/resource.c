#include "agent/commands/resource.h"
#include "agent/commands/resource_flow.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_BODY ((size_t)64 << 20)
#define SHORT_ID 12

static const struct {
    const char *command;
    resource_flow_fn flow;
} flows[] = {
    {"list_images",    images_list    },
    {"remove_image",   images_remove  },
    {"prune_images",   images_prune   },
    {"list_networks",  networks_list  },
    {"create_network", networks_create},
    {"delete_network", networks_delete},
    {"prune_networks", networks_prune },
    {"list_volumes",   volumes_list   },
    {"create_volume",  volumes_create },
    {"delete_volume",  volumes_delete },
    {"prune_volumes",  volumes_prune  },
};

static resource_flow_fn flow_find(const char *command)
{
    for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
        if (str_eq(flows[i].command, command))
            return flows[i].flow;
    }
    return NULL;
}

static void resource_free(struct resource *f)
{
    engine_call_cancel(f->call);
    resource_args_done(&f->args);
    json_decref(f->object);
    json_decref(f->payload);
    free(f);
}

static void finish(struct resource *f, int code, const char *message)
{
    f->is_done = true;
    f->o.done(f->o.owner,
              &(struct resource_result){
                  .code = code, .status = f->status, .message = message, .payload = f->payload});
    resource_free(f); /* f is gone now */
}

static void on_reply(void *owner, const struct engine_reply *reply)
{
    struct resource *f = owner;
    bool is_tolerant = f->is_tolerant;
    struct error err = ERROR_INIT;
    int r;

    f->call = NULL;
    f->is_tolerant = false;
    if (reply->code < 0 && !is_tolerant) {
        f->status = reply->status;
        finish(f, reply->code, reply->message);
        return;
    }
    r = f->flow(f, reply, &err);
    if (r < 0) {
        finish(f, r, err.msg);
    } else if (!f->call) {
        assert(f->payload);
        finish(f, 0, "");
    }
}

int resource_ask(struct resource *f, struct resource_question question, struct error *err)
{
    _cleanup_free_ char *path = question.path;
    _cleanup_free_ char *body = question.body ? json_text_write(question.body, NULL) : NULL;

    json_decref(question.body);
    return engine_call_start(&f->call, f->o.engine,
                             &(struct engine_request){.method = question.method,
                                                      .path = path,
                                                      .body = body,
                                                      .timeout_ms = f->o.timeout_ms,
                                                      .max_body = MAX_BODY,
                                                      .done = on_reply,
                                                      .owner = f},
                             err);
}

int resource_read(const struct engine_reply *reply, json_type type, json_t **ret, struct error *err)
{
    struct checked_text text;
    json_t *v;
    int r;

    r = checked_text_init(&text, reply->body, reply->size, err);
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

static int describe_all(struct resource *f,
                        const struct resource_list *list,
                        const struct engine_reply *reply,
                        struct error *err)
{
    const json_t *objects = list->member ? json_object_get(f->object, list->member) : f->object;
    struct checked_text text;
    struct usage usage;
    int r;

    r = checked_text_init(&text, reply->body, reply->size, err);
    if (r < 0)
        return r;
    usage_init(&usage, list->usage, checked_text_span(&text));
    f->payload = json_array();
    for (size_t i = 0; i < json_array_size(objects); i++) {
        if (json_array_append_new(f->payload, list->describe(json_array_get(objects, i), &usage)))
            abort(); /* out of memory */
    }
    usage_done(&usage);
    checked_text_done(&text);
    return 0;
}

int resource_list_next(struct resource *f,
                       const struct resource_list *list,
                       const struct engine_reply *reply,
                       struct error *err)
{
    enum { OBJECTS, CONTAINERS, DESCRIBE };
    int r;

    switch (f->step++) {
    case OBJECTS:
        return resource_ask(f, (struct resource_question){.path = xstrdup(list->path)}, err);
    case CONTAINERS:
        r = resource_read(reply, list->member ? JSON_OBJECT : JSON_ARRAY, &f->object, err);
        if (r < 0)
            return r;
        return resource_ask(
            f, (struct resource_question){.path = xstrdup("/containers/json?all=1")}, err);
    case DESCRIBE: return describe_all(f, list, reply, err);
    default: abort();
    }
}

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
    return json_text_string(id, strnlen(id, SHORT_ID));
}

void resource_set_users(json_t *o, json_t *users)
{
    json_text_set(o, "container_count", json_integer((json_int_t)json_array_size(users)));
    json_text_set(o, "containers", users);
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

int resource_start(struct resource **ret, const struct resource_options *o, struct error *err)
{
    struct resource *f = xcalloc(1, sizeof(*f));
    int r;

    f->o = *o;
    f->o.command = NULL;
    f->o.payload = NULL;
    f->flow = flow_find(o->command);
    r = resource_args_decode(o->command, o->payload, &f->args, err);
    if (r == 0)
        r = f->flow(f, NULL, err);
    if (r < 0) {
        resource_free(f);
        return r;
    }
    assert(f->call);
    *ret = f;
    return 0;
}

void resource_cancel(struct resource *f)
{
    if (f && !f->is_done)
        resource_free(f);
}
