/*
 * POST and GET /api/updates/batches, GET and DELETE /api/updates/batches/{batch}: updates of many
 * containers, in rings (updates/batches.h).
 */

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/update_body.h"
#include "server/fleet/scope_view.h"
#include "server/updates/batches.h"

#include <errno.h>

#define MAX_REF 255

/* --- creation --- */

struct creation {
    struct api_call *call;
    struct batch_subject *subjects;
    size_t n;
    struct update_args options;
    const char *rings;
    uint64_t max_parallel, pause_s;
};

static int find_subject(const struct api_call *call,
                        const json_t *element,
                        struct batch_subject *ret,
                        struct error *err)
{
    const char *host = "", *container = "";
    struct fleet_host *h = NULL;
    struct fleet_container *c = NULL;
    int r = api_body_string(element, "host_id", MAX_REF, &host, err);

    if (r == 0)
        r = api_body_string(element, "container_id", MAX_REF, &container, err);
    if (r < 0)
        return r;
    r = scope_find_host(&call->who.scope, call->api->o.fleet, host, &h);
    if (r < 0)
        return error_code_set(err, CODE_NO_SUCH_HOST, "Host not found: %.*s", STR_CUT(host, 100));
    if (fleet_find_container(h, container, &c) < 0 ||
        !scope_allows_container(&call->who.scope, h, c)) {
        return error_code_set(err, CODE_NO_SUCH_CONTAINER, "No such container on host %s: %.*s",
                              h->row.name, STR_CUT(container, 100));
    }
    *ret = (struct batch_subject){h, c};
    return 0;
}

static int read_subjects(struct creation *k, const json_t *list, struct error *err)
{
    size_t n = json_array_size(list);

    if (n == 0 || n > BATCH_MAX_ITEMS)
        return error_set(err, -EDOM, "`containers` must be a list of 1 to %d", BATCH_MAX_ITEMS);
    k->subjects = xcalloc(n, sizeof(*k->subjects));
    for (; k->n < n; k->n++) {
        struct batch_subject *s = &k->subjects[k->n];
        int r = find_subject(k->call, json_array_get(list, k->n), s, err);

        for (size_t i = 0; r == 0 && i < k->n; i++) {
            if (k->subjects[i].container == s->container)
                r = error_set(err, -EDOM, "%s is named twice", s->container->name);
        }
        if (r < 0)
            return error_wrap(err, r, "container %zu", k->n + 1);
    }
    return 0;
}

static int read_number(const json_t *body,
                       const struct api_number *number,
                       uint64_t *ret,
                       struct error *err)
{
    const json_t *v = json_object_get(body, number->name);
    json_int_t value = json_integer_value(v);

    *ret = number->fallback;
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_integer(v) || value < (json_int_t)number->min || value > (json_int_t)number->max) {
        return error_set(err, -EDOM, "`%s` must be a number from %llu to %llu", number->name,
                         (unsigned long long)number->min, (unsigned long long)number->max);
    }
    *ret = (uint64_t)value;
    return 0;
}

static int read_options(struct creation *k, const json_t *options, struct error *err)
{
    if (options && !json_is_null(options) && !json_is_object(options))
        return error_set(err, -EDOM, "`options` must be an object");
    if (json_object_get(options, "fingerprint")) {
        return error_set(err, -EDOM,
                         "`fingerprint` belongs to the update of one container, not to "
                         "a batch");
    }
    return update_body_read(options, &k->options, err);
}

static int read_creation(struct creation *k, struct error *err)
{
    static const struct api_number parallel = {"max_parallel", BATCH_DEFAULT_PARALLEL, 1,
                                               BATCH_MAX_PARALLEL};
    static const struct api_number pause = {"pause_s", 0, 0, BATCH_MAX_PAUSE_S};
    const json_t *body = NULL;
    int r = api_body(k->call, &body, err);

    if (r < 0)
        return r;
    r = api_body_optional_string(body, "rings", RINGS_MAX_TEXT, &k->rings, err);
    if (r == 0)
        r = read_number(body, &parallel, &k->max_parallel, err);
    if (r == 0)
        r = read_number(body, &pause, &k->pause_s, err);
    if (r == 0)
        r = read_options(k, json_object_get(body, "options"), err);
    return r < 0 ? r : read_subjects(k, json_object_get(body, "containers"), err);
}

static void on_created(void *owner, const char *batch_id, const struct error *err)
{
    struct api_call *call = owner;

    if (err) {
        api_fail_error(call, err);
        return;
    }
    api_reply(call, 202, batch_json(batches_find(call->api->o.batches, batch_id)));
}

void update_batches_post(struct api_call *call)
{
    struct creation k = {.call = call, .options = UPDATE_ARGS_INIT};
    struct error err = ERROR_INIT;
    int r = read_creation(&k, &err);

    if (r == 0) {
        call->target = xasprintf("%zu containers in rings: %s", k.n, k.rings ? k.rings : "all");
        r = batches_create(call->api->o.batches,
                           &(struct batch_spec){.who = &call->who,
                                                .created_by = call->who.name,
                                                .rings = k.rings,
                                                .max_parallel = k.max_parallel,
                                                .pause_s = k.pause_s,
                                                .options = &k.options,
                                                .subjects = k.subjects,
                                                .n = k.n},
                           on_created, call, &err);
    }
    if (r < 0)
        api_fail_error(call, &err);
    update_args_done(&k.options);
    free(k.subjects);
}

/* --- lists --- */

static bool may_see(void *arg, const struct fleet_host *h, const struct fleet_container *c)
{
    const struct api_call *call = arg;

    return c ? scope_allows_container(&call->who.scope, h, c)
             : scope_allows_whole_host(&call->who.scope, h);
}

/* Callers without a scope see all batches, others those with a container that they may see. */
static bool is_visible(struct api_call *call, const struct update_batch *b)
{
    return !scope_is_limited(&call->who.scope) || batch_is_of(b, &call->who) ||
           batch_count_visible(call->api->o.batches, b, may_see, call) > 0;
}

struct listing {
    struct api_call *call;
    json_t *list;
};

static void append(void *arg, const struct update_batch *b)
{
    struct listing *l = arg;

    if (is_visible(l->call, b))
        (void)json_array_append_new(l->list, batch_json(b));
}

void update_batches_get(struct api_call *call)
{
    struct listing l = {call, json_array()};

    batches_each(call->api->o.batches, append, &l);
    api_reply(call, 200, json_pack("{s:o}", "batches", l.list));
}

/* The batch of path parameter 0; NULL after the call was answered. */
static const struct update_batch *find_batch(struct api_call *call)
{
    const struct update_batch *b = batches_find(call->api->o.batches, api_param(call, 0));

    if (b && is_visible(call, b))
        return b;
    api_fail(call, -ENOENT, "No such batch of updates: %s", api_param(call, 0));
    return NULL;
}

static json_t *show(struct api_call *call, const struct update_batch *b)
{
    bool sees_all = !scope_is_limited(&call->who.scope);
    json_t *o = batch_json(b);

    json_text_set(o, "items",
                  batch_items_json(call->api->o.batches, b, sees_all ? NULL : may_see, call));
    return o;
}

void update_batch_get(struct api_call *call)
{
    const struct update_batch *b = find_batch(call);

    if (b)
        api_reply(call, 200, show(call, b));
}

void update_batch_delete(struct api_call *call)
{
    struct batches *bs = call->api->o.batches;
    const struct update_batch *b = find_batch(call);
    const char *id;

    if (!b)
        return;
    id = api_param(call, 0);
    call->target = xstrdup(id);
    if (!batch_is_of(b, &call->who) && batch_count_visible(bs, b, may_see, call) < batch_count(b)) {
        api_fail_code(call, CODE_PERMISSION_DENIED,
                      "Permission denied: the batch has containers outside your scope");
        return;
    }
    if (!batches_cancel(bs, id, call->who.name)) {
        api_fail(call, -EBUSY, "The batch is over: nothing is left to cancel");
        return;
    }
    api_reply(call, 200, show(call, batches_find(bs, id)));
}
