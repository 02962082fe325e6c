/*
 * The end of what was kept: removes the old containers, dependents first, and then the old image
 * when it has no name any more. The engine keeps an image that another container uses.
 */

#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>

#define REMOVE_MS 60000

static void remove_next(struct update *u);

bool update_is_expiring(const struct update *u)
{
    return u->r->state == UPDATE_KEPT && u->call;
}

static void finish(struct update *u)
{
    update_end(u, UPDATE_DONE);
}

static void on_image_removed(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code < 0) {
        log_debug(LOG_FIELDS("update", u->r->id, "image", u->r->image_id),
                  "the old image stays: %s", reply->message);
    }
    finish(u);
}

/* Never by force: that would remove an image of a stopped container, and Podman's container, too. */
static void on_image(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code < 0 || json_array_size(json_object_get(reply->json, "RepoTags")) > 0 ||
        update_ask(u, "DELETE", xasprintf("/images/%s", u->r->image_id), NULL, REMOVE_MS,
                   on_image_removed) < 0)
        finish(u);
}

static void remove_image(struct update *u)
{
    _cleanup_free_ char *path = NULL;

    if (str_is_empty(u->r->image_id) || str_eq(u->r->image_id, u->r->new_image_id)) {
        finish(u);
        return;
    }
    path = xasprintf("/images/%s/json", u->r->image_id);
    if (update_read(u, path, on_image) < 0)
        finish(u);
}

static void on_removed(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code < 0 && reply->code != -ENOENT) {
        log_warn(LOG_FIELDS("update", u->r->id, "container", u->r->members[u->remove_at].name),
                 "cannot remove the old container: %s", reply->message);
        return; /* it is due at the next occasion */
    }
    u->r->members[u->remove_at].facts.has_old = false;
    remove_next(u);
}

/* Their anonymous volumes stay: the new ones use them. */
static void remove_next(struct update *u)
{
    while (u->remove_at > 0) {
        const struct update_member *m = &u->r->members[--u->remove_at];

        if (m->is_restart)
            continue;
        (void)update_ask(u, "DELETE", xasprintf("/containers/%s", m->id), NULL, REMOVE_MS,
                         on_removed);
        return;
    }
    remove_image(u);
}

void update_expire(struct update *u)
{
    u->remove_at = u->r->n_members;
    remove_next(u);
}
