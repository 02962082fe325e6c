/*
 * Items of bulk jobs that change a setting of a container.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "server/api/bulk_internal.h"
#include "server/api/setting_change.h"
#include "server/fleet/host_settings.h"
#include "server/fleet/scope_view.h"

#include <errno.h>

bool bulk_is_setting(const struct bulk_job *job)
{
    return job->batch && job->operation == OPERATION_NONE &&
           job->batch->setting != CONTAINER_SETTING_KINDS;
}

static struct fleet_container *find_container(const struct bulk_item *item,
                                              const struct fleet_host *h)
{
    struct fleet_container *c;

    return fleet_find_container(h, item->container_id, &c) == 0 &&
                   scope_allows_container(&item->job->who.scope, h, c)
               ? c
               : NULL;
}

const char *bulk_setting_find_note(const struct bulk_item *item, const struct fleet_host *h)
{
    const struct fleet_container *c = find_container(item, h);
    const json_t *change = item->job->payload, *now;
    const char *state;
    bool is_enabled;

    if (!c)
        return NULL;
    now = host_settings_find(h, c, item->job->batch->setting);
    if (item->job->batch->setting == CONTAINER_AUTO_RESTART) {
        is_enabled = json_is_true(json_object_get(now, "enabled"));
        if (is_enabled != json_is_true(json_object_get(change, "enabled")))
            return NULL;
        return is_enabled ? "Auto-restart is already enabled" : "Auto-restart is already disabled";
    }
    if (item->job->batch->setting == CONTAINER_DESIRED_STATE) {
        state = json_string_value(json_object_get(now, "desired_state"));
        if (str_eq(state ? state : "unspecified",
                   json_string_value(json_object_get(change, "desired_state"))))
            return "The container has this desired state already";
    }
    return NULL;
}

struct setting_item {
    struct bulk_item *item;
    bulk_image_fn done;
};

static void on_done(void *owner, const struct error *err)
{
    struct setting_item *m = owner;
    const struct bulk_image_result result = {
        .code = err ? error_code_of(err) : CODE_NONE,
        .error = err ? err->msg : NULL,
    };

    m->done(m->item, &result);
    free(m);
}

void bulk_setting_change(struct api *api,
                         const struct fleet_host *h,
                         struct bulk_item *item,
                         bulk_image_fn done)
{
    const struct bulk_job *job = item->job;
    const struct fleet_container *c = find_container(item, h);
    struct setting_item *m;

    if (!c) {
        done(item,
             &(struct bulk_image_result){.code = CODE_NO_SUCH_CONTAINER,
                                         .error = error_code_sentence(CODE_NO_SUCH_CONTAINER)});
        return;
    }
    m = xcalloc(1, sizeof(*m));
    *m = (struct setting_item){item, done};
    setting_change_start(&(struct setting_change_options){.api = api,
                                                          .host = h,
                                                          .container = c,
                                                          .kinds = {job->batch->setting},
                                                          .changes = {job->payload},
                                                          .done = on_done,
                                                          .owner = m});
}
