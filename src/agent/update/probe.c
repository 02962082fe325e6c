#include "agent/update/probe.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/engine.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>

#define CALL_MS    60000
#define MAX_LEFT   64 /* probes of earlier agents that are removed */
#define MIN_LEFT_S 60 /* their age: another agent of this engine may be at work */
#define MAX_LIST   ((size_t)1 << 20)
#define CREATED_ONLY \
    "%7B%22label%22%3A%5B%22" PROBE_LABEL "%22%5D%2C%22status%22%3A%5B%22created%22%5D%7D"

enum probe_state { PROBE_CREATING, PROBE_INSPECTING, PROBE_REMOVING, PROBE_KEPT };

struct probe {
    struct list link;
    struct probes *owner;
    char *key, *image, *platform;
    enum probe_state state;
    bool has_command; /* it was created with one, because the image has none */
    struct engine_call *call;
    char id[CONTAINER_ID_SIZE];
    json_t *json;  /* NULL: failed, or not yet */
    char *message; /* of a failure, or NULL */
    unsigned generation;
    uint64_t made_ms;
    struct list waits;
    struct loop_timer deliver; /* to those that ask for a result that is kept */
};

struct probe_wait {
    struct list link;
    probe_fn done;
    void *owner;
};

struct probes {
    struct engine *engine;
    struct list probes; /* the oldest first */
    size_t n;
    /* Those of an earlier agent. */
    bool has_swept;
    struct engine_call *sweep;
    json_t *left;
};

static void free_wait(struct probe_wait *w)
{
    list_unlink(&w->link);
    free(w);
}

void probe_wait_cancel(struct probe_wait *w)
{
    if (w)
        free_wait(w);
}

static void free_probe(struct probe *p)
{
    list_unlink(&p->link);
    p->owner->n--;
    loop_timer_stop(&p->deliver);
    engine_call_cancel(p->call);
    while (!list_empty(&p->waits))
        free_wait(CONTAINER_OF(list_take_first(&p->waits), struct probe_wait, link));
    json_decref(p->json);
    free(p->message);
    free(p->key);
    free(p->image);
    free(p->platform);
    free(p);
}

struct probes *probes_new(struct engine *engine)
{
    struct probes *p = xcalloc(1, sizeof(*p));

    p->engine = engine;
    list_init(&p->probes);
    return p;
}

void probes_free(struct probes *p)
{
    if (!p)
        return;
    engine_call_cancel(p->sweep);
    json_decref(p->left);
    while (!list_empty(&p->probes))
        free_probe(CONTAINER_OF(list_take_first(&p->probes), struct probe, link));
    free(p);
}

/* --- what an earlier agent has left --- */

static void remove_left(struct probes *p);

static void on_left_removed(void *owner, const struct engine_reply *reply)
{
    struct probes *p = owner;

    p->sweep = NULL;
    if (reply->code < 0 && reply->code != -ENOENT)
        log_warn(NULL, "a probe of an earlier agent was not removed: %s", reply->message);
    remove_left(p);
}

static void remove_left(struct probes *p)
{
    const json_t *last = json_array_get(p->left, 0);
    _cleanup_free_ char *path = last ? xasprintf("/containers/%s?v=1", json_string_value(last))
                                     : NULL;

    if (!path)
        return;
    (void)json_array_remove(p->left, 0);
    if (engine_call_start(&p->sweep, p->engine,
                          &(struct engine_request){.method = "DELETE",
                                                   .path = path,
                                                   .timeout_ms = CALL_MS,
                                                   .done = on_left_removed,
                                                   .owner = p},
                          NULL) < 0)
        p->sweep = NULL; /* the next agent removes them */
}

static void on_left(void *owner, const struct engine_reply *reply)
{
    struct probes *p = owner;
    const json_t *entry;
    size_t i;

    p->sweep = NULL;
    p->left = json_array();
    json_array_foreach(reply->json, i, entry)
    {
        const char *id = json_text_get(entry, "Id");
        const json_t *labels = json_object_get(entry, "Labels");
        json_int_t created = json_integer_value(json_object_get(entry, "Created"));

        if (json_array_size(p->left) < MAX_LEFT && str_is_hex(id ? id : "", CONTAINER_ID_LEN) &&
            json_object_get(labels, PROBE_LABEL) &&
            str_eq(json_text_get(entry, "State"), "created") &&
            created < time_utc_ms() / MS_PER_S - MIN_LEFT_S &&
            json_array_append_new(p->left, json_text_str(id)) < 0)
            abort(); /* out of memory */
    }
    remove_left(p);
}

static void sweep(struct probes *p)
{
    if (p->has_swept)
        return;
    p->has_swept = true;
    if (engine_call_start(
            &p->sweep, p->engine,
            &(struct engine_request){.path = "/containers/json?all=1&filters=" CREATED_ONLY,
                                     .timeout_ms = CALL_MS,
                                     .max_body = MAX_LIST,
                                     .wants_json = true,
                                     .done = on_left,
                                     .owner = p},
            NULL) < 0)
        p->has_swept = false;
}

/* --- one probe --- */

/* Those that wait may ask again, which can free the probe. */
static void deliver(struct probe *p)
{
    json_auto_t *json = json_incref(p->json);
    _cleanup_free_ char *message = xstrdup(p->message ? p->message : "");
    struct list batch;

    p->state = PROBE_KEPT;
    list_init(&batch);
    while (!list_empty(&p->waits))
        list_append(&batch, list_take_first(&p->waits));
    while (!list_empty(&batch)) {
        struct probe_wait *w = CONTAINER_OF(list_take_first(&batch), struct probe_wait, link);

        w->done(w->owner, json, message);
        free(w);
    }
}

static void keep_failure(struct probe *p, const char *message)
{
    if (!p->message)
        p->message = xstrdup(message);
}

static void on_deliver(struct loop_timer *t)
{
    deliver(CONTAINER_OF(t, struct probe, deliver));
}

static void deliver_later(struct probe *p)
{
    loop_timer_start(engine_loop(p->owner->engine), &p->deliver, 0, on_deliver);
}

static bool ask(
    struct probe *p, const char *method, const char *path, const char *body, engine_done_fn done)
{
    struct error err = ERROR_INIT;

    if (engine_call_start(&p->call, p->owner->engine,
                          &(struct engine_request){.method = method,
                                                   .path = path,
                                                   .body = body,
                                                   .timeout_ms = CALL_MS,
                                                   .wants_json = !str_eq(method, "DELETE"),
                                                   .done = done,
                                                   .owner = p},
                          &err) == 0)
        return true;
    keep_failure(p, err.msg);
    return false;
}

static void on_removed(void *owner, const struct engine_reply *reply)
{
    struct probe *p = owner;

    p->call = NULL;
    if (reply->code < 0 && reply->code != -ENOENT)
        log_warn(LOG_FIELDS("container", p->id), "a probe was not removed: %s", reply->message);
    deliver(p);
}

static void remove_probe(struct probe *p)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s?v=1", p->id);

    p->state = PROBE_REMOVING;
    if (!ask(p, "DELETE", path, NULL, on_removed))
        deliver_later(p);
}

static void on_inspected(void *owner, const struct engine_reply *reply)
{
    struct probe *p = owner;

    p->call = NULL;
    if (reply->code < 0) {
        keep_failure(p, reply->message);
    } else if (json_is_object(reply->json)) {
        p->json = json_incref((json_t *)(uintptr_t)reply->json);
    }
    p->generation = engine_generation(p->owner->engine);
    p->made_ms = time_monotonic_ms();
    remove_probe(p);
}

static void create(struct probe *p);

static void on_created(void *owner, const struct engine_reply *reply)
{
    struct probe *p = owner;
    const char *id = json_text_get(reply->json, "Id");
    _cleanup_free_ char *path = NULL;

    p->call = NULL;
    if (reply->status == 400 && !p->has_command) {
        p->has_command = true; /* an image without a command needs one */
        create(p);
        return;
    }
    if (reply->code < 0 || !str_is_hex(id ? id : "", CONTAINER_ID_LEN)) {
        keep_failure(p, reply->code < 0 ? reply->message : "the engine created it without an id");
        deliver(p);
        return;
    }
    str_copy(p->id, sizeof(p->id), id);
    p->state = PROBE_INSPECTING;
    path = xasprintf("/containers/%s/json", p->id);
    if (!ask(p, NULL, path, NULL, on_inspected))
        remove_probe(p);
}

static void create(struct probe *p)
{
    _cleanup_free_ char *token = random_token(6), *body = NULL, *path = NULL;
    _cleanup_free_ char *platform = engine_query_escape(p->platform ? p->platform : "");
    json_auto_t *o = json_object();
    json_t *labels = json_object();

    json_text_set(labels, PROBE_LABEL, json_text_str("1"));
    json_text_set(o, "Image", json_text_str(p->image));
    json_text_set(o, "Labels", labels);
    if (p->has_command)
        json_text_set(o, "Cmd", json_pack("[s]", "true"));
    body = json_text_write(o, NULL);
    path = xasprintf("/containers/create?name=dockmon-probe-%s%s%s", token,
                     *platform ? "&platform=" : "", platform);
    p->state = PROBE_CREATING;
    if (!ask(p, "POST", path, body, on_created))
        deliver_later(p);
}

static struct probe *find_probe(struct probes *all, const char *key)
{
    for (struct list *l = all->probes.next; l != &all->probes; l = l->next) {
        struct probe *p = CONTAINER_OF(l, struct probe, link);

        if (str_eq(p->key, key))
            return p;
    }
    return NULL;
}

/* The oldest that nobody waits for; NULL: there is none. */
static struct probe *find_unused(struct probes *all)
{
    for (struct list *l = all->probes.next; l != &all->probes; l = l->next) {
        struct probe *p = CONTAINER_OF(l, struct probe, link);

        if (p->state == PROBE_KEPT && list_empty(&p->waits))
            return p;
    }
    return NULL;
}

/* Makes room for one more. */
static void drop_oldest(struct probes *all)
{
    struct probe *p = all->n >= PROBES_MAX ? find_unused(all) : NULL;

    if (p)
        free_probe(p);
}

static struct probe *add_probe(struct probes *all,
                               char *key,
                               const char *image,
                               const char *platform)
{
    struct probe *p = xcalloc(1, sizeof(*p));

    drop_oldest(all);
    p->owner = all;
    p->key = key;
    p->image = xstrdup(image);
    p->platform = xstrdup(platform);
    list_init(&p->waits);
    list_append(&all->probes, &p->link);
    all->n++;
    return p;
}

static bool is_valid(const struct probe *p)
{
    return p->json && p->generation == engine_generation(p->owner->engine) &&
           time_monotonic_ms() - p->made_ms < PROBE_KEPT_MS;
}

void probes_ask(struct probe_wait **ret,
                struct probes *all,
                const struct probe_request *request,
                probe_fn done,
                void *owner)
{
    _cleanup_free_ char *key = xasprintf("%s\n%s", request->image_id,
                                         request->platform ? request->platform : "");
    struct probe *p = find_probe(all, key), *stale = NULL;
    struct probe_wait *w = xcalloc(1, sizeof(*w));

    sweep(all);
    w->done = done;
    w->owner = owner;
    if (p && p->state == PROBE_KEPT && list_empty(&p->waits) && !is_valid(p)) {
        stale = p;
        list_unlink(&stale->link); /* not found by add_probe() */
        p = NULL;
    }
    if (!p) {
        p = add_probe(all, TAKE_PTR(key), request->image, request->platform);
        create(p);
        if (stale)
            free_probe(stale);
    } else if (p->state == PROBE_KEPT) {
        deliver_later(p);
    }
    list_append(&p->waits, &w->link);
    *ret = w;
}
