#pragma once

/*
 * A bulk job as its parts share it: bulk.c is the queue, bulk_json.c describes jobs in both shapes,
 * and bulk_image.c runs the items that are images.
 */

#include "base/list.h"
#include "base/random.h"
#include "server/api/bulk.h"
#include "server/fleet/fleet.h"

enum item_state {
    ITEM_QUEUED,
    ITEM_RUNNING,
    ITEM_SUCCESS,
    ITEM_ERROR,
    ITEM_CANCELLED,
    ITEM_SKIPPED, /* nothing was to be done */
    ITEM_STATES
};

struct bulk_item {
    struct bulk_job *job;
    enum item_state state;
    char *host_id, *container_id; /* or an image instead of a container */
    char *host_name, *name;       /* once they are known, else NULL */
    const char *note;             /* why it was skipped, or NULL */
    int64_t started_at_ms, ended_at_ms;
    char *error;          /* or NULL */
    enum error_code code; /* of the error */
};

struct bulk_job {
    struct list link;
    struct bulk *bulk;
    char id[UUID_TEXT_SIZE];
    enum operation_id operation;
    const struct batch_action *batch; /* created through DockMon's API; else NULL */
    json_t *payload;
    uint64_t timeout_ms;
    struct identity who;      /* its creator */
    struct auth_watch *watch; /* of the creator's rights, until the job is over */
    char *peer;
    int64_t created_at_ms, started_at_ms, ended_at_ms;
    uint64_t ended_ms; /* monotonic; 0: it is not over */
    bool is_cancelled;
    size_t n, next; /* items before `next` are not queued any more */
    size_t count[ITEM_STATES];
    struct bulk_item items[];
};

/*
 * Asks the agent of the host to remove the image of the item. `done` is called exactly once, never
 * before the return; `error` is NULL after success.
 */
struct bulk_image_result {
    enum error_code code;
    const char *error;
    uint64_t took_ms;
};
typedef void (*bulk_image_fn)(struct bulk_item *item, const struct bulk_image_result *r);
void bulk_image_remove(struct api *api,
                       const struct fleet_host *h,
                       struct bulk_item *item,
                       bulk_image_fn done);
/*
 * Changes a setting of the container of the item, also on a host that is offline. As above, but
 * `done` may run before the return. Returns why the item is skipped, or NULL.
 */
const char *bulk_setting_find_note(const struct bulk_item *item, const struct fleet_host *h);
void bulk_setting_change(struct api *api,
                         const struct fleet_host *h,
                         struct bulk_item *item,
                         bulk_image_fn done);
/* True: the item changes a setting. */
bool bulk_is_setting(const struct bulk_job *job);
/* The item for the feed: the members of both shapes. */
json_t *bulk_item_news(const struct bulk_item *item);
/* The same of the job. */
json_t *bulk_job_news(const struct bulk_job *job);
