/*
 * POST and GET /api/batch: bulk jobs in the shape of DockMon, whose web UI creates them.
 */

#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "proto/resource_args.h"
#include "server/api/bulk.h"
#include "server/api/handlers.h"
#include "server/api/setting_change.h"
#include "server/common/tag_list.h"
#include "server/fleet/scope_view.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_ITEMS  100
#define MAX_ID     600 /* an id of a host, ':', and a container or image */
#define MAX_ACTION 32

#define NO_UPDATES "Updates of containers are not available on this server"
#define NO_SETTING CONTAINER_SETTING_KINDS

static const struct batch_action actions[] = {
    {"container", "start",             OPERATION_START,        NO_SETTING,              NULL      },
    {"container", "stop",              OPERATION_STOP,         NO_SETTING,              NULL      },
    {"container", "restart",           OPERATION_RESTART,      NO_SETTING,              NULL      },
    {"container", "delete-containers", OPERATION_REMOVE,       NO_SETTING,              NULL      },
    {"image",     "delete-images",     OPERATION_REMOVE_IMAGE, NO_SETTING,              NULL      },
    {"container", "add-tags",          OPERATION_NONE,         CONTAINER_TAGS,          NULL      },
    {"container", "remove-tags",       OPERATION_NONE,         CONTAINER_TAGS,          NULL      },
    {"container", "set-auto-restart",  OPERATION_NONE,         CONTAINER_AUTO_RESTART,  NULL      },
    {"container", "set-desired-state", OPERATION_NONE,         CONTAINER_DESIRED_STATE, NULL      },
    {"container", "set-auto-update",   OPERATION_NONE,         NO_SETTING,              NO_UPDATES},
    {"container", "check-updates",     OPERATION_NONE,         NO_SETTING,              NO_UPDATES},
    {"container", "update-containers", OPERATION_NONE,         NO_SETTING,              NO_UPDATES},
};

static int find_action(const json_t *body, const struct batch_action **ret, struct error *err)
{
    const char *scope = NULL, *name = NULL;
    int r = api_body_string(body, "scope", MAX_ACTION, &scope, err);

    if (r == 0)
        r = api_body_string(body, "action", MAX_ACTION, &name, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (str_eq(actions[i].scope, scope) && str_eq(actions[i].name, name)) {
            *ret = &actions[i];
            return 0;
        }
    }
    return error_set(err, -EDOM, "there is no action `%s` for the scope `%s`", name, scope);
}

/* The names of images by id, to be shown. */
static int check_names(const json_t *names, struct error *err)
{
    const char *id;
    json_t *name;

    if (!names || json_is_null(names))
        return 0;
    if (!json_is_object(names))
        return error_set(err, -EDOM, "`image_names` must be an object");
    json_object_foreach((json_t *)(uintptr_t)names, id, name)
    {
        if (!json_is_string(name))
            return error_set(err, -EDOM, "`image_names`: the name of an image must be a string");
    }
    return 0;
}

/* Reads the change of a setting (setting_change.h) from the parameters. */
static int read_setting(const json_t *params,
                        const struct batch_action *action,
                        struct bulk_job *job,
                        struct error *err)
{
    const char *param = action->setting == CONTAINER_TAGS           ? "tags"
                        : action->setting == CONTAINER_AUTO_RESTART ? "enabled"
                                                                    : "desired_state";
    const char *member = param, *state = NULL;
    const json_t *value = json_object_get(params, param);
    json_t *change;
    int r = 0;

    if (action->setting == CONTAINER_TAGS) {
        member = str_eq(action->name, "add-tags") ? "add" : "remove";
        r = tag_list_check(value, err);
    } else if (action->setting == CONTAINER_DESIRED_STATE) {
        r = api_body_string(params, param, MAX_ACTION, &state, err);
        if (r == 0 && !setting_is_desired_state(state)) {
            r = error_set(err, -EDOM,
                          "`desired_state` must be should_run, on_demand or unspecified");
        }
    } else if (!json_is_boolean(value)) {
        r = error_set(err, -EDOM, "`enabled` must be true or false");
    }
    if (r < 0)
        return r;
    change = json_object();
    json_text_set(change, member, json_incref((json_t *)(uintptr_t)value));
    bulk_job_set_payload(job, change, 0);
    return 0;
}

/* DockMon's names of the options, for bulk_read_options(). */
static int read_params(const json_t *body,
                       const struct batch_action *action,
                       struct bulk_job *job,
                       struct error *err)
{
    const json_t *params = json_object_get(body, "params");
    bool is_image = action->operation == OPERATION_REMOVE_IMAGE;
    bool is_forced = false, with_volumes = false;
    json_t *options;
    int r;

    if (params && !json_is_null(params) && !json_is_object(params))
        return error_set(err, -EDOM, "`params` must be an object");
    r = check_names(json_object_get(params, "image_names"), err);
    if (r == 0)
        r = api_body_bool(params, "force", !is_image, &is_forced, err);
    if (r == 0)
        r = api_body_bool(params, "remove_volumes", false, &with_volumes, err);
    if (r < 0 || action->refusal)
        return r;
    if (action->setting != NO_SETTING)
        return read_setting(params, action, job, err);
    if (is_image) {
        bulk_job_set_payload(job, json_pack("{s:b}", "force", is_forced), 0);
        return 0;
    }
    options = json_pack("{s:b, s:b}", "force", is_forced, "volumes", with_volumes);
    r = bulk_read_options(options, action->operation, job, err);
    json_decref(options);
    return r;
}

static int check_subject(const struct batch_action *action, const char *subject, struct error *err)
{
    struct resource_args args;
    json_t *payload;
    int r;

    if (action->operation != OPERATION_REMOVE_IMAGE)
        return str_is_container_ref(subject) ? 0 : error_set(err, -EDOM, "no container");
    payload = json_pack("{s:o}", "image_id", json_text_str(subject));
    r = resource_args_decode(OPERATION_REMOVE_IMAGE, payload, &args, err);
    if (r == 0)
        resource_args_done(&args);
    json_decref(payload);
    return r < 0 ? -EDOM : 0;
}

/* Reads "HOST:CONTAINER" or "HOST:IMAGE". The name of an image is in params. */
static int read_id(const json_t *body,
                   const struct batch_action *action,
                   const json_t *id,
                   struct bulk_job *job,
                   struct error *err)
{
    const char *text = json_is_string(id) ? json_string_value(id) : "";
    const char *colon = strchr(text, ':');
    const json_t *names = json_object_get(json_object_get(body, "params"), "image_names");
    _cleanup_free_ char *host = NULL;

    if (!colon || colon == text || strlen(text) > MAX_ID ||
        check_subject(action, colon + 1, NULL) < 0)
        return error_set(err, -EDOM, "`ids`: `%.*s` is not HOST:ID", STR_CUT(text, 100));
    host = xstrndup(text, (size_t)(colon - text));
    bulk_job_add(job, host, colon + 1, json_string_value(json_object_get(names, text)));
    return 0;
}

static int read_job(struct api_call *call, struct bulk_job **ret, struct error *err)
{
    const struct batch_action *action = NULL;
    const json_t *body, *ids;
    struct bulk_job *job;
    size_t n;
    int r;

    r = api_body(call, &body, err);
    if (r == 0)
        r = find_action(body, &action, err);
    if (r < 0)
        return r;
    assert(action);
    ids = json_object_get(body, "ids");
    n = json_array_size(ids);
    if (n == 0 || n > MAX_ITEMS)
        return error_set(err, -EDOM, "`ids` must be a list of 1 to %d", MAX_ITEMS);
    job = bulk_job_new(action->operation, action, n);
    r = read_params(body, action, job, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_id(body, action, json_array_get(ids, i), job, err);
    if (r < 0) {
        bulk_job_free(job);
        return r;
    }
    call->target = xasprintf("%s of %zu %ss", action->name, n, action->scope);
    *ret = job;
    return 0;
}

void batch_create(struct api_call *call)
{
    struct bulk *b = call->api->bulk;
    struct error err = ERROR_INIT;
    struct bulk_job *job = NULL;
    json_t *answer;

    if (!bulk_has_room(b)) {
        api_fail(call, -ENOBUFS, "Too many bulk jobs are running, try again later");
        return;
    }
    if (read_job(call, &job, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    assert(job);
    bulk_start(b, job, call);
    answer = json_pack("{s:o}", "job_id", json_text_str(bulk_job_id(job)));
    api_reply(call, 201, answer);
}

void batch_get(struct api_call *call)
{
    const struct bulk_job *job = bulk_find(call->api->bulk, api_param(call, 0), &call->who);

    if (job) {
        api_reply(call, 200, bulk_job_batch_json(job));
    } else {
        api_fail(call, -ENOENT, "No such batch job: %s", api_param(call, 0));
    }
}
