/*
 * Settings of single containers, in the shape of DockMon: tags, auto-restart, desired state and the
 * link to the web UI.
 */

#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/setting_change.h"
#include "server/common/tag_list.h"
#include "server/fleet/host_settings.h"
#include "server/view/container_json.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <string.h>

#define MAX_STATE 16
#define MAX_URL   2048

static json_t *describe(const struct fleet_host *h,
                        const struct fleet_container *c,
                        enum container_setting_kind kind)
{
    const json_t *data = host_settings_find(h, c, CONTAINER_DESIRED_STATE);
    const json_t *url = host_settings_find(h, c, CONTAINER_WEB_UI_URL);
    const char *state = json_text_get(data, "desired_state");
    json_t *o;

    if (kind == CONTAINER_TAGS)
        return json_pack("{s:o}", "tags", container_tags(h, c));
    o = json_pack("{s:o, s:o}", "host_id", json_text_str(h->row.id), "container_id",
                  json_text_string(c->id, CONTAINER_SHORT_ID_LEN));
    if (kind == CONTAINER_AUTO_RESTART) {
        data = host_settings_find(h, c, CONTAINER_AUTO_RESTART);
        json_text_set(o, "auto_restart",
                      json_boolean(json_is_true(json_object_get(data, "enabled"))));
        return o;
    }
    json_text_set(o, "desired_state", json_text_str(state ? state : "unspecified"));
    json_text_set(o, "web_ui_url", json_value_string(json_text_get(url, "url")));
    return o;
}

struct request {
    struct api_call *call;
    enum container_setting_kind kind;
    char id[CONTAINER_ID_SIZE];
};

static void on_done(void *owner, const struct error *err)
{
    struct request *q = owner;
    struct fleet_host *h = fleet_find_host(q->call->api->o.fleet, api_param(q->call, 0));
    struct fleet_container *c;

    if (!h) {
        api_fail_deleted_host(q->call);
    } else if (err) {
        api_fail_error(q->call, err);
    } else if (fleet_find_container(h, q->id, &c) < 0) {
        api_fail_container(q->call, h, -ENOENT);
    } else {
        api_reply(q->call, 200, describe(h, c, q->kind));
    }
    free(q);
}

static void start(struct setting_change_options *o, struct api_call *call)
{
    struct request *q = xcalloc(1, sizeof(*q));

    q->call = call;
    q->kind = o->kinds[0];
    str_copy(q->id, sizeof(q->id), o->container->id);
    call->target = xasprintf("%s/%s", o->host->row.name, o->container->name);
    o->api = call->api;
    o->done = on_done;
    o->owner = q;
    setting_change_start(o);
}

/* Copies a list of tags. A mistyped member would change nothing and answer 200. */
static int read_tags(const json_t *body, json_t *change, struct error *err)
{
    static const char *const members[][2] = {
        {"ordered_tags",   "ordered"},
        {"tags_to_add",    "add"    },
        {"tags_to_remove", "remove" },
        {"container_name", NULL     }
    };
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        size_t i = 0;

        while (i < ARRAY_LEN(members) && !str_eq(name, members[i][0]))
            i++;
        if (i == ARRAY_LEN(members)) {
            return error_set(err, -EDOM,
                             "unknown member `%s`; known are `ordered_tags`, `tags_to_add` and "
                             "`tags_to_remove`",
                             name);
        }
        if (json_is_null(value))
            continue;
        if (!members[i][1]) {
            if (!json_is_string(value))
                return error_set(err, -EDOM, "`%s` must be a string", name);
            continue;
        }
        if (tag_list_check(value, err) < 0)
            return -EDOM;
        json_text_set(change, members[i][1], json_incref(value));
    }
    return 0;
}

void container_tags_patch(struct api_call *call)
{
    json_auto_t *change = json_object();
    struct error err = ERROR_INIT;
    struct fleet_host *h;
    struct fleet_container *c = api_container(call, &h);
    const json_t *body;

    if (!c)
        return;
    if (api_body(call, &body, &err) < 0 || read_tags(body, change, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    start(
        &(struct setting_change_options){
            .host = h, .container = c, .kinds = {CONTAINER_TAGS}, .changes = {change}},
        call);
}

void container_auto_restart_post(struct api_call *call)
{
    json_auto_t *change = NULL;
    struct error err = ERROR_INIT;
    struct fleet_host *h;
    struct fleet_container *c = api_container(call, &h);
    const json_t *body;
    bool is_enabled;
    int r;

    if (!c)
        return;
    r = api_body(call, &body, &err);
    if (r == 0 && !json_is_boolean(json_object_get(body, "enabled")))
        r = error_set(&err, -EDOM, "`enabled` must be true or false");
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    is_enabled = json_is_true(json_object_get(body, "enabled"));
    change = json_pack("{s:b}", "enabled", is_enabled);
    start(
        &(struct setting_change_options){
            .host = h, .container = c, .kinds = {CONTAINER_AUTO_RESTART}, .changes = {change}},
        call);
}

static bool is_link(const char *text)
{
    const char *host = str_starts_with(text, "https://")  ? text + strlen("https://")
                       : str_starts_with(text, "http://") ? text + strlen("http://")
                                                          : "";

    for (const char *p = host; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return false;
    }
    return *host && *host != '/';
}

/* Absent: the link stays, and *ret is NULL. Null or "" removes it. */
static int read_link(const json_t *body, json_t **ret, struct error *err)
{
    const json_t *member = json_object_get(body, "web_ui_url");
    const char *url = NULL;
    int r = 0;

    if (!member)
        return 0;
    if (!json_is_null(member) && !str_eq(json_string_value(member), "")) {
        r = api_body_string(body, "web_ui_url", MAX_URL, &url, err);
        if (r == 0 && !is_link(url))
            r = error_set(err, -EDOM, "`web_ui_url` must begin with http:// or https://");
    }
    if (r == 0)
        *ret = json_pack("{s:o}", "url", json_text_str(url));
    return r;
}

void container_desired_state_post(struct api_call *call)
{
    json_auto_t *change = NULL, *link = NULL;
    struct error err = ERROR_INIT;
    struct fleet_host *h;
    struct fleet_container *c = api_container(call, &h);
    const char *state = NULL;
    const json_t *body;
    int r;

    if (!c)
        return;
    r = api_body(call, &body, &err);
    if (r == 0)
        r = api_body_string(body, "desired_state", MAX_STATE, &state, &err);
    if (r == 0 && !setting_is_desired_state(state)) {
        r = error_set(&err, -EDOM, "`desired_state` must be should_run, on_demand or unspecified");
    }
    if (r == 0)
        r = read_link(body, &link, &err);
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    change = json_pack("{s:o}", "desired_state", json_text_str(state));
    start(
        &(struct setting_change_options){
            .host = h,
            .container = c,
            .kinds = {CONTAINER_DESIRED_STATE, CONTAINER_WEB_UI_URL},
            .changes = {change,                  link                }
    },
        call);
}
