#include "agent/engine/container_list.h"
#include "agent/update/probe.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "docker/checked_text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_PARALLEL  16
#define MAX_LIST_BODY ((size_t)64 << 20)
/* The longest member that is kept in an element that is too long. */
#define MAX_LONG_MEMBER    (CONTAINER_LIST_MAX_ELEMENT / 16)
#define DEADLINE_MS        25000
#define INSPECT_TIMEOUT_MS 10000

enum list_state {
    LIST_READING,    /* waiting for /containers/json */
    LIST_COMPLETING, /* inspecting containers and images */
    LIST_DONE,       /* calling `done` */
};

struct element {
    struct container_element head;
    struct json_span text;
    struct facts_container own; /* facts that must not be cached */
    bool is_inspected;
};

/* One inspect request. */
struct lookup {
    struct container_list *list;
    struct engine_call *call;
    size_t element;
    bool is_image;
    unsigned generation; /* of the facts when the request was sent */
};

struct container_list {
    struct engine *engine;
    struct facts *facts;
    container_list_fn done;
    void *owner;
    enum list_state state;
    struct engine_call *call;
    struct loop_timer deadline;
    struct checked_text text;
    struct element *elements;
    size_t n;
    struct map images; /* image id -> digests as text (owned), or `pending` */
    size_t next_container, next_image;
    struct lookup lookups[MAX_PARALLEL];
    size_t n_running;
};

static char pending[] = ""; /* marks an image that is being inspected */

static void list_set_state(struct container_list *list, enum list_state state)
{
    assert(state > list->state);
    list->state = state;
}

static void cancel_lookups(struct container_list *list)
{
    for (size_t i = 0; i < MAX_PARALLEL; i++)
        engine_call_cancel(TAKE_PTR(list->lookups[i].call));
    list->n_running = 0;
}

static void list_free(struct container_list *list)
{
    engine_call_cancel(list->call);
    cancel_lookups(list);
    loop_timer_stop(&list->deadline);
    for (size_t i = 0; i < list->n; i++) {
        free(list->elements[i].own.env);
        free(list->elements[i].own.started_at);
        free(list->elements[i].own.restart_policy);
    }
    map_foreach(&list->images, e) {
        if (e->value != pending)
            free(e->value);
    }
    map_done(&list->images);
    free(list->elements);
    checked_text_done(&list->text);
    free(list);
}

static void finish(struct container_list *list, const struct container_list_result *result)
{
    list_set_state(list, LIST_DONE);
    cancel_lookups(list);
    list->done(list->owner, result);
    list_free(list);
}

static void finish_error(struct container_list *list, int code, int status, const char *message)
{
    finish(list,
           &(struct container_list_result){.code = code, .status = status, .message = message});
}

/* Returns the digests of an image that were just read, or those of the cache. NULL: unknown. */
static const char *find_digests(const struct container_list *list, const char *image_id)
{
    const char *own = map_find(&list->images, image_id);

    return own && own != pending ? own : facts_find_image(list->facts, image_id);
}

static void append(struct buf *b, const char *p, size_t n)
{
    int r = buf_append(b, p, n);

    assert(r == 0);
}

static void append_member(struct buf *b, const char *key, const char *value)
{
    int r = buf_printf(b, ",\"%s\":%s", key, value);

    assert(r == 0);
}

/*
 * Appends the element without its last brace, and inserts the restart policy into its HostConfig.
 */
static void append_body(const struct element *e, const char *restart_policy, struct buf *b)
{
    struct json_span text = {e->text.p, e->text.n - 1}, config = e->head.host_config;
    size_t before;

    if (restart_policy && config.n > 0) {
        before = (size_t)(config.p - text.p) + config.n - 1;
        append(b, text.p, before);
        append_member(b, "RestartPolicy", restart_policy);
        text = (struct json_span){text.p + before, text.n - before};
    }
    append(b, text.p, text.n);
}

static void append_element(const struct container_list *list,
                           const struct element *e,
                           struct buf *b)
{
    static const struct facts_container none = {0};
    const struct facts_container *cached = facts_find_container(list->facts, e->head.id);
    const struct facts_container *facts = e->is_inspected ? &e->own : cached ? cached : &none;
    const char *digests = find_digests(list, e->head.image_id);

    append_body(e, facts->restart_policy, b);
    if (!e->head.has_digests)
        append_member(b, "RepoDigests", digests ? digests : "[]");
    if (facts->started_at && !e->head.has_started_at)
        append_member(b, "StartedAt", facts->started_at);
    if (facts->env && !str_eq(facts->env, "{}") && !e->head.has_env) /* omitted as by Go agents */
        append_member(b, "Env", facts->env);
    if (facts->oom_killed)
        append_member(b, "OOMKilled", facts->oom_killed);
    append(b, "}", 1);
}

/* Omits long members: huge labels of one container must not prevent the list of all others. */
static void append_short_members(struct json_span element, struct buf *b)
{
    size_t left = CONTAINER_LIST_MAX_ELEMENT - strlen("{}");
    struct json_span key, value;
    const char *comma = "";
    struct json_iter it;

    append(b, "{", 1);
    json_iter_init(&it, element);
    while (json_iter_next(&it, &key, &value)) {
        size_t size = key.n + value.n + strlen(",\"\":");

        if (value.n > MAX_LONG_MEMBER || size > left)
            continue;
        left -= size;
        append(b, comma, strlen(comma));
        append(b, "\"", 1);
        append(b, key.p, key.n);
        append(b, "\":", 2);
        append(b, value.p, value.n);
        comma = ",";
    }
    append(b, "}", 1);
}

/* Appends an element; returns whether members were omitted. */
static bool append_limited(const struct container_list *list,
                           const struct element *e,
                           struct buf *b)
{
    struct buf whole = BUF_INIT(SIZE_MAX);
    bool is_cut;

    append_element(list, e, &whole);
    is_cut = whole.size > CONTAINER_LIST_MAX_ELEMENT;
    if (is_cut) {
        append_short_members((struct json_span){whole.data, whole.size}, b);
    } else {
        append(b, whole.data, whole.size);
    }
    buf_done(&whole);
    return is_cut;
}

static void warn_of_cut(const struct container_list *list, const char *id)
{
    if (facts_note_long(list->facts, id)) {
        log_warn(LOG_FIELDS("container", id),
                 "description of the container is longer than %zu bytes: long members, perhaps its "
                 "labels, are omitted",
                 CONTAINER_LIST_MAX_ELEMENT);
    }
}

static void finish_complete(struct container_list *list)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    struct container_list_item *items = xcalloc(list->n, sizeof(*items));
    size_t *ends = xcalloc(list->n, sizeof(*ends));

    for (size_t i = 0; i < list->n; i++) {
        if (append_limited(list, &list->elements[i], &text))
            warn_of_cut(list, list->elements[i].head.id);
        ends[i] = text.size;
    }
    for (size_t i = 0; i < list->n; i++) {
        size_t start = i ? ends[i - 1] : 0;

        str_copy(items[i].id, sizeof(items[i].id), list->elements[i].head.id);
        items[i].text = (struct json_span){text.data + start, ends[i] - start};
    }
    finish(list, &(struct container_list_result){.message = "", .items = items, .n = list->n});
    free(items);
    free(ends);
    buf_done(&text);
}

static void store_container(struct lookup *l, struct json_span inspect)
{
    struct container_list *list = l->list;
    struct element *e = &list->elements[l->element];
    struct facts_container own = {
        .env = container_inspect_env(inspect),
        .started_at = container_inspect_started_at(inspect),
        .restart_policy = container_inspect_restart_policy(inspect),
        .oom_killed = container_inspect_oom_killed(inspect),
    };

    if (l->generation == facts_generation(list->facts)) {
        facts_put_container(list->facts, e->head.id, &own);
        return;
    }
    e->is_inspected = true;
    e->own = own;
}

static void store_image(struct lookup *l, char *digests)
{
    struct container_list *list = l->list;
    const char *image_id = list->elements[l->element].head.image_id;

    if (l->generation == facts_generation(list->facts)) {
        facts_put_image(list->facts, image_id, digests);
    } else {
        (void)map_put(&list->images, image_id, digests); /* replaces `pending` */
    }
}

static void store_reply(struct lookup *l, const struct engine_reply *reply)
{
    struct checked_text text;

    if (reply->code < 0 || checked_text_init(&text, reply->body, reply->size, NULL) < 0)
        return; /* the element stays without these facts */
    if (l->is_image) {
        store_image(l, image_inspect_digests(checked_text_span(&text)));
    } else {
        store_container(l, checked_text_span(&text));
    }
    checked_text_done(&text);
}

static void start_lookups(struct container_list *list);

static void on_lookup(void *owner, const struct engine_reply *reply)
{
    struct lookup *l = owner;
    struct container_list *list = l->list;

    l->call = NULL;
    list->n_running--;
    if (reply->code == -ENOTCONN) {
        finish_error(list, reply->code, reply->status, reply->message);
        return;
    }
    store_reply(l, reply);
    start_lookups(list);
}

/* Finds the next image or container to inspect; false: there is none. */
static bool next_lookup(struct container_list *list, size_t *ret_element, bool *ret_is_image)
{
    for (; list->next_image < list->n; list->next_image++) {
        const struct element *e = &list->elements[list->next_image];

        if (e->head.image_id[0] == '\0' || e->head.has_digests ||
            map_find(&list->images, e->head.image_id) ||
            facts_find_image(list->facts, e->head.image_id))
            continue;
        (void)map_put(&list->images, e->head.image_id, pending);
        *ret_element = list->next_image++;
        *ret_is_image = true;
        return true;
    }
    for (; list->next_container < list->n; list->next_container++) {
        const struct element *e = &list->elements[list->next_container];

        if ((e->head.has_env && e->head.has_started_at) ||
            facts_find_container(list->facts, e->head.id))
            continue;
        *ret_element = list->next_container++;
        *ret_is_image = false;
        return true;
    }
    return false;
}

static struct lookup *find_free_lookup(struct container_list *list)
{
    for (size_t i = 0; i < MAX_PARALLEL; i++) {
        if (!list->lookups[i].call)
            return &list->lookups[i];
    }
    return NULL;
}

static int start_lookup(struct container_list *list, size_t element, bool is_image)
{
    const struct container_element *head = &list->elements[element].head;
    struct lookup *l = find_free_lookup(list);
    _cleanup_free_ char *path = is_image ? xasprintf("/images/%s/json", head->image_id)
                                         : xasprintf("/containers/%s/json", head->id);
    int r;

    assert(l);
    *l = (struct lookup){.list = list,
                         .element = element,
                         .is_image = is_image,
                         .generation = facts_generation(list->facts)};
    r = engine_call_start(
        &l->call, list->engine,
        &(struct engine_request){
            .path = path, .timeout_ms = INSPECT_TIMEOUT_MS, .done = on_lookup, .owner = l},
        NULL);
    if (r < 0) {
        l->call = NULL;
    } else {
        list->n_running++;
    }
    return r;
}

static void start_lookups(struct container_list *list)
{
    size_t element;
    bool is_image;

    while (list->n_running < MAX_PARALLEL && next_lookup(list, &element, &is_image))
        (void)start_lookup(list, element, is_image); /* after a failure: without its facts */
    if (list->n_running == 0)
        finish_complete(list); /* frees the list */
}

static void on_deadline(struct loop_timer *t)
{
    struct container_list *list = CONTAINER_OF(t, struct container_list, deadline);

    if (list->state == LIST_COMPLETING) {
        finish_complete(list);
    } else {
        finish_error(list, -ETIMEDOUT, 0, "docker engine did not answer in time");
    }
}

/* Clears an image ID that is not "sha256:" and hex digits, because it is put into a path. */
static void check_image_id(struct container_element *e)
{
    if (!str_starts_with(e->image_id, "sha256:") || !str_is_hex(e->image_id + 7, 64))
        e->image_id[0] = '\0';
}

/* Its events are hidden, too (events_is_noise()), so its end would never be noticed. */
static bool is_probe(struct json_span element)
{
    return json_span_find(json_span_find(element, "Labels"), PROBE_LABEL).n > 0;
}

static int read_elements(struct container_list *list, struct error *err)
{
    struct json_span text = checked_text_span(&list->text), key, value;
    struct json_iter it;
    size_t capacity = 0;

    if (text.n == 0 || text.p[0] != '[')
        return error_set(err, -EPROTO, "the engine sent an invalid container list");
    json_iter_init(&it, text);
    while (json_iter_next(&it, &key, &value)) {
        struct element e = {.text = value};

        if (container_element_read(value, &e.head) < 0)
            return error_set(err, -EPROTO, "the engine listed a container without ID");
        if (is_probe(value))
            continue;
        check_image_id(&e.head);
        if (list->n == capacity) {
            capacity = capacity ? capacity * 2 : 32;
            list->elements = xrealloc(list->elements, capacity, sizeof(*list->elements));
        }
        list->elements[list->n++] = e;
    }
    return 0;
}

static void on_list(void *owner, const struct engine_reply *reply)
{
    struct container_list *list = owner;
    struct error err = ERROR_INIT;

    list->call = NULL;
    if (reply->code < 0) {
        finish_error(list, reply->code, reply->status, reply->message);
        return;
    }
    if (checked_text_init(&list->text, reply->body, reply->size, &err) < 0 ||
        read_elements(list, &err) < 0) {
        finish_error(list, -EPROTO, reply->status, err.msg);
        return;
    }
    list_set_state(list, LIST_COMPLETING);
    start_lookups(list);
}

static char *list_path(const struct container_list_options *o)
{
    struct buf filter = BUF_INIT(SIZE_MAX);
    _cleanup_free_ char *escaped = NULL;
    char *path;

    if (!o->ids)
        return xstrdup("/containers/json?all=1");
    append(&filter, "{\"id\":[", 7);
    for (size_t i = 0; i < o->n_ids; i++) {
        int r = buf_printf(&filter, "%s\"%s\"", i ? "," : "", o->ids[i]);

        assert(r == 0);
    }
    append(&filter, "]}", 2);
    escaped = engine_query_escape(buf_str(&filter));
    path = xasprintf("/containers/json?all=1&filters=%s", escaped);
    buf_done(&filter);
    return path;
}

int container_list_start(struct container_list **ret,
                         const struct container_list_options *o,
                         struct error *err)
{
    struct container_list *list = xcalloc(1, sizeof(*list));
    _cleanup_free_ char *path = list_path(o);
    int r;

    list->engine = o->engine;
    list->facts = o->facts;
    list->done = o->done;
    list->owner = o->owner;
    r = engine_call_start(&list->call, o->engine,
                          &(struct engine_request){.path = path,
                                                   .timeout_ms = DEADLINE_MS,
                                                   .max_body = MAX_LIST_BODY,
                                                   .done = on_list,
                                                   .owner = list},
                          err);
    if (r < 0) {
        list_free(list);
        return r;
    }
    loop_timer_start(engine_loop(o->engine), &list->deadline, DEADLINE_MS, on_deadline);
    *ret = list;
    return 0;
}

void container_list_cancel(struct container_list *list)
{
    if (list && list->state != LIST_DONE)
        list_free(list);
}
