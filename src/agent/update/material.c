#include "agent/update/material.h"
#include "agent/update/submounts.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "docker/engine.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>

#define LEGACY_MINOR 51 /* the last API version that shows a MAC address set by the user */
#define MAX_LIST     ((size_t)64 << 20)
#define MAX_INSPECTS 8 /* at a time */

struct inspect_slot {
    struct material_call *owner;
    struct engine_call *call;
    size_t index; /* in the list of containers */
};

struct material_call {
    struct material *s;
    struct material_options o;
    char *container, *new_image, *platform;
    unsigned step; /* the row of the table that is next or under way */
    bool is_by_id; /* the reference of the own image is its id */
    bool has_ended;
    struct engine_call *call;
    struct probe_wait *probe;
    struct loop_timer deadline;
    /* The containers of the host. */
    json_t *ids;
    json_t *inspects; /* null where there is none (yet) */
    size_t n_started, n_ended;
    struct inspect_slot slots[MAX_INSPECTS];
};

/* A step: it fills the member, unless it is set, by a request or by a function. */
struct step {
    size_t member;
    /* Text of the path, to be freed; NULL: there is nothing to ask for. */
    char *(*make_path)(const struct material_call *c);
    /* Instead of a request; the result is that of ask(). */
    int (*run)(struct material_call *c, struct error *err);
    unsigned part;
    json_type type;
    unsigned max_api_minor;
    bool is_optional; /* a refusal of the engine leaves the member NULL */
};

/* Results beside a negative errno. */
enum { STEP_WAITS, STEP_IS_OVER };

static void advance(struct material_call *c);

void material_done(struct material *s)
{
    json_decref(s->container);
    json_decref(s->legacy);
    json_decref(s->old_image);
    json_decref(s->new_image);
    json_decref(s->probe);
    json_decref(s->info);
    json_decref(s->containers);
    json_decref(s->started);
    json_decref(s->submounts);
    json_decref(s->changes);
    free(s->image);
    *s = (struct material){0};
}

char *material_platform(const struct material *s)
{
    const json_t *descriptor = json_object_get(s->container, "ImageManifestDescriptor");
    const json_t *of_manifest = json_object_get(descriptor, "platform");
    bool has_manifest = json_is_object(of_manifest);
    const json_t *from = has_manifest ? of_manifest : s->old_image;
    const char *os = json_text_get(from, has_manifest ? "os" : "Os");
    const char *architecture = json_text_get(from, has_manifest ? "architecture" : "Architecture");
    const char *variant = json_text_get(from, has_manifest ? "variant" : "Variant");

    if (str_is_empty(os) || str_is_empty(architecture))
        return NULL;
    return xasprintf("%s/%s%s%s", os, architecture, str_is_empty(variant) ? "" : "/",
                     variant ? variant : "");
}

static const json_t *get_config(const json_t *image)
{
    const json_t *config = json_object_get(image, "Config");

    return json_is_object(config) ? config : NULL;
}

void material_set_old_config(struct material *s, const json_t *config)
{
    if (s->old_image || !json_is_object(config))
        return;
    s->old_image = json_object();
    json_text_set(s->old_image, "Config", json_incref((json_t *)(uintptr_t)config));
}

struct plan_source material_source(const struct material *s, bool has_consent)
{
    return (struct plan_source){
        .container = s->container,
        .legacy = s->legacy,
        .old_config = get_config(s->old_image),
        .new_config = get_config(s->new_image),
        .probe = s->probe,
        .started = s->started,
        .containers = s->containers,
        .submounts = s->submounts,
        .host_name = json_text_get(s->info, "Name"),
        .image = s->image,
        .image_id = json_text_get(s->new_image, "Id"),
        .api_minor = s->api_minor,
        .is_podman = s->is_podman,
        .has_consent = has_consent,
    };
}

static void store(json_t *to, const char *key, const json_t *value)
{
    if (value)
        json_text_set(to, key, json_incref((json_t *)(uintptr_t)value));
}

json_t *material_store(const struct material *s)
{
    json_t *stored = json_object();

    store(stored, "container", s->container);
    store(stored, "old_config", get_config(s->old_image));
    store(stored, "new_config", get_config(s->new_image));
    store(stored, "probe", s->probe);
    return stored;
}

static void free_call(struct material_call *c)
{
    loop_timer_stop(&c->deadline);
    engine_call_cancel(TAKE_PTR(c->call));
    probe_wait_cancel(TAKE_PTR(c->probe));
    for (size_t i = 0; i < MAX_INSPECTS; i++)
        engine_call_cancel(TAKE_PTR(c->slots[i].call));
    json_decref(c->ids);
    json_decref(c->inspects);
    free(c->container);
    free(c->new_image);
    free(c->platform);
    free(c);
}

void material_cancel(struct material_call *c)
{
    if (c && !c->has_ended)
        free_call(c);
}

static void end(struct material_call *c, int code, int status, const char *message)
{
    c->has_ended = true;
    c->o.done(c->o.owner, code, status, message);
    free_call(c);
}

static void on_deadline(struct loop_timer *t)
{
    struct material_call *c = CONTAINER_OF(t, struct material_call, deadline);
    struct error err = ERROR_INIT;

    error_set(&err, -ETIMEDOUT, "the engine did not describe container %s in time", c->container);
    end(c, err.code, 0, err.msg); /* c is gone now */
}

static bool is_connection_lost(int code)
{
    return code == -ENOTCONN || code == -ECONNRESET;
}

/* --- paths --- */

static char *make_container_path(const struct material_call *c)
{
    return xasprintf("/containers/%s/json", c->container);
}

static char *make_legacy_path(const struct material_call *c)
{
    return c->s->api_minor > LEGACY_MINOR ? make_container_path(c) : NULL;
}

static const char *get_own_image(const struct material_call *c)
{
    return json_text_get(c->s->container, "Image");
}

static char *make_old_image_path(const struct material_call *c)
{
    const char *id = get_own_image(c);

    return str_is_image_ref(id) ? xasprintf("/images/%s/json", id) : NULL;
}

/* The reference that the new container is created from. */
static const char *get_reference(const struct material_call *c)
{
    const char *own = json_text_get(json_object_get(c->s->container, "Config"), "Image");

    if (!str_is_empty(c->new_image))
        return c->new_image;
    return c->is_by_id || !str_is_image_ref(own) ? get_own_image(c) : own;
}

static char *make_new_image_path(const struct material_call *c)
{
    const char *reference = get_reference(c);

    return str_is_image_ref(reference) ? xasprintf("/images/%s/json", reference) : NULL;
}

static char *make_info_path(const struct material_call *c)
{
    (void)c;
    return xstrdup("/info");
}

static char *make_changes_path(const struct material_call *c)
{
    return xasprintf("/containers/%s/changes", c->container);
}

/* --- the probe --- */

static void on_probe(void *owner, const json_t *json, const char *message)
{
    struct material_call *c = owner;

    (void)message; /* the plan says that there is none */
    c->probe = NULL;
    c->s->probe = json_incref((json_t *)(uintptr_t)json);
    c->step++;
    advance(c); /* c may be gone now */
}

static int ask_probe(struct material_call *c, struct error *err)
{
    _cleanup_free_ char *platform = material_platform(c->s);
    const char *id = json_text_get(c->s->new_image, "Id");

    (void)err;
    if (!c->o.probes || !id)
        return STEP_IS_OVER;
    probes_ask(&c->probe, c->o.probes,
               &(struct probe_request){.image = c->s->image,
                                       .image_id = id,
                                       .platform = c->platform ? c->platform : platform},
               on_probe, c);
    return STEP_WAITS;
}

/* --- the containers of the host --- */

static void copy_members(const json_t *from, json_t *to, const char *const *keys)
{
    for (; *keys; keys++) {
        json_t *v = json_object_get(from, *keys);

        if (v)
            json_text_set(to, *keys, json_incref(v));
    }
}

static json_t *copy_labels(json_t *labels)
{
    json_t *ret = json_object(), *v;
    const char *key;

    json_object_foreach(labels, key, v)
    {
        if (str_starts_with(key, "com.docker.compose.") || str_starts_with(key, "dockmon."))
            json_text_set(ret, key, json_incref(v));
    }
    return ret;
}

static json_t *copy_networks(json_t *networks)
{
    json_t *ret = json_object(), *endpoint;
    const char *key;

    json_object_foreach(networks, key, endpoint)
    {
        json_t *links = json_object_get(endpoint, "Links"), *copy = json_object();

        json_text_set(copy, "Links", json_incref(links));
        json_text_set(ret, key, copy);
    }
    return ret;
}

/* Of 5,000 inspects only those members are kept that are read. */
static json_t *reduce(const json_t *inspect)
{
    static const char *const top[] = {"Id", "Name", "Image", NULL};
    static const char *const state_keys[] = {"Status",    "Running",    "Restarting",
                                             "StartedAt", "FinishedAt", NULL};
    static const char *const host_keys[] = {
        "NetworkMode", "PidMode",       "IpcMode", "VolumesFrom",    "Links",
        "AutoRemove",  "RestartPolicy", "Runtime", "DeviceRequests", NULL};
    json_t *ret = json_object(), *state = json_object(), *host = json_object();
    json_t *config = json_object(), *settings = json_object();
    const json_t *of_settings = json_object_get(inspect, "NetworkSettings");

    copy_members(inspect, ret, top);
    copy_members(json_object_get(inspect, "State"), state, state_keys);
    copy_members(json_object_get(inspect, "HostConfig"), host, host_keys);
    json_text_set(config, "Labels",
                  copy_labels(json_object_get(json_object_get(inspect, "Config"), "Labels")));
    json_text_set(settings, "Networks", copy_networks(json_object_get(of_settings, "Networks")));
    json_text_set(ret, "State", state);
    json_text_set(ret, "HostConfig", host);
    json_text_set(ret, "Config", config);
    json_text_set(ret, "NetworkSettings", settings);
    return ret;
}

/* Drops the places of containers that were removed meanwhile. */
static void finish_host(struct material_call *c)
{
    json_t *v;
    size_t i;

    c->s->containers = json_array();
    json_array_foreach(c->inspects, i, v)
    {
        if (json_is_object(v) && json_array_append(c->s->containers, v) < 0)
            abort(); /* out of memory */
    }
    c->step++;
    advance(c); /* c may be gone now */
}

static void inspect_next(struct material_call *c);

static void keep_inspect(struct material_call *c, size_t index, const json_t *inspect)
{
    const json_t *state = json_object_get(inspect, "State");

    if (json_array_set_new(c->inspects, index, reduce(inspect)) < 0)
        abort(); /* out of memory */
    if (c->s->is_podman && !c->s->started && json_is_true(json_object_get(state, "Running")))
        c->s->started = json_incref((json_t *)(uintptr_t)inspect);
}

static void on_inspect(void *owner, const struct engine_reply *reply)
{
    struct inspect_slot *slot = owner;
    struct material_call *c = slot->owner;

    slot->call = NULL;
    if (is_connection_lost(reply->code)) {
        end(c, reply->code, reply->status, reply->message); /* c is gone now */
        return;
    }
    if (json_is_object(reply->json))
        keep_inspect(c, slot->index, reply->json);
    c->n_ended++;
    inspect_next(c); /* c may be gone now */
}

static int start_inspect(struct material_call *c, struct inspect_slot *slot, struct error *err)
{
    const char *id = json_string_value(json_array_get(c->ids, c->n_started));
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", id);

    slot->owner = c;
    slot->index = c->n_started++;
    return engine_call_start(
        &slot->call, c->o.engine,
        &(struct engine_request){
            .path = path, .wants_json = true, .done = on_inspect, .owner = slot},
        err);
}

static void inspect_next(struct material_call *c)
{
    size_t n = json_array_size(c->ids);
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < MAX_INSPECTS && c->n_started < n; i++) {
        if (!c->slots[i].call && start_inspect(c, &c->slots[i], &err) < 0) {
            end(c, err.code, 0, err.msg); /* c is gone now */
            return;
        }
    }
    if (c->n_ended == n)
        finish_host(c); /* c may be gone now */
}

static void on_list(void *owner, const struct engine_reply *reply)
{
    struct material_call *c = owner;
    const json_t *entry;
    size_t i;

    c->call = NULL;
    if (reply->code < 0) {
        end(c, reply->code, reply->status, reply->message); /* c is gone now */
        return;
    }
    if (json_array_size(reply->json) > MATERIAL_MAX_CONTAINERS) {
        end(c, -EMSGSIZE, 0, "the host has more than 5000 containers"); /* c is gone now */
        return;
    }
    c->ids = json_array();
    c->inspects = json_array();
    json_array_foreach(reply->json, i, entry)
    {
        const char *id = json_text_get(entry, "Id");

        if (str_is_hex(id ? id : "", CONTAINER_ID_LEN) &&
            (json_array_append_new(c->ids, json_text_str(id)) < 0 ||
             json_array_append_new(c->inspects, json_null()) < 0))
            abort(); /* out of memory */
    }
    inspect_next(c); /* c may be gone now */
}

static int list_containers(struct material_call *c, struct error *err)
{
    return engine_call_start(&c->call, c->o.engine,
                             &(struct engine_request){.path = "/containers/json?all=1",
                                                      .max_body = MAX_LIST,
                                                      .wants_json = true,
                                                      .done = on_list,
                                                      .owner = c},
                             err);
}

static int read_submounts(struct material_call *c, struct error *err)
{
    (void)err;
    c->s->submounts = submounts_read(c->s->container, c->o.root ? c->o.root : "");
    return STEP_IS_OVER;
}

/* --- the steps --- */

#define MEMBER(name) offsetof(struct material, name)

static const struct step steps[] = {
    {MEMBER(container),  make_container_path, NULL,            MATERIAL_CONTAINER, JSON_OBJECT, 0,            false},
    {MEMBER(legacy),     make_legacy_path,    NULL,            MATERIAL_CONTAINER, JSON_OBJECT, LEGACY_MINOR, true },
    {MEMBER(old_image),  make_old_image_path, NULL,            MATERIAL_CONTAINER, JSON_OBJECT, 0,            true },
    {MEMBER(new_image),  make_new_image_path, NULL,            MATERIAL_IMAGE,     JSON_OBJECT, 0,            false},
    {MEMBER(probe),      NULL,                ask_probe,       MATERIAL_IMAGE,     JSON_OBJECT, 0,            true },
    {MEMBER(info),       make_info_path,      NULL,            MATERIAL_HOST,      JSON_OBJECT, 0,            false},
    {MEMBER(containers), NULL,                list_containers, MATERIAL_HOST,      JSON_ARRAY,  0,            false},
    {MEMBER(submounts),  NULL,                read_submounts,  MATERIAL_HOST,      JSON_ARRAY,  0,            true },
    {MEMBER(changes),    make_changes_path,   NULL,            MATERIAL_CHANGES,   JSON_ARRAY,  0,            true },
};

static json_t **get_member(const struct material_call *c, const struct step *step)
{
    return (json_t **)(void *)((char *)c->s + step->member);
}

/*
 * The own reference of a dependent may mean another image by now; then it is created from the id
 * of the image that it has. True: the step is repeated with that.
 */
static bool must_repeat(struct material_call *c, const struct step *step, const json_t *json)
{
    if (step->member != MEMBER(new_image) || !str_is_empty(c->new_image) || c->is_by_id ||
        str_eq(json_text_get(json, "Id"), get_own_image(c)))
        return false;
    c->is_by_id = true;
    return true;
}

static void on_reply(void *owner, const struct engine_reply *reply)
{
    struct material_call *c = owner;
    const struct step *step = &steps[c->step];
    bool is_refusal = reply->code < 0 && !is_connection_lost(reply->code);

    c->call = NULL;
    if (reply->code == -ENOENT && must_repeat(c, step, NULL)) {
        advance(c); /* c may be gone now */
        return;
    }
    if (reply->code < 0 && !(is_refusal && step->is_optional)) {
        end(c, reply->code, reply->status, reply->message); /* c is gone now */
        return;
    }
    if (reply->code == 0 && must_repeat(c, step, reply->json)) {
        advance(c); /* c may be gone now */
        return;
    }
    if (reply->json && json_typeof(reply->json) == step->type) {
        *get_member(c, step) = json_incref((json_t *)(uintptr_t)reply->json);
    } else if (reply->code == 0 && !step->is_optional) {
        end(c, -EPROTO, 0, "docker engine sent an unexpected answer"); /* c is gone now */
        return;
    }
    c->step++;
    advance(c); /* c may be gone now */
}

/* Starts a request, whose callback goes on; STEP_IS_OVER: there is nothing to ask for. */
static int ask(struct material_call *c, const struct step *step, struct error *err)
{
    _cleanup_free_ char *path = step->make_path(c);

    if (!path)
        return STEP_IS_OVER;
    return engine_call_start(&c->call, c->o.engine,
                             &(struct engine_request){.path = path,
                                                      .max_api_minor = step->max_api_minor,
                                                      .wants_json = true,
                                                      .done = on_reply,
                                                      .owner = c},
                             err);
}

static void note_engine(struct material_call *c)
{
    c->s->api_minor = engine_api_minor(c->o.engine);
    c->s->is_podman = engine_is_podman(c->o.engine);
    if (c->s->new_image && !c->s->image)
        c->s->image = xstrdup(get_reference(c));
}

static void advance(struct material_call *c)
{
    struct error err = ERROR_INIT;

    for (; c->step < ARRAY_LEN(steps); c->step++) {
        const struct step *step = &steps[c->step];
        int r;

        note_engine(c);
        if (!(step->part & c->o.parts) || *get_member(c, step))
            continue;
        r = step->run ? step->run(c, &err) : ask(c, step, &err);
        if (r == STEP_WAITS)
            return;
        if (r == STEP_IS_OVER && !step->is_optional)
            r = error_set(&err, -EINVAL, "the image of the container has no valid reference");
        if (r < 0) {
            end(c, r, 0, err.msg); /* c is gone now */
            return;
        }
    }
    note_engine(c);
    end(c, 0, 0, ""); /* c is gone now */
}

static void on_start(struct loop_timer *t)
{
    struct material_call *c = CONTAINER_OF(t, struct material_call, deadline);

    loop_timer_start(engine_loop(c->o.engine), &c->deadline,
                     c->o.timeout_ms ? c->o.timeout_ms : MATERIAL_TIMEOUT_MS, on_deadline);
    advance(c); /* c may be gone now */
}

int material_start(struct material_call **ret,
                   struct material *s,
                   const struct material_options *o,
                   struct error *err)
{
    struct material_call *c;

    if (!str_is_container_ref(o->container))
        return error_set(err, -EINVAL, "the id of the container is invalid");
    if (!str_is_empty(o->new_image) && !str_is_image_ref(o->new_image))
        return error_set(err, -EINVAL, "the reference of the image is invalid");
    c = xcalloc(1, sizeof(*c));
    c->s = s;
    c->o = *o;
    c->container = xstrdup(o->container);
    c->new_image = xstrdup(o->new_image);
    c->platform = str_is_empty(o->platform) ? NULL : xstrdup(o->platform);
    loop_timer_start(engine_loop(o->engine), &c->deadline, 0, on_start);
    *ret = c;
    return 0;
}
