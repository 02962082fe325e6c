#include "agent/update/survey.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/random.h"
#include "base/str.h"
#include "proto/engine_error.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEGACY_MINOR 51 /* the last API version whose inspect has the MAC address of the user */
#define READ_MS      15000
#define PROBE_MS     60000
#define MAX_BODY     ((size_t)16 << 20)
#define MAX_REPLY    1024

enum survey_step {
    SURVEY_INSPECT,
    SURVEY_LEGACY,
    SURVEY_OLD_IMAGE,
    SURVEY_NEW_IMAGE,
    SURVEY_INFO,
    SURVEY_PROBE,
    SURVEY_PROBE_INSPECT,
    SURVEY_PROBE_REMOVE,
    SURVEY_END
};

struct survey {
    struct survey_options o;
    struct engine_call *call;
    struct loop_timer failure; /* of a request that could not be sent */
    enum survey_step step;
    json_t *source;
    char *probe; /* its id */
    bool has_ended;
};

static void destroy(struct survey *s)
{
    loop_timer_stop(&s->failure);
    engine_call_cancel(s->call);
    json_decref(s->source);
    free(s->probe);
    free(s);
}

void survey_free(struct survey *s)
{
    if (s && !s->has_ended)
        destroy(s);
}

static void end(struct survey *s, const struct survey_result *result)
{
    s->has_ended = true;
    s->o.done(s->o.owner, result);
    destroy(s);
}

static void fail(struct survey *s, int code, int reason, const char *message)
{
    end(s, &(struct survey_result){.code = code, .reason = reason, .message = message});
}

static void on_failure(struct loop_timer *t)
{
    struct survey *s = CONTAINER_OF(t, struct survey, failure);

    fail(s, -ENOTCONN, CODE_ENGINE_UNREACHABLE, "the engine cannot be asked");
}

static const json_t *get_container(const struct survey *s)
{
    return json_object_get(s->source, "container");
}

static const char *get_new_image(const struct survey *s)
{
    return json_text_get(s->source, "image");
}

/* --- what the replies say --- */

static void keep(struct survey *s, const char *key, const json_t *value)
{
    json_text_set(s->source, key, value ? json_incref((json_t *)(uintptr_t)value) : json_null());
}

/* Without a reference of its own a container gets its present image again, by the name if that still means it. */
static void take_container(struct survey *s, const json_t *inspect)
{
    const char *image = s->o.image;

    if (!image)
        image = json_text_get(json_object_get(inspect, "Config"), "Image");
    keep(s, "container", inspect);
    json_text_set(s->source, "image", json_text_str(image));
}

static void take_new_image(struct survey *s, const json_t *image)
{
    const char *present = json_text_get(get_container(s), "Image");

    json_text_set(s->source, "image_id", json_text_str(json_text_get(image, "Id")));
    keep(s, "new_config", json_object_get(image, "Config"));
    if (!s->o.image && !str_eq(json_text_get(image, "Id"), present)) {
        /* The name belongs to another image by now. */
        json_text_set(s->source, "image", json_text_str(present));
        json_text_set(s->source, "image_id", json_text_str(present));
        keep(s, "new_config", json_object_get(s->source, "old_config"));
    }
}

static int take_probe(struct survey *s, const json_t *answer)
{
    const char *id = json_text_get(answer, "Id");

    if (!id || !str_is_hex(id, CONTAINER_ID_LEN))
        return -EPROTO;
    s->probe = xstrdup(id);
    return 0;
}

static int take(struct survey *s, const json_t *reply)
{
    switch (s->step) {
    case SURVEY_INSPECT: take_container(s, reply); return 0;
    case SURVEY_LEGACY: keep(s, "legacy", reply); return 0;
    case SURVEY_OLD_IMAGE: keep(s, "old_config", json_object_get(reply, "Config")); return 0;
    case SURVEY_NEW_IMAGE: take_new_image(s, reply); return 0;
    case SURVEY_INFO: keep(s, "host_name", json_object_get(reply, "Name")); return 0;
    case SURVEY_PROBE: return take_probe(s, reply);
    case SURVEY_PROBE_INSPECT: keep(s, "probe", reply); return 0;
    case SURVEY_PROBE_REMOVE:
    case SURVEY_END: break;
    }
    return 0;
}

/* --- the requests --- */

static void ask_next(struct survey *s);

static void explain(struct survey *s, const struct engine_reply *reply)
{
    char text[MAX_REPLY];
    enum error_code code = engine_error_code(reply->code, reply->status, reply->message);

    (void)snprintf(text, sizeof(text), "%s", reply->message);
    str_mend(text);
    fail(s, reply->code, (int)code, text);
}

/* The image that the container runs may be gone; plan_make() decides whether that matters. */
static bool may_fail(const struct survey *s, const struct engine_reply *reply)
{
    return s->step == SURVEY_PROBE_REMOVE ||
           (s->step == SURVEY_OLD_IMAGE && reply->code == -ENOENT);
}

static void on_reply(void *owner, const struct engine_reply *reply)
{
    struct survey *s = owner;

    s->call = NULL;
    if (reply->code < 0 && !may_fail(s, reply)) {
        explain(s, reply);
        return;
    }
    if (take(s, reply->json) < 0) {
        fail(s, -EPROTO, CODE_BAD_REPLY, "the engine's answer cannot be read");
        return;
    }
    s->step++;
    ask_next(s);
}

static void ask(struct survey *s, struct engine_request *request)
{
    request->done = on_reply;
    request->owner = s;
    request->max_body = MAX_BODY;
    if (!request->timeout_ms)
        request->timeout_ms = READ_MS;
    if (engine_call_start(&s->call, s->o.engine, request, NULL) < 0)
        loop_timer_start(engine_loop(s->o.engine), &s->failure, 0, on_failure);
}

static void ask_image(struct survey *s, const char *ref)
{
    _cleanup_free_ char *path = NULL;

    if (!ref || !str_is_image_ref(ref)) {
        loop_timer_start(engine_loop(s->o.engine), &s->failure, 0, on_failure);
        return;
    }
    path = xasprintf("/images/%s/json", ref);
    ask(s, &(struct engine_request){.path = path, .wants_json = true});
}

static void ask_probe(struct survey *s)
{
    json_auto_t *body = json_object();
    json_t *labels = json_object();
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *path = NULL, *random = random_token(6);

    json_text_set(labels, PROBE_LABEL, json_text_str("true"));
    json_text_set(body, "Labels", labels);
    json_text_set(body, "Image", json_incref(json_object_get(s->source, "image_id")));
    /* An image without a command is accepted only with one. */
    if (json_array_size(json_object_get(json_object_get(s->source, "new_config"), "Cmd")) == 0 &&
        json_array_size(json_object_get(json_object_get(s->source, "new_config"), "Entrypoint")) ==
            0)
        json_text_set(body, "Cmd", json_pack("[s]", "true"));
    text = json_text_write(body, NULL);
    path = xasprintf("/containers/create?name=dockmon-probe-%s", random);
    ask(s, &(struct engine_request){.method = "POST",
                                    .path = path,
                                    .body = text,
                                    .wants_json = true,
                                    .timeout_ms = PROBE_MS});
}

static void ask_container(struct survey *s, const char *id, unsigned api_minor)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", id);

    ask(s, &(struct engine_request){.path = path, .wants_json = true, .max_api_minor = api_minor});
}

static void ask_removal(struct survey *s)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s?v=%d", s->probe,
                                          !engine_is_podman(s->o.engine));

    ask(s, &(struct engine_request){.method = "DELETE", .path = path, .timeout_ms = PROBE_MS});
}

static void finish(struct survey *s)
{
    json_text_set(s->source, "api_minor", json_integer(engine_api_minor(s->o.engine)));
    json_text_set(s->source, "is_podman", json_boolean(engine_is_podman(s->o.engine)));
    json_text_set(s->source, "has_consent", json_boolean(s->o.has_consent));
    end(s, &(struct survey_result){.source = TAKE_PTR(s->source)});
}

static void ask_next(struct survey *s)
{
    if (s->step == SURVEY_LEGACY && engine_api_minor(s->o.engine) <= LEGACY_MINOR)
        s->step++;
    switch (s->step) {
    case SURVEY_INSPECT: ask_container(s, s->o.container, 0); return;
    case SURVEY_LEGACY: ask_container(s, s->o.container, LEGACY_MINOR); return;
    case SURVEY_OLD_IMAGE: ask_image(s, json_text_get(get_container(s), "Image")); return;
    case SURVEY_NEW_IMAGE: ask_image(s, get_new_image(s)); return;
    case SURVEY_INFO: ask(s, &(struct engine_request){.path = "/info", .wants_json = true}); return;
    case SURVEY_PROBE: ask_probe(s); return;
    case SURVEY_PROBE_INSPECT: ask_container(s, s->probe, 0); return;
    case SURVEY_PROBE_REMOVE: ask_removal(s); return;
    case SURVEY_END: finish(s); return;
    }
}

/* Ids and names are enough to resolve references, and the journal stores them. */
static json_t *reduce_containers(const json_t *containers)
{
    json_t *all = json_array();
    size_t i;
    json_t *one;

    json_array_foreach(containers, i, one)
    {
        json_t *reduced = json_object();

        json_text_set(reduced, "Id", json_incref(json_object_get(one, "Id")));
        json_text_set(reduced, "Name", json_incref(json_object_get(one, "Name")));
        if (json_array_append_new(all, reduced) < 0)
            abort(); /* out of memory */
    }
    return all;
}

/* Podman shows the default limits of a container only when it was started. */
static const json_t *find_started(const json_t *containers)
{
    size_t i;
    json_t *one;

    json_array_foreach(containers, i, one)
    {
        if (json_is_true(json_object_get(json_object_get(one, "State"), "Running")))
            return one;
    }
    return NULL;
}

struct survey *survey_start(const struct survey_options *o)
{
    struct survey *s = xcalloc(1, sizeof(*s));
    const json_t *started = engine_is_podman(o->engine) ? find_started(o->containers) : NULL;

    s->o = *o;
    s->source = json_object();
    json_text_set(s->source, "containers", reduce_containers(o->containers));
    if (started)
        keep(s, "started", started);
    ask_container(s, o->container, 0);
    return s;
}

static const json_t *get_object(const json_t *source, const char *key)
{
    const json_t *v = json_object_get(source, key);

    return json_is_object(v) ? v : NULL;
}

void survey_restore(struct plan_source *ret, const json_t *source)
{
    *ret = (struct plan_source){
        .container = get_object(source, "container"),
        .legacy = get_object(source, "legacy"),
        .old_config = get_object(source, "old_config"),
        .new_config = get_object(source, "new_config"),
        .probe = get_object(source, "probe"),
        .started = get_object(source, "started"),
        .containers = json_object_get(source, "containers"),
        .submounts = json_object_get(source, "submounts"),
        .host_name = json_text_get(source, "host_name"),
        .image = json_text_get(source, "image"),
        .image_id = json_text_get(source, "image_id"),
        .renamed = get_object(source, "renamed"),
        .api_minor = (unsigned)json_integer_value(json_object_get(source, "api_minor")),
        .is_podman = json_is_true(json_object_get(source, "is_podman")),
        .has_consent = json_is_true(json_object_get(source, "has_consent")),
    };
}
