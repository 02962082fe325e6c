#include "agent/update/inspect_all.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>

#define LIST_MS    30000
#define INSPECT_MS 15000
#define MAX_LIST   ((size_t)64 << 20)

struct inspect_all {
    struct engine *engine;
    struct engine_call *call;
    struct loop_timer failure; /* of a request that could not be sent */
    json_t *list;
    size_t at;
    json_t *containers;
    void (*done)(void *owner, json_t *containers, int code, const char *message);
    void *owner;
    bool has_ended;
};

static void destroy(struct inspect_all *a)
{
    loop_timer_stop(&a->failure);
    engine_call_cancel(a->call);
    json_decref(a->list);
    json_decref(a->containers);
    free(a);
}

void inspect_all_free(struct inspect_all *a)
{
    if (a && !a->has_ended)
        destroy(a);
}

static void end(struct inspect_all *a, int code, const char *message)
{
    a->has_ended = true;
    a->done(a->owner, code < 0 ? NULL : a->containers, code, message);
    destroy(a);
}

static void on_failure(struct loop_timer *t)
{
    end(CONTAINER_OF(t, struct inspect_all, failure), -ENOTCONN, "the engine cannot be asked");
}

static void ask(struct inspect_all *a, const char *path, uint64_t timeout_ms, engine_done_fn done)
{
    if (engine_call_start(&a->call, a->engine,
                          &(struct engine_request){.path = path,
                                                   .wants_json = true,
                                                   .max_body = MAX_LIST,
                                                   .timeout_ms = timeout_ms,
                                                   .done = done,
                                                   .owner = a},
                          NULL) < 0)
        loop_timer_start(engine_loop(a->engine), &a->failure, 0, on_failure);
}

static void inspect_next(struct inspect_all *a);

static void on_inspected(void *owner, const struct engine_reply *reply)
{
    struct inspect_all *a = owner;

    a->call = NULL;
    if (reply->code < 0 && reply->code != -ENOENT) {
        end(a, reply->code, reply->message);
        return;
    }
    if (json_is_object(reply->json) &&
        json_array_append(a->containers, (json_t *)(uintptr_t)reply->json) < 0)
        abort(); /* out of memory */
    inspect_next(a);
}

static void inspect_next(struct inspect_all *a)
{
    while (a->at < json_array_size(a->list)) {
        const char *id = json_text_get(json_array_get(a->list, a->at++), "Id");
        _cleanup_free_ char *path = NULL;

        if (!id || !str_is_hex(id, CONTAINER_ID_LEN))
            continue;
        path = xasprintf("/containers/%s/json", id);
        ask(a, path, INSPECT_MS, on_inspected);
        return;
    }
    end(a, 0, NULL);
}

static void on_listed(void *owner, const struct engine_reply *reply)
{
    struct inspect_all *a = owner;

    a->call = NULL;
    if (reply->code < 0) {
        end(a, reply->code, reply->message);
    } else if (!json_is_array(reply->json) || json_array_size(reply->json) > INSPECT_ALL_MAX) {
        end(a, -EPROTO, "the list of containers is not an array, or too long");
    } else {
        a->list = json_incref((json_t *)(uintptr_t)reply->json);
        inspect_next(a);
    }
}

struct inspect_all *inspect_all_start(
    struct engine *engine,
    void (*done)(void *owner, json_t *containers, int code, const char *message),
    void *owner)
{
    struct inspect_all *a = xcalloc(1, sizeof(*a));

    a->engine = engine;
    a->done = done;
    a->owner = owner;
    a->containers = json_array();
    ask(a, "/containers/json?all=1", LIST_MS, on_listed);
    return a;
}
