/*
 * /api/v2/user/preferences, and the two preferences that have routes of their own: settings that
 * the web UI keeps for its user. The server does not interpret them; it checks their types and
 * bounds their size. A row has the members that were set; the others have their default.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/store/user_preferences.h"

#include <errno.h>
#include <string.h>

#define MAX_SIZE ((size_t)64 * 1024) /* bytes of the JSON text of one user */
#define MAX_TEXT 255                 /* bytes of a text */

enum kind {
    KIND_BOOL,
    KIND_TEXT,
    KIND_TEXTS,
    KIND_LIST,
    KIND_OBJECT,
    KIND_MEMBERS, /* an object with the members of `dashboard` */
};

struct preference {
    const char *name;
    enum kind kind;
    const char *fallback;   /* JSON */
    const char *choices[4]; /* of a text; empty: any */
};

struct preferences {
    const struct preference *items;
    size_t n;
};

static const struct preference dashboard_items[] = {
    {"showKpiBar",             KIND_BOOL,   "true",      {0}},
    {"showStatsWidgets",       KIND_BOOL,   "false",     {0}},
    {"showContainerStats",     KIND_BOOL,   "true",      {0}},
    {"optimizedLoading",       KIND_BOOL,   "true",      {0}},
    {"hostOrder",              KIND_TEXTS,  "[]",        {0}},
    {"compactHostOrder",       KIND_TEXTS,  "[]",        {0}},
    {"containerSortKey",       KIND_TEXT,   "\"state\"", {0}},
    {"hostContainerSorts",     KIND_OBJECT, "{}",        {0}},
    {"hostCardLayout",         KIND_LIST,   "[]",        {0}},
    {"hostCardLayoutStandard", KIND_LIST,   "[]",        {0}},
    {"tagGroupOrder",          KIND_TEXTS,  "[]",        {0}},
    {"groupLayouts",           KIND_OBJECT, "{}",        {0}},
};
static const struct preferences dashboard = {dashboard_items, ARRAY_LEN(dashboard_items)};

static const struct preference whole_items[] = {
    {"theme",                             KIND_TEXT,    "\"dark\"", {0}           },
    {"group_by",                          KIND_TEXT,    "null",     {0}           },
    {"compact_view",                      KIND_BOOL,    "false",    {0}           },
    {"collapsed_groups",                  KIND_TEXTS,   "[]",       {0}           },
    {"sidebar_collapsed",                 KIND_BOOL,    "false",    {0}           },
    {"dashboard_layout_v2",               KIND_OBJECT,  "null",     {0}           },
    {"simplified_workflow",               KIND_BOOL,    "true",     {0}           },
    {"time_format",                       KIND_TEXT,    "\"24h\"",  {"12h", "24h"}},
    {"host_table_sort",                   KIND_LIST,    "null",     {0}           },
    {"container_table_sort",              KIND_LIST,    "null",     {0}           },
    {"container_table_column_visibility", KIND_OBJECT,  "null",     {0}           },
    {"container_table_column_order",      KIND_TEXTS,   "null",     {0}           },
    {"dashboard",                         KIND_MEMBERS, "{}",       {0}           },
};
static const struct preferences whole = {whole_items, ARRAY_LEN(whole_items)};

/* With a route each. */
static const struct preference view_mode = {
    "view_mode", KIND_TEXT, "\"standard\"", {"compact", "standard", "expanded"}
};
static const struct preference event_sort_order = {
    "sort_order", KIND_TEXT, "\"desc\"", {"asc", "desc"}
};

static bool is_choice(const struct preference *p, const char *text)
{
    bool is_any = true;

    for (size_t i = 0; i < ARRAY_LEN(p->choices) && p->choices[i]; i++) {
        if (str_eq(p->choices[i], text))
            return true;
        is_any = false;
    }
    return is_any;
}

static bool is_text(const json_t *v)
{
    return json_is_string(v) && json_string_length(v) <= MAX_TEXT &&
           !memchr(json_string_value(v), '\0', json_string_length(v));
}

static bool are_texts(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (!is_text(json_array_get(v, i)))
            return false;
    }
    return json_is_array(v);
}

static bool is_valid(const struct preference *p, const json_t *v)
{
    switch (p->kind) {
    case KIND_BOOL: return json_is_boolean(v);
    case KIND_TEXT: return is_text(v) && is_choice(p, json_string_value(v));
    case KIND_TEXTS: return are_texts(v);
    case KIND_LIST: return json_is_array(v);
    case KIND_OBJECT:
    case KIND_MEMBERS: return json_is_object(v);
    }
    return false;
}

static const char *describe(const struct preference *p)
{
    static const char *const kinds[] = {
        [KIND_BOOL] = "true or false",    [KIND_TEXT] = "a text of its choices",
        [KIND_TEXTS] = "a list of texts", [KIND_LIST] = "a list",
        [KIND_OBJECT] = "an object",      [KIND_MEMBERS] = "an object",
    };

    return kinds[p->kind];
}

/* Null resets a member to its default. */
static int check(const struct preference *p, const json_t *v, struct error *err)
{
    if (!v || json_is_null(v) || is_valid(p, v))
        return 0;
    return error_set(err, -EDOM, "`%s` must be %s", p->name, describe(p));
}

static int check_all(const struct preferences *list, const json_t *patch, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < list->n; i++) {
        const struct preference *p = &list->items[i];
        const json_t *v = json_object_get(patch, p->name);

        r = check(p, v, err);
        if (r == 0 && p->kind == KIND_MEMBERS)
            r = check_all(&dashboard, v, err);
    }
    return r;
}

static void merge_one(const struct preference *p, json_t *stored, json_t *v)
{
    if (json_is_null(v)) {
        (void)json_object_del(stored, p->name);
    } else if (v) {
        (void)json_object_set(stored, p->name, v);
    }
}

static void merge(const struct preferences *list, json_t *stored, const json_t *patch)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct preference *p = &list->items[i];
        json_t *v = json_object_get(patch, p->name);

        if (p->kind != KIND_MEMBERS || !json_is_object(v)) {
            merge_one(p, stored, v);
            continue;
        }
        if (!json_is_object(json_object_get(stored, p->name)))
            (void)json_object_set_new(stored, p->name, json_object());
        merge(&dashboard, json_object_get(stored, p->name), v);
    }
}

static json_t *make_value(const struct preference *p, json_t *stored)
{
    return stored && is_valid(p, stored) ? json_incref(stored)
                                         : json_loads(p->fallback, JSON_DECODE_ANY, NULL);
}

static json_t *make_all(const struct preferences *list, const json_t *stored)
{
    json_t *o = json_object();

    for (size_t i = 0; i < list->n; i++) {
        const struct preference *p = &list->items[i];
        json_t *v = json_object_get(stored, p->name);

        (void)json_object_set_new(
            o, p->name, p->kind == KIND_MEMBERS ? make_all(&dashboard, v) : make_value(p, v));
    }
    return o;
}

struct request {
    struct api_job *job;
    const struct preferences *list;
};

/* The members of job->numbers. */
enum { NUMBER_USER, NUMBER_NOW, NUMBER_RESET };

static int load(struct db *s, int64_t user_id, json_t **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int r = user_preferences_get(s, user_id, &text, err);

    if (r < 0 && r != -ENOENT)
        return r;
    *ret = text ? json_loads(text, 0, NULL) : NULL;
    if (!*ret)
        *ret = json_object();
    return 0;
}

static int store(struct db *s, const struct api_job *job, const json_t *stored, struct error *err)
{
    size_t size = 0;
    _cleanup_free_ char *text = json_text_write(stored, &size);

    if (size > MAX_SIZE) {
        return error_set(err, -EDOM, "the preferences would have more than %zu bytes: %s", MAX_SIZE,
                         "DELETE /api/v2/user/preferences removes them");
    }
    return user_preferences_set(s, job->numbers[NUMBER_USER], text, job->numbers[NUMBER_NOW], err);
}

/* Merges the change in args[0], if there is one, and makes the result. */
static int change(struct db *s, void *arg, struct error *err)
{
    const struct request *request = arg;
    struct api_job *job = request->job;
    json_auto_t *stored = NULL, *patch = NULL;
    int r = 0;

    if (job->numbers[NUMBER_RESET])
        r = user_preferences_delete_user(s, job->numbers[NUMBER_USER], err);
    if (r == 0)
        r = load(s, job->numbers[NUMBER_USER], &stored, err);
    if (r == 0 && job->args[0]) {
        patch = json_loads(job->args[0], 0, NULL);
        merge(request->list, stored, patch);
        r = store(s, job, stored, err);
    }
    if (r == 0)
        job->result = make_all(request->list, stored);
    return r;
}

static int run(struct api_job *job, const struct preferences *list)
{
    int r = db_tx(job->store, change, &(struct request){job, list}, &job->err);

    if (r == 0 && (job->args[0] || job->numbers[NUMBER_RESET])) {
        (void)json_object_set_new(job->result, "success", json_true());
        (void)json_object_set_new(job->result, "message", json_text_str("Preferences updated"));
    }
    return r;
}

static int whole_work(struct api_job *job)
{
    return run(job, &whole);
}

static int view_mode_work(struct api_job *job)
{
    return run(job, &(struct preferences){&view_mode, 1});
}

static int event_sort_order_work(struct api_job *job)
{
    return run(job, &(struct preferences){&event_sort_order, 1});
}

typedef int (*work_fn)(struct api_job *job);

/* The preferences of a key are those of its user; a key with limits, or without a user, has the
 * defaults. */
static int64_t get_user(const struct identity *who)
{
    return identity_is_limited_key(who) ? 0 : who->owner_id;
}

/* Takes ownership of the change, which may be NULL. */
static void start(struct api_call *call, work_fn work, char *patch, bool is_reset)
{
    struct api_job *job = api_job_new(call, work, NULL);

    job->args[0] = patch;
    job->numbers[NUMBER_USER] = get_user(&call->who);
    job->numbers[NUMBER_NOW] = time_utc_ms();
    job->numbers[NUMBER_RESET] = is_reset;
    if ((patch || is_reset) && !job->numbers[NUMBER_USER]) {
        api_fail(call, -EACCES,
                 "Permission denied: the API key %s has no preferences, because it has limits or "
                 "belongs to no user",
                 call->who.name);
        api_job_free(job);
        return;
    }
    api_job_start(job);
}

static void update(struct api_call *call, work_fn work, const struct preferences *list)
{
    struct error err = ERROR_INIT;
    const json_t *body;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0 && list->n == 1 && !json_is_string(json_object_get(body, list->items[0].name)))
        r = error_set(&err, -EDOM, "`%s` must be a text", list->items[0].name);
    if (r == 0)
        r = check_all(list, body, &err);
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    start(call, work, json_text_write(body, NULL), false);
}

void preferences_get(struct api_call *call)
{
    start(call, whole_work, NULL, false);
}

void preferences_patch(struct api_call *call)
{
    update(call, whole_work, &whole);
}

void preferences_delete(struct api_call *call)
{
    start(call, whole_work, NULL, true);
}

void view_mode_get(struct api_call *call)
{
    start(call, view_mode_work, NULL, false);
}

void view_mode_post(struct api_call *call)
{
    update(call, view_mode_work, &(struct preferences){&view_mode, 1});
}

void event_sort_order_get(struct api_call *call)
{
    start(call, event_sort_order_work, NULL, false);
}

void event_sort_order_post(struct api_call *call)
{
    update(call, event_sort_order_work, &(struct preferences){&event_sort_order, 1});
}
