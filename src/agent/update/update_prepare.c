/*
 * The plans of an update: it gathers what the engine says about the container and all others
 * (material.h), finds the dependents, pulls the image, and plans each member. Nothing of the user's is changed until all plans are made.
 */

#include "agent/update/dependents.h"
#include "agent/update/eligible.h"
#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_MS 10000

void update_prepare_cancel(struct update *u)
{
    pull_cancel(TAKE_PTR(u->pull));
    material_cancel(TAKE_PTR(u->gathering));
    material_done(&u->material);
    material_done(&u->dependent);
}

/* The engine has refused something, or was not reached. */
static void fail_by(struct update *u, int code, int status, const char *what, const char *why)
{
    update_fail(u, engine_error_code(code, status, why), "%s: %s", what, why);
}

static void fail_with(struct update *u, const struct error *err)
{
    update_fail(u, error_code_of(err), "%s", err->msg);
}

/* --- the members --- */

static bool has_devices(const json_t *inspect)
{
    const json_t *host = json_object_get(inspect, "HostConfig");

    return json_array_size(json_object_get(host, "DeviceRequests")) > 0 ||
           str_eq(json_text_get(host, "Runtime"), "nvidia");
}

static void fill_member(struct update_member *m, const json_t *inspect)
{
    const json_t *host = json_object_get(inspect, "HostConfig");
    const json_t *state = json_object_get(inspect, "State");
    json_t *policy = json_object_get(host, "RestartPolicy");

    m->is_running = json_is_true(json_object_get(state, "Running")) ||
                    json_is_true(json_object_get(state, "Restarting"));
    m->is_auto_remove = json_is_true(json_object_get(host, "AutoRemove"));
    m->is_late_policy = has_devices(inspect);
    m->policy = json_is_object(policy) ? json_incref(policy) : NULL;
    m->facts.has_old = true;
    m->facts.is_old_running = m->is_running;
}

static int add_member(struct update *u, const json_t *dependent, struct error *err)
{
    const char *id = json_text_get(dependent, "id");
    const json_t *inspect = dependents_get(u->material.containers, id);
    struct update_member *m = &u->r->members[u->r->n_members];

    if (!inspect)
        return error_set(err, -ENOENT, "the dependent container %s was removed", id);
    if (u->r->n_members == UPDATE_MAX_MEMBERS) {
        return error_code_set(err, CODE_UPDATE_REFUSED, "more than %d containers depend on it",
                              UPDATE_MAX_MEMBERS - 1);
    }
    u->r->n_members++;
    m->id = xstrdup(id);
    m->name = xstrdup(json_text_get(dependent, "name"));
    m->reason = xstrdup(json_text_get(dependent, "reason"));
    m->is_restart = str_eq(json_text_get(dependent, "action"), "restart");
    fill_member(m, inspect);
    return 0;
}

static int add_dependents(struct update *u, struct error *err)
{
    json_auto_t *dependents = NULL;
    size_t i;
    json_t *one;
    int r = dependents_find(&dependents, u->material.containers, u->r->members[0].id, err);

    json_array_foreach(dependents, i, one)
    {
        if (r == 0)
            r = add_member(u, one, err);
    }
    return r;
}

/* --- refusals --- */

static int check_own(const struct update *u, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < u->r->n_members; i++) {
        const struct update_member *m = &u->r->members[i];

        r = eligible_check_own(u->o.own_container, m->id, m->name, err);
    }
    return r;
}

/* --- the plans --- */

static void plan_next(struct update *u);

/* The material of the container itself, or of the dependent that is planned. */
static struct material *get_material(struct update *u)
{
    return u->r->member == 0 ? &u->material : &u->dependent;
}

/* Anonymous volumes have generated names; the plan attaches them by those. */
static void note_volumes(struct journal_record *r, const json_t *inspect)
{
    size_t i;
    json_t *mount;

    json_array_foreach(json_object_get(inspect, "Mounts"), i, mount)
    {
        const char *name = json_text_get(mount, "Name");

        if (!str_eq(json_text_get(mount, "Type"), "volume") || !name ||
            !str_is_hex(name, CONTAINER_ID_LEN))
            continue;
        if (!r->kept_volumes)
            r->kept_volumes = json_array();
        if (json_array_append_new(r->kept_volumes, json_text_str(name)) < 0)
            abort(); /* out of memory */
    }
}

/* Dependents are created with the ids of the new containers that they refer to: see point_to_new(). */
static int make_plan(struct update *u, struct update_member *m, struct error *err)
{
    struct material *s = get_material(u);
    struct plan_source source;
    struct plan plan = {0};
    int r;

    material_set_old_config(s, u->o.find_config(u->o.owner, m->id));
    source = material_source(s, u->r->has_consent);
    r = plan_make(&source, &plan, err);
    if (r < 0)
        return r;
    note_volumes(u->r, s->container);
    m->config = json_incref(json_object_get(s->new_image, "Config"));
    m->source = material_store(s);
    m->create = TAKE_PTR(plan.create);
    m->connect = TAKE_PTR(plan.connect);
    free(m->platform);
    m->platform = u->r->member == 0 && u->r->platform ? xstrdup(u->r->platform)
                                                      : material_platform(s);
    plan_done(&plan);
    return 0;
}

static void take_images(struct update *u)
{
    struct journal_record *r = u->r;

    free(r->image_id);
    free(r->new_image_id);
    r->image_id = xstrdup(json_text_get(u->material.container, "Image"));
    r->new_image_id = xstrdup(json_text_get(u->material.new_image, "Id"));
}

/* The pull has brought nothing, or nothing but a rebuilt attestation. */
static bool has_image(const struct update *u)
{
    return str_eq(u->r->image, u->r->new_image) &&
           eligible_is_same_image(u->material.container, u->material.new_image, u->material.probe);
}

static void on_planned(void *owner, int code, int status, const char *message)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);
    struct error err = ERROR_INIT;

    u->gathering = NULL;
    if (code < 0) {
        fail_by(u, code, status, m->name, message);
        return;
    }
    if (u->r->member == 0)
        take_images(u);
    if (u->r->member == 0 && has_image(u)) {
        update_end(u, UPDATE_DONE);
        return;
    }
    if (make_plan(u, m, &err) < 0) {
        fail_with(u, &err);
        return;
    }
    u->r->member++;
    plan_next(u);
}

static void finish(struct update *u)
{
    update_prepare_cancel(u);
    u->r->member = 0;
    u->r->step = STEP_CREATE;
    update_proceed(u);
}

/* The engine is asked only once for the facts that all containers of the host share. */
static void begin_dependent(struct update *u)
{
    material_done(&u->dependent);
    u->dependent.info = json_incref(u->material.info);
    u->dependent.containers = json_incref(u->material.containers);
    u->dependent.started = json_incref(u->material.started);
}

static void gather(struct update *u, unsigned parts, material_done_fn done)
{
    struct journal_record *r = u->r;
    struct error err = ERROR_INIT;

    if (material_start(&u->gathering, get_material(u),
                       &(struct material_options){.engine = u->o.engine,
                                                  .probes = u->o.probes,
                                                  .container = update_at(u)->id,
                                                  .new_image = r->member == 0 ? r->new_image : NULL,
                                                  .platform = r->member == 0 ? r->platform : NULL,
                                                  .parts = parts,
                                                  .done = done,
                                                  .owner = u},
                       &err) < 0)
        fail_with(u, &err);
}

static void plan_next(struct update *u)
{
    struct journal_record *r = u->r;

    while (r->member < (int64_t)r->n_members && update_at(u)->is_restart)
        r->member++;
    if (r->member == (int64_t)r->n_members) {
        finish(u);
        return;
    }
    if (r->member > 0)
        begin_dependent(u);
    gather(u, MATERIAL_CONTAINER | MATERIAL_IMAGE | MATERIAL_HOST, on_planned);
}

/* --- the steps before --- */

static void on_pulled(void *owner, const struct pull_result *result)
{
    struct update *u = owner;

    u->pull = NULL;
    if (result->code < 0) {
        update_fail(u, CODE_PULL_FAILED, "pull %s: %s", u->r->new_image, result->message);
        return;
    }
    free(u->r->digest);
    u->r->digest = result->digest ? xstrdup(result->digest) : NULL;
    plan_next(u);
}

static void on_progress(void *owner, const struct pull_layers *layers)
{
    struct update *u = owner;

    if (u->o.pulled)
        u->o.pulled(u->o.owner, u, layers);
}

static void pull(struct update *u)
{
    struct journal_record *r = u->r;
    struct error err = ERROR_INIT;

    if (pull_start(
            &u->pull,
            &(struct pull_options){.engine = u->o.engine,
                                   .reference = r->new_image,
                                   .platform = r->platform,
                                   .auth = u->auth,
                                   .present_id = json_text_get(u->material.container, "Image"),
                                   .on_progress = on_progress,
                                   .done = on_pulled,
                                   .owner = u},
            &err) < 0)
        fail_with(u, &err);
}

static void on_lock(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct error err = ERROR_INIT;

    u->call = NULL;
    if (eligible_check_file(reply, u->r->members[0].name, &err) < 0) {
        fail_with(u, &err);
        return;
    }
    pull(u);
}

static void look_for_lock(struct update *u)
{
    if (u->r->ignores_lock) {
        pull(u);
    } else if (update_ask(u, "HEAD", eligible_make_lock_path(u->r->members[0].id), NULL, LOCK_MS,
                          on_lock) < 0) {
        update_fail(u, CODE_ENGINE_UNREACHABLE, "the engine cannot be asked");
    }
}

/* Without a reference in the request the present one is pulled again. */
static int choose_image(struct update *u, const json_t *inspect, struct error *err)
{
    struct journal_record *r = u->r;
    const char *own = json_text_get(json_object_get(inspect, "Config"), "Image"), *chosen = NULL;
    char *copy;
    int code = eligible_choose_image(inspect, r->new_image, &chosen, err);

    if (code < 0)
        return code;
    free(r->image);
    r->image = xstrdup(own ? own : "");
    copy = xstrdup(chosen); /* perhaps the present one itself */
    free(r->new_image);
    r->new_image = copy;
    return 0;
}

static void on_gathered(void *owner, int code, int status, const char *message)
{
    struct update *u = owner;
    struct update_member *m = &u->r->members[0];
    struct error err = ERROR_INIT;
    int r;

    u->gathering = NULL;
    if (code < 0) {
        fail_by(u, code, status, m->name, message);
        return;
    }
    fill_member(m, u->material.container);
    /* A tag may be of several platforms; the new image must be of that of the old one. */
    if (str_is_empty(u->r->platform)) {
        free(u->r->platform);
        u->r->platform = material_platform(&u->material);
    }
    r = u->r->ignores_lock ? 0 : eligible_check_label(u->material.container, &err);
    if (r == 0)
        r = choose_image(u, u->material.container, &err);
    if (r == 0)
        r = add_dependents(u, &err);
    if (r == 0)
        r = check_own(u, &err);
    if (r < 0) {
        fail_with(u, &err);
        return;
    }
    look_for_lock(u);
}

void update_prepare(struct update *u)
{
    u->r->member = 0;
    u->r->n_members = 1; /* dependents are found again */
    gather(u, MATERIAL_CONTAINER | MATERIAL_HOST, on_gathered);
}
