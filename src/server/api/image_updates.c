/*
 * Which containers have an outdated image, in the shape of DockMon: the state of one, checks on
 * demand, and the summary. The checker has the answers (registry/checker.h).
 */

#include "server/api/image_updates.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/fleet/scope_view.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <string.h>

static json_t *copy_member(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);

    return v ? json_incref(v) : json_null();
}

static json_t *make_newer(const struct image_check *check)
{
    json_t *v = check && check->newer ? json_text_parse(check->newer, strlen(check->newer), 0, NULL)
                                      : NULL;

    return v ? v : json_object();
}

/* Members that DockMon does not have. */
static void set_own_members(json_t *o, const struct checker_view *v)
{
    const struct image_check *check = v->check;
    const struct decision *d = &v->decision;

    json_text_set(o, "state", json_text_str(decision_state_name(d->state)));
    json_text_set(o, "reason", json_value_string(d->reason));
    json_text_set(o, "tag_has_moved", json_boolean(d->has_moved));
    json_text_set(o, "way", json_value_string(check ? check->way : NULL));
    json_text_set(o, "check_outcome", json_value_string(check ? check->outcome : NULL));
    json_text_set(o, "check_error", json_value_string(check ? check->error : NULL));
    json_text_set(o, "answered_at", json_value_time(check ? check->answered_at_ms : 0));
    json_text_set(o, "changed_at", json_value_time(check ? check->changed_at_ms : 0));
    json_text_set(o, "platform", json_value_string(v->facts->platform));
    json_text_set(o, "latest_created", copy_member(d->platform, "created"));
    json_text_set(o, "source", copy_member(d->platform, "source"));
    json_text_set(o, "url", copy_member(d->platform, "url"));
    json_text_set(o, "newer_tags", make_newer(check));
}

static json_t *describe(const struct checker_view *v)
{
    const struct image_check *check = v->check;
    struct decision_source s = image_facts_source(v->facts);
    json_t *o = json_object();

    json_text_set(o, "update_available", json_boolean(v->decision.state == DECISION_OUTDATED));
    json_text_set(o, "current_image", json_value_string(v->facts->image));
    json_text_set(o, "current_digest", json_value_string(decision_current_digest(&s)));
    json_text_set(o, "latest_image", json_value_string(check ? v->facts->image : NULL));
    json_text_set(o, "latest_digest", json_value_string(check ? check->digest : NULL));
    json_text_set(o, "latest_version", copy_member(v->decision.platform, "version"));
    json_text_set(o, "floating_tag_mode", json_text_str("exact"));
    json_text_set(o, "auto_update_enabled", json_false());
    json_text_set(o, "last_checked_at", json_value_time(check ? check->checked_at_ms : 0));
    set_own_members(o, v);
    return o;
}

static json_t *look(struct api_call *call,
                    const struct fleet_host *h,
                    const struct fleet_container *c)
{
    struct checker_view v;
    json_t *o;

    checker_look(call->api->o.checker, h, c, &v);
    o = describe(&v);
    checker_view_done(&v);
    return o;
}

void container_update_status_get(struct api_call *call)
{
    struct fleet_host *h;
    struct fleet_container *c = api_container(call, &h);

    if (c)
        api_reply(call, 200, look(call, h, c));
}

/* DockMon says 503 when nothing could be learnt, and has a status for images without a registry. */
static void answer_check(struct api_call *call,
                         const struct fleet_host *h,
                         const struct fleet_container *c)
{
    json_t *o = look(call, h, c);
    const char *state = json_text_get(o, "state"), *outcome = json_text_get(o, "check_outcome");

    if (str_eq(state, "local")) {
        json_text_set(o, "status", json_text_str("local_image"));
        json_text_set(o, "message", json_incref(json_object_get(o, "reason")));
    } else if (outcome && !str_eq(outcome, "answered")) {
        api_fail_code(call, CODE_UNAVAILABLE, "Unable to check for updates: %s",
                      json_text_get(o, "check_error"));
        json_decref(o);
        return;
    } else if (!outcome && str_eq(state, "unknown")) {
        api_fail_code(call, CODE_UNAVAILABLE, "Unable to check for updates: %s",
                      json_text_get(o, "reason"));
        json_decref(o);
        return;
    } else {
        json_text_set(o, "status", json_text_str("checked"));
    }
    api_reply(call, 200, o);
}

struct request {
    struct api_call *call;
    char id[CONTAINER_ID_SIZE];
};

static void on_checked(void *owner, int code)
{
    struct request *q = owner;
    struct fleet_host *h = fleet_find_host(q->call->api->o.fleet, api_param(q->call, 0));
    struct fleet_container *c;

    if (code < 0) {
        api_fail_code(q->call, CODE_UNAVAILABLE, "The check was cancelled: the server is stopping");
    } else if (!h) {
        api_fail_deleted_host(q->call);
    } else if (fleet_find_container(h, q->id, &c) < 0) {
        api_fail_container(q->call, h, -ENOENT);
    } else {
        answer_check(q->call, h, c);
    }
    free(q);
}

void container_update_check_post(struct api_call *call)
{
    struct fleet_host *h;
    struct fleet_container *c = api_container(call, &h);
    struct request *q;
    int r;

    if (!c)
        return;
    call->target = xasprintf("%s/%s", h->row.name, c->name);
    q = xcalloc(1, sizeof(*q));
    q->call = call;
    str_copy(q->id, sizeof(q->id), c->id);
    r = checker_ask(call->api->o.checker, h, c, on_checked, q);
    if (r == 0)
        return; /* q may be gone now */
    free(q);
    if (r == -ENOENT) {
        answer_check(call, h, c);
    } else {
        api_fail_code(call, CODE_BUSY, "Too many images are checked already");
    }
}

/* Calls `fn` for all containers that the caller may see. */
static void each_container(struct api_call *call,
                           void (*fn)(void *arg,
                                      const struct fleet_host *h,
                                      const struct fleet_container *c),
                           void *arg)
{
    map_foreach(fleet_hosts(call->api->o.fleet), e) {
        const struct fleet_host *h = e->value;
        struct scope_view view;

        scope_view_host(&call->who.scope, h, &view);
        if (!scope_view_any(&view))
            continue;
        map_foreach(&h->containers, entry) {
            if (scope_view_container(&view, entry->value))
                fn(arg, h, entry->value);
        }
    }
}

struct counts {
    struct api_call *call;
    size_t n_total, n_checked, n_outdated, n_failed;
    json_t *outdated; /* NULL: not listed */
};

static void count(void *arg, const struct fleet_host *h, const struct fleet_container *c)
{
    struct counts *n = arg;
    struct checker_view v;

    checker_look(n->call->api->o.checker, h, c, &v);
    n->n_total++;
    n->n_checked += v.check && v.check->answered_at_ms > 0;
    n->n_failed += v.check && v.check->error;
    if (v.decision.state == DECISION_OUTDATED) {
        n->n_outdated++;
        if (n->outdated) {
            _cleanup_free_ char *key = xasprintf("%s:%.*s", h->row.id, CONTAINER_SHORT_ID_LEN,
                                                 c->id);

            (void)json_array_append_new(n->outdated, json_text_str(key));
        }
    }
    checker_view_done(&v);
}

size_t api_count_outdated(struct api_call *call)
{
    struct counts n = {.call = call};

    each_container(call, count, &n);
    return n.n_outdated;
}

void updates_summary_get(struct api_call *call)
{
    struct counts n = {.call = call, .outdated = json_array()};

    sessions_need_lists(call->api->o.sessions);
    each_container(call, count, &n);
    api_reply(call, 200,
              json_pack("{s:I, s:o}", "total_updates", (json_int_t)n.n_outdated,
                        "containers_with_updates", n.outdated));
}

/* POST /api/updates/check-all */
struct round {
    struct api_call *call;
    size_t n_pending;
};

static void finish_one(struct round *r)
{
    struct counts n = {.call = r->call};

    if (--r->n_pending > 0)
        return;
    each_container(r->call, count, &n);
    api_reply(r->call, 200,
              json_pack("{s:I, s:I, s:I, s:I}", "total", (json_int_t)n.n_total, "checked",
                        (json_int_t)n.n_checked, "updates_found", (json_int_t)n.n_outdated,
                        "errors", (json_int_t)n.n_failed));
    free(r);
}

static void on_round(void *owner, int code)
{
    (void)code;
    finish_one(owner);
}

static void ask_one(void *arg, const struct fleet_host *h, const struct fleet_container *c)
{
    struct round *r = arg;

    r->n_pending++;
    if (checker_ask(r->call->api->o.checker, h, c, on_round, r) < 0)
        r->n_pending--;
}

void updates_check_all_post(struct api_call *call)
{
    struct round *r = xcalloc(1, sizeof(*r));

    r->call = call;
    r->n_pending = 1; /* until all are asked */
    each_container(call, ask_one, r);
    finish_one(r); /* r may be gone now */
}
