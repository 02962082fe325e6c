#include "agent/update/preview.h"
#include "agent/update/dependents.h"
#include "agent/update/eligible.h"
#include "agent/update/preview_answer.h"
#include "agent/update/pull.h"
#include "base/alloc.h"
#include "base/str.h"
#include "docker/engine.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_MS   60000
#define READ_MS     15000
#define REGISTRY_MS 10000 /* the engine waits for its own time, which is longer */

enum preview_step {
    PREVIEW_GATHER,   /* the container and all others */
    PREVIEW_LOCK,     /* the file in the container */
    PREVIEW_LOCAL,    /* the image of that reference on this host */
    PREVIEW_REGISTRY, /* the digest that the registry has for it */
    PREVIEW_IMAGE,    /* the image that counts, and its probe */
    PREVIEW_END
};

struct preview {
    struct preview_options o;
    enum preview_step step;
    char *container, *new_image, *platform;
    json_t *auth, *old_config;
    struct material material;
    struct material_call *gathering;
    struct engine_call *call;
    struct loop_timer failure;
    json_t *dependents, *notes;
    const char *reference; /* of the new image; NULL: there is none */
    json_t *local;         /* the image that `reference` means on this host, or NULL */
    char *digest;          /* of the registry, or NULL */
    bool is_pulled;
    bool is_refused;
    struct error refused; /* the first reason */
    bool has_ended;
};

static void next(struct preview *p);

static void destroy(struct preview *p)
{
    material_cancel(TAKE_PTR(p->gathering));
    engine_call_cancel(TAKE_PTR(p->call));
    loop_timer_stop(&p->failure);
    material_done(&p->material);
    json_decref(p->dependents);
    json_decref(p->notes);
    json_decref(p->local);
    json_decref(p->auth);
    json_decref(p->old_config);
    free(p->container);
    free(p->new_image);
    free(p->platform);
    free(p->digest);
    free(p);
}

void preview_cancel(struct preview *p)
{
    if (p && !p->has_ended)
        destroy(p);
}

static void end(struct preview *p, const struct preview_result *result)
{
    p->has_ended = true;
    p->o.done(p->o.owner, result);
    destroy(p); /* p is gone now */
}

static void fail(struct preview *p, int code, int status, const char *message)
{
    end(p, &(struct preview_result){.code = code, .status = status, .message = message});
}

static void on_failure(struct loop_timer *t)
{
    fail(CONTAINER_OF(t, struct preview, failure), -ENOTCONN, 0, "the engine cannot be asked");
}

/* Not from within preview_start(), nor before `done` may run. */
static void fail_soon(struct preview *p)
{
    loop_timer_start(engine_loop(p->o.engine), &p->failure, 0, on_failure);
}

/* The preview goes on after a refusal, because the rest of it is still of use. */
static void refuse(struct preview *p, int r, const struct error *err)
{
    if (r >= 0 || p->is_refused)
        return;
    p->is_refused = true;
    p->refused = *err;
}

static void advance(struct preview *p)
{
    p->step++;
    next(p); /* p may be gone now */
}

/* --- the material --- */

static void judge_container(struct preview *p)
{
    const json_t *inspect = p->material.container;
    const char *id = json_text_get(inspect, "Id"), *name = eligible_get_name(inspect);
    struct error err = ERROR_INIT;
    size_t i;
    json_t *one;

    refuse(p, eligible_check_own(p->o.own_container, id ? id : "", name, &err), &err);
    if (!p->o.ignores_lock)
        refuse(p, eligible_check_label(inspect, &err), &err);
    refuse(p, eligible_choose_image(inspect, p->new_image, &p->reference, &err), &err);
    refuse(p, dependents_find(&p->dependents, p->material.containers, id ? id : "", &err), &err);
    json_array_foreach(p->dependents, i, one)
    {
        const char *other = json_text_get(one, "id");

        refuse(p,
               eligible_check_own(p->o.own_container, other ? other : "",
                                  json_text_get(one, "name"), &err),
               &err);
    }
    if (!p->platform)
        p->platform = material_platform(&p->material);
}

static void on_gathered(void *owner, int code, int status, const char *message)
{
    struct preview *p = owner;

    p->gathering = NULL;
    if (code < 0) {
        fail(p, code, status, message);
        return;
    }
    if (p->step == PREVIEW_GATHER)
        judge_container(p);
    advance(p);
}

static void gather(struct preview *p, unsigned parts)
{
    struct error err = ERROR_INIT;

    if (material_start(&p->gathering, &p->material,
                       &(struct material_options){.engine = p->o.engine,
                                                  .probes = p->o.probes,
                                                  .container = p->container,
                                                  .new_image = p->is_pulled ? p->reference : NULL,
                                                  .platform = p->platform,
                                                  .parts = parts,
                                                  .timeout_ms = GATHER_MS,
                                                  .done = on_gathered,
                                                  .owner = p},
                       &err) < 0)
        fail_soon(p);
}

/* --- the lock, and the image --- */

static bool has_digest(const json_t *image, const char *digest)
{
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(image, "RepoDigests"), i, one)
    {
        const char *text = json_string_value(one), *at = text ? strchr(text, '@') : NULL;

        if (at && digest && strcmp(at + 1, digest) == 0)
            return true;
    }
    return false;
}

/* The registry has another image than this host, and nothing is pulled for a preview. */
static void note_unpulled(struct preview *p)
{
    preview_add_note(p->notes, "image_not_pulled",
                     "the registry has an image that is not on this host yet: its settings, age "
                     "and size are known once it is pulled");
}

static void choose(struct preview *p)
{
    p->is_pulled = p->local && (!p->digest || has_digest(p->local, p->digest));
    if (!p->is_pulled)
        note_unpulled(p);
}

static void take_registry(struct preview *p, const struct engine_reply *reply)
{
    const char *digest = json_text_get(json_object_get(reply->json, "Descriptor"), "digest");
    _cleanup_free_ char *text = NULL;

    if (reply->code == 0 && digest && strlen(digest) < 128) {
        p->digest = xstrdup(digest);
        return;
    }
    text = xasprintf("the registry was not asked successfully, so the image of this host counts: "
                     "%s",
                     reply->message);
    preview_add_note(p->notes, "registry_unknown", text);
}

static void fail_without_image(struct preview *p, const struct engine_reply *reply)
{
    _cleanup_free_ char *text = xasprintf("image %s is not on this host, and its registry answers: "
                                          "%s",
                                          p->reference, reply->message);

    end(p, &(struct preview_result){.code = reply->code,
                                    .reason = reply->code == -ENOENT ? CODE_NO_SUCH_IMAGE
                                                                     : CODE_PULL_FAILED,
                                    .message = text});
}

static void on_reply(void *owner, const struct engine_reply *reply)
{
    struct preview *p = owner;
    struct error err = ERROR_INIT;

    p->call = NULL;
    switch (p->step) {
    case PREVIEW_LOCK:
        refuse(p, eligible_check_file(reply, eligible_get_name(p->material.container), &err), &err);
        break;
    case PREVIEW_LOCAL:
        if (reply->code < 0 && reply->code != -ENOENT) {
            fail(p, reply->code, reply->status, reply->message);
            return;
        }
        p->local = reply->json ? json_incref((json_t *)(uintptr_t)reply->json) : NULL;
        break;
    case PREVIEW_REGISTRY:
        if (reply->code < 0 && !p->local) {
            fail_without_image(p, reply);
            return;
        }
        take_registry(p, reply);
        break;
    case PREVIEW_GATHER:
    case PREVIEW_IMAGE:
    case PREVIEW_END: break;
    }
    advance(p);
}

static void ask(struct preview *p, struct engine_request *request)
{
    request->done = on_reply;
    request->owner = p;
    if (engine_call_start(&p->call, p->o.engine, request, NULL) < 0)
        fail_soon(p);
}

static void ask_lock(struct preview *p)
{
    _cleanup_free_ char *path = eligible_make_lock_path(p->container);

    ask(p, &(struct engine_request){.method = "HEAD", .path = path, .timeout_ms = READ_MS});
}

static void ask_local(struct preview *p)
{
    _cleanup_free_ char *path = xasprintf("/images/%s/json", p->reference);

    ask(p, &(struct engine_request){.path = path, .wants_json = true, .timeout_ms = READ_MS});
}

static void ask_registry(struct preview *p)
{
    _cleanup_free_ char *path = xasprintf("/distribution/%s/json", p->reference);
    _cleanup_free_ char *auth = p->auth ? pull_encode_auth(p->auth) : NULL;

    ask(p, &(struct engine_request){
               .path = path, .registry_auth = auth, .wants_json = true, .timeout_ms = REGISTRY_MS});
}

/* An image that was built here is in no registry, and an id means no other image. */
static bool must_ask_registry(const struct preview *p)
{
    return !strchr(p->reference, '@') && !str_starts_with(p->reference, "sha256:") &&
           (!p->local || json_array_size(json_object_get(p->local, "RepoDigests")) > 0);
}

/* --- the plan --- */

static struct plan_source make_source(struct preview *p)
{
    struct plan_source source;

    material_set_old_config(&p->material, p->old_config);
    source = material_source(&p->material, p->o.has_consent);

    source.image = p->reference ? p->reference : source.image;
    if (!p->is_pulled) {
        source.new_config = NULL;
        source.image_id = NULL;
    }
    return source;
}

static void finish(struct preview *p)
{
    struct plan_source source = make_source(p);
    struct plan plan = {0};
    struct error err = ERROR_INIT;
    char fingerprint[UPDATE_FINGERPRINT_LEN + 1];
    bool is_planned;
    json_t *fields;
    int r = plan_make(&source, &plan, &err);

    refuse(p, r, &err);
    is_planned = r == 0;
    if (is_planned)
        (void)json_array_extend(p->notes, plan.notes);
    fields = preview_make_answer(
        &(struct preview_facts){
            .material = &p->material,
            .new_image = p->reference ? p->reference : "",
            .platform = p->platform,
            .digest = p->digest,
            .is_pulled = p->is_pulled,
            .plan = is_planned ? &plan : NULL,
            .source = &source,
            .dependents = p->dependents,
            .refused = p->is_refused ? &p->refused : NULL,
        },
        p->notes, fingerprint);
    plan_done(&plan);
    end(p, &(struct preview_result){.fields = fields, .fingerprint = fingerprint});
}

static void next(struct preview *p)
{
    switch (p->step) {
    case PREVIEW_GATHER: gather(p, MATERIAL_CONTAINER | MATERIAL_HOST | MATERIAL_CHANGES); return;
    case PREVIEW_LOCK:
        if (p->o.ignores_lock)
            break;
        ask_lock(p);
        return;
    case PREVIEW_LOCAL:
        if (!p->reference)
            break;
        ask_local(p);
        return;
    case PREVIEW_REGISTRY:
        if (!p->reference || !must_ask_registry(p))
            break;
        ask_registry(p);
        return;
    case PREVIEW_IMAGE:
        if (p->reference)
            choose(p);
        gather(p, MATERIAL_IMAGE);
        return;
    case PREVIEW_END: finish(p); return;
    }
    advance(p); /* p may be gone now */
}

int preview_start(struct preview **ret, const struct preview_options *o, struct error *err)
{
    struct preview *p;

    if (!str_is_container_ref(o->container))
        return error_code_set(err, CODE_INVALID_ARGUMENT, "the id of the container is invalid");
    if (!str_is_empty(o->new_image) && !str_is_image_ref(o->new_image))
        return error_code_set(err, CODE_INVALID_ARGUMENT, "new_image is not a valid reference");
    p = xcalloc(1, sizeof(*p));
    p->o = *o;
    p->container = xstrdup(o->container);
    p->new_image = xstrdup(o->new_image ? o->new_image : "");
    p->platform = str_is_empty(o->platform) ? NULL : xstrdup(o->platform);
    p->auth = json_is_object(o->auth) ? json_deep_copy(o->auth) : NULL;
    p->notes = json_array();
    p->old_config = json_incref((json_t *)(uintptr_t)o->old_config);
    next(p);
    *ret = p;
    return 0;
}
