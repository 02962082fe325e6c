/*
 * The plans of an update: pulls the image, reads all containers, finds the dependents, and surveys
 * each member. Nothing of the user's is changed until all plans are made.
 */

#include "agent/update/dependents.h"
#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_MS    10000
#define LOCK_LABEL "dockmon.update.lock"
#define LOCK_PATH  "/tmp/dockmon/lock"

void update_prepare_cancel(struct update *u)
{
    pull_cancel(TAKE_PTR(u->pull));
    inspect_all_free(TAKE_PTR(u->all));
    survey_free(TAKE_PTR(u->survey));
    json_decref(TAKE_PTR(u->containers));
}

static void fail_by(struct update *u, int code, int reason, const char *what, const char *why)
{
    update_fail(u, reason ? (enum error_code)reason : engine_error_code(code, 0, why), "%s%s%s",
                what, *what ? ": " : "", why);
}

static const char *get_text(const json_t *inspect, const char *object, const char *key)
{
    return json_text_get(json_object_get(inspect, object), key);
}

static const json_t *find_container(const json_t *containers, const char *id)
{
    size_t i;
    json_t *one;

    json_array_foreach(containers, i, one)
    {
        if (str_eq(json_text_get(one, "Id"), id))
            return one;
    }
    return NULL;
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
    const json_t *inspect = find_container(u->containers, id);
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
    int r = dependents_find(&dependents, u->containers, u->r->members[0].id, err);

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
    for (size_t i = 0; i < u->r->n_members; i++) {
        const struct update_member *m = &u->r->members[i];

        if (!str_is_empty(u->o.own_container) && str_starts_with(m->id, u->o.own_container)) {
            return error_code_set(
                err, CODE_OWN_CONTAINER,
                "%s is the container that this agent runs in: it would end in the "
                "middle of the update",
                m->name);
        }
    }
    return 0;
}

static int check_label(const struct update *u, const json_t *inspect, struct error *err)
{
    const char *lock = json_text_get(json_object_get(json_object_get(inspect, "Config"), "Labels"),
                                     LOCK_LABEL);

    if (u->r->ignores_lock || str_is_empty(lock) || str_eq(lock, "false"))
        return 0;
    return error_code_set(err, CODE_UPDATE_LOCKED, "%s is locked by its label %s",
                          u->r->members[0].name, LOCK_LABEL);
}

/* --- the plans --- */

static void survey_next(struct update *u);

/* Dependents are created with the ids of the new containers that they refer to: see on_planned(). */
static int make_plan(struct update_member *m, json_t *source, struct error *err)
{
    struct plan_source s;
    struct plan plan = {0};
    int r;

    survey_restore(&s, source);
    r = plan_make(&s, &plan, err);
    if (r < 0)
        return r;
    m->source = source;
    m->create = TAKE_PTR(plan.create);
    m->connect = TAKE_PTR(plan.connect);
    plan_done(&plan);
    return 0;
}

static void take_images(struct update *u, const json_t *source)
{
    struct journal_record *r = u->r;

    free(r->image_id);
    free(r->new_image_id);
    r->image_id = xstrdup(json_text_get(json_object_get(source, "container"), "Image"));
    r->new_image_id = xstrdup(json_text_get(source, "image_id"));
}

static void on_surveyed(void *owner, const struct survey_result *result)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);
    struct error err = ERROR_INIT;

    u->survey = NULL;
    if (result->code < 0) {
        fail_by(u, result->code, result->reason, m->name, result->message);
        return;
    }
    if (u->r->member == 0)
        take_images(u, result->source);
    if (make_plan(m, result->source, &err) < 0) {
        json_decref(result->source);
        fail_by(u, err.code, err.reason, "", err.msg);
        return;
    }
    u->r->member++;
    survey_next(u);
}

static void finish(struct update *u)
{
    update_prepare_cancel(u);
    u->r->member = 0;
    u->r->step = STEP_CREATE;
    update_proceed(u);
}

static void survey_next(struct update *u)
{
    struct journal_record *r = u->r;

    while (r->member < (int64_t)r->n_members && update_at(u)->is_restart)
        r->member++;
    if (r->member == (int64_t)r->n_members) {
        finish(u);
        return;
    }
    u->survey = survey_start(&(struct survey_options){.engine = u->o.engine,
                                                      .container = update_at(u)->id,
                                                      .image = r->member == 0 ? r->new_image : NULL,
                                                      .containers = u->containers,
                                                      .has_consent = r->has_consent,
                                                      .done = on_surveyed,
                                                      .owner = u});
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
    survey_next(u);
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

    if (pull_start(&u->pull,
                   &(struct pull_options){.engine = u->o.engine,
                                          .reference = r->new_image,
                                          .platform = r->platform,
                                          .auth = u->auth,
                                          .on_progress = on_progress,
                                          .done = on_pulled,
                                          .owner = u},
                   &err) < 0)
        fail_by(u, err.code, err.reason, "pull the image", err.msg);
}

static void on_lock(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code == 0) {
        update_fail(u, CODE_UPDATE_LOCKED, "%s is locked by the file %s in it",
                    u->r->members[0].name, LOCK_PATH);
        return;
    }
    pull(u);
}

static void look_for_lock(struct update *u)
{
    char *path = xasprintf("/containers/%s/archive?path=%s", u->r->members[0].id, LOCK_PATH);

    if (u->r->ignores_lock) {
        free(path);
        pull(u);
    } else if (update_ask(u, "HEAD", path, NULL, LOCK_MS, on_lock) < 0) {
        update_fail(u, CODE_ENGINE_UNREACHABLE, "the engine cannot be asked");
    }
}

/* Without a reference in the request the present one is pulled again. */
static int choose_image(struct update *u, const json_t *inspect, struct error *err)
{
    struct journal_record *r = u->r;
    const char *image = get_text(inspect, "Config", "Image");

    if (!image)
        image = "";
    free(r->image);
    r->image = xstrdup(image);
    if (!str_is_empty(r->new_image))
        return 0;
    if (!str_is_image_ref(image) || str_starts_with(image, "sha256:")) {
        return error_code_set(err, CODE_INVALID_ARGUMENT,
                              "%s was created from the id of an image: name the image to use",
                              r->members[0].name);
    }
    free(r->new_image);
    r->new_image = xstrdup(image);
    return 0;
}

static void on_all(void *owner, json_t *containers, int code, const char *message)
{
    struct update *u = owner;
    const json_t *inspect = find_container(containers, u->r->members[0].id);
    struct error err = ERROR_INIT;
    int r = code;

    u->all = NULL;
    if (code < 0) {
        fail_by(u, code, 0, "", message);
        return;
    }
    if (!inspect) {
        update_fail(u, CODE_NO_SUCH_CONTAINER, "%s does not exist any more", u->r->members[0].name);
        return;
    }
    u->containers = json_incref(containers);
    fill_member(&u->r->members[0], inspect);
    r = check_label(u, inspect, &err);
    if (r == 0)
        r = choose_image(u, inspect, &err);
    if (r == 0)
        r = add_dependents(u, &err);
    if (r == 0)
        r = check_own(u, &err);
    if (r < 0) {
        fail_by(u, r, err.reason, "", err.msg);
        return;
    }
    look_for_lock(u);
}

void update_prepare(struct update *u)
{
    u->r->member = 0;
    u->r->n_members = 1; /* dependents are found again */
    u->all = inspect_all_start(u->o.engine, on_all, u);
}
