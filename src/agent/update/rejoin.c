#include "agent/update/rejoin.h"
#include "agent/common/policy.h"
#include "agent/update/dependents.h"
#include "agent/update/material.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/engine.h"
#include "proto/json_text.h"

#include <stdlib.h>
#include <string.h>

#define GATHER_DELAY_MS 300 /* a stack is often restarted as a whole */
#define RESTART_MS      120000

struct rejoin {
    struct rejoin_options o;
    json_t *waiting;  /* ids of containers that were started, as keys */
    json_t *parents;  /* those that are treated now */
    json_t *children; /* array of {"id", "name", "reason"} to restart */
    size_t next;      /* index in it */
    struct material material;
    struct material_call *gathering;
    struct engine_call *call;
    struct loop_timer timer;
};

static void begin_soon(struct rejoin *r);

struct rejoin *rejoin_new(const struct rejoin_options *o)
{
    struct rejoin *r = xcalloc(1, sizeof(*r));

    r->o = *o;
    r->waiting = json_object();
    return r;
}

void rejoin_free(struct rejoin *r)
{
    if (!r)
        return;
    loop_timer_stop(&r->timer);
    material_cancel(r->gathering);
    engine_call_cancel(r->call);
    material_done(&r->material);
    json_decref(r->waiting);
    json_decref(r->parents);
    json_decref(r->children);
    free(r);
}

static void finish(struct rejoin *r)
{
    material_done(&r->material);
    json_decref(TAKE_PTR(r->parents));
    json_decref(TAKE_PTR(r->children));
    if (json_object_size(r->waiting) > 0)
        begin_soon(r);
}

/* --- the choice --- */

/* 0: it does not run, or the time cannot be read. */
static int64_t get_start_ns(const json_t *inspect)
{
    const json_t *state = json_object_get(inspect, "State");
    const char *text = json_text_get(state, "StartedAt");
    int64_t ns;

    return json_is_true(json_object_get(state, "Running")) && text && time_parse_ns(text, &ns) == 0
               ? ns
               : 0;
}

static bool may_restart(const struct rejoin *r, const json_t *inspect, const char *name)
{
    const json_t *labels = json_object_get(json_object_get(inspect, "Config"), "Labels");
    const char *id = json_text_get(inspect, "Id");
    _cleanup_free_ char *why = policy_refuse_label(json_text_get(labels, POLICY_LABEL), name,
                                                   OPERATION_RESTART);

    if (why)
        log_info(LOG_FIELDS("container", name), "not restarted with the one it joined: %s", why);
    return !why && (str_is_empty(r->o.own_container) || !str_starts_with(id, r->o.own_container)) &&
           !r->o.is_updated(r->o.owner, id);
}

static void add_child(struct rejoin *r, const json_t *child, int64_t parent_ns)
{
    const char *id = json_text_get(child, "id"), *name = json_text_get(child, "name");
    const json_t *inspect = dependents_get(r->material.containers, id);
    int64_t start_ns = get_start_ns(inspect);
    json_t *one;

    if (start_ns == 0 || start_ns >= parent_ns || dependents_get(r->children, id) ||
        !may_restart(r, inspect, name))
        return;
    one = json_object();
    json_text_set(one, "Id", json_text_str(id));
    json_text_set(one, "name", json_text_str(name));
    json_text_set(one, "reason", json_incref(json_object_get(child, "reason")));
    if (json_array_append_new(r->children, one) < 0)
        abort(); /* out of memory */
}

static void add_children(struct rejoin *r, const char *parent)
{
    int64_t parent_ns = get_start_ns(dependents_get(r->material.containers, parent));
    json_auto_t *found = NULL;
    struct error err = ERROR_INIT;
    size_t i;
    json_t *child;

    if (parent_ns == 0)
        return; /* it has ended again */
    if (dependents_find_joined(&found, r->material.containers, parent, &err) < 0) {
        log_warn(LOG_FIELDS("container", parent),
                 "the containers that joined it are not restarted: %s", err.msg);
        return;
    }
    json_array_foreach(found, i, child) add_child(r, child, parent_ns);
}

/* --- the restarts --- */

static void restart_next(struct rejoin *r);

static void on_restarted(void *owner, const struct engine_reply *reply)
{
    struct rejoin *r = owner;
    const json_t *child = json_array_get(r->children, r->next);

    r->call = NULL;
    if (reply->code < 0) {
        log_warn(LOG_FIELDS("container", json_text_get(child, "name")),
                 "cannot restart it with the container it joined: %s", reply->message);
    } else {
        log_info(LOG_FIELDS("container", json_text_get(child, "name")), "restarted: %s",
                 json_text_get(child, "reason"));
    }
    r->next++;
    restart_next(r);
}

static void restart_next(struct rejoin *r)
{
    const json_t *child = json_array_get(r->children, r->next);
    struct error err = ERROR_INIT;
    _cleanup_free_ char *path = NULL;

    if (!child) {
        finish(r);
        return;
    }
    path = xasprintf("/containers/%s/restart", json_text_get(child, "Id"));
    if (engine_call_start(&r->call, r->o.engine,
                          &(struct engine_request){.method = "POST",
                                                   .path = path,
                                                   .timeout_ms = RESTART_MS,
                                                   .done = on_restarted,
                                                   .owner = r},
                          &err) < 0) {
        log_warn(LOG_FIELDS("container", json_text_get(child, "name")),
                 "cannot restart it with the container it joined: %s", err.msg);
        finish(r);
    }
}

static void on_gathered(void *owner, int code, int status, const char *message)
{
    struct rejoin *r = owner;
    const char *parent;
    json_t *value;

    (void)status;
    r->gathering = NULL;
    if (code < 0) {
        log_warn(NULL, "the containers that joined a restarted one are not restarted: %s", message);
        finish(r);
        return;
    }
    r->children = json_array();
    r->next = 0;
    json_object_foreach(r->parents, parent, value) add_children(r, parent);
    restart_next(r);
}

static void on_begin(struct loop_timer *t)
{
    struct rejoin *r = CONTAINER_OF(t, struct rejoin, timer);
    struct error err = ERROR_INIT;

    r->parents = TAKE_PTR(r->waiting);
    r->waiting = json_object();
    if (material_start(&r->gathering, &r->material,
                       &(struct material_options){
                           .engine = r->o.engine,
                           .container = json_object_iter_key(json_object_iter(r->parents)),
                           .parts = MATERIAL_HOST,
                           .done = on_gathered,
                           .owner = r},
                       &err) < 0) {
        log_warn(NULL, "the containers that joined a restarted one are not restarted: %s", err.msg);
        finish(r);
    }
}

static void begin_soon(struct rejoin *r)
{
    loop_timer_start(engine_loop(r->o.engine), &r->timer, GATHER_DELAY_MS, on_begin);
}

void rejoin_after(struct rejoin *r, const char *container)
{
    if (!str_is_hex(container, CONTAINER_ID_LEN) ||
        json_object_size(r->waiting) >= REJOIN_MAX_WAITING)
        return;
    json_text_set(r->waiting, container, json_true());
    if (!r->parents)
        begin_soon(r);
}
