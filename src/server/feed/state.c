#include "base/alloc.h"
#include "base/str.h"
#include "server/feed/feed_internal.h"
#include "server/fleet/scope_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int compare_hosts(const void *a, const void *b)
{
    const struct fleet_host *const *x = a, *const *y = b;

    return strcmp((*x)->row.id, (*y)->row.id);
}

static int compare_containers(const void *a, const void *b)
{
    const struct fleet_container *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

/*
 * Collects the hosts of the topics, sorted by id and without duplicates. The caller frees the
 * list.
 */
static struct fleet_host **collect_hosts(const struct feed *f,
                                         const struct topics *t,
                                         size_t *ret_n)
{
    const struct map *hosts = fleet_hosts(f->o.fleet);
    bool is_all = t->all[TOPIC_HOSTS] || t->all[TOPIC_CONTAINERS] || t->all[TOPIC_HOST_STATS];
    struct fleet_host **list = xcalloc(is_all ? hosts->size : t->items.size,
                                       sizeof(struct fleet_host *));
    size_t n = 0, n_unique = 0;

    if (is_all) {
        map_foreach(hosts, e)
            list[n++] = e->value;
    } else {
        map_foreach(&t->items, e) {
            struct fleet_host *h = map_find(hosts, ((const struct topic *)e->value)->host);

            if (h)
                list[n++] = h;
        }
    }
    if (n > 0)
        qsort(list, n, sizeof(struct fleet_host *), compare_hosts);
    for (size_t i = 0; i < n; i++) {
        if (n_unique == 0 || list[n_unique - 1] != list[i])
            list[n_unique++] = list[i];
    }
    *ret_n = n_unique;
    return list;
}

struct part {
    struct client *client;
    const struct topics *topics;
    struct frame *frame;
    struct scope_view view; /* of the host that is being added */
};

static void add_host(const struct part *p, struct fleet_host *h)
{
    if (topics_want(p->topics, TOPIC_HOSTS, h->row.id, NULL)) {
        frame_add_host(p->frame, h, &p->client->socket.who.scope);
        client_show(p->client, h->row.id, NULL);
    }
    if (topics_want(p->topics, TOPIC_HOST_STATS, h->row.id, NULL) &&
        scope_view_host_samples(&p->view))
        frame_add_host_stats(p->frame, h);
}

static void add_container(const struct part *p, struct fleet_host *h, struct fleet_container *c)
{
    if (topics_want(p->topics, TOPIC_CONTAINERS, h->row.id, c->id)) {
        frame_add_container(p->frame, h, c, client_sees_secrets(p->client));
        client_show(p->client, h->row.id, c->id);
    }
    if (topics_want(p->topics, TOPIC_STATS, h->row.id, c->id))
        frame_add_stats(p->frame, h, c);
}

/* False: the part is full, and containers of the host remain. */
static bool add_containers(const struct part *p, struct fleet_host *h)
{
    struct resync *r = &p->client->resync;
    _cleanup_free_ struct fleet_container **list = NULL;
    size_t n = 0;

    if (p->topics->n[TOPIC_CONTAINERS] + p->topics->n[TOPIC_STATS] == 0 || h->containers.size == 0)
        return true;
    list = xcalloc(h->containers.size, sizeof(struct fleet_container *));
    map_foreach(&h->containers, e) {
        struct fleet_container *c = e->value;

        if (strcmp(c->id, r->container) > 0 && scope_view_container(&p->view, c))
            list[n++] = c;
    }
    if (n > 0)
        qsort(list, n, sizeof(struct fleet_container *), compare_containers);
    for (size_t i = 0; i < n; i++) {
        if (frame_size(p->frame) >= FEED_STATE_PART)
            return false;
        add_container(p, h, list[i]);
        str_copy(r->container, sizeof(r->container), list[i]->id);
    }
    return true;
}

/* Fills the feed's frame from the position after the previous part. False: there is more. */
static bool fill_part(struct client *c)
{
    struct resync *r = &c->resync;
    struct feed *f = c->feed;
    struct part p = {
        .client = c, .topics = r->is_partial ? &r->only : &c->topics, .frame = &f->frame};
    size_t n;
    _cleanup_free_ struct fleet_host **hosts = collect_hosts(f, p.topics, &n);

    frame_clear(p.frame);
    for (size_t i = 0; i < n; i++) {
        struct fleet_host *h = hosts[i];
        int order = strcmp(h->row.id, r->host);

        if (order < 0)
            continue;
        scope_view_host(&c->socket.who.scope, h, &p.view);
        if (!scope_view_any(&p.view))
            continue;
        if (order > 0) {
            if (frame_size(p.frame) >= FEED_STATE_PART)
                return false;
            str_copy(r->host, sizeof(r->host), h->row.id);
            r->container[0] = '\0';
            add_host(&p, h);
        }
        if (!add_containers(&p, h))
            return false;
    }
    return true;
}

static void restart(struct client *c, const char *reason, bool is_partial)
{
    struct resync *r = &c->resync;

    r->is_pending = true;
    r->reason = reason;
    r->is_partial = is_partial;
    r->host[0] = r->container[0] = '\0';
    r->part = 0;
}

void client_resync(struct client *c, const char *reason)
{
    topics_done(&c->resync.only);
    set_done(&c->shown);
    restart(c, reason, false);
    client_send_state(c);
}

void client_add_state(struct client *c, struct topics *only)
{
    if (c->resync.is_pending || c->state == CLIENT_BEHIND) {
        topics_done(only);
        if (c->state != CLIENT_BEHIND) /* else it starts when the queue has drained */
            client_resync(c, "subscribed");
        return;
    }
    c->resync.only = *only;
    *only = (struct topics){0};
    restart(c, "subscribed", true);
    client_send_state(c);
}

void client_send_state(struct client *c)
{
    struct resync *r = &c->resync;
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    char head[128];
    bool is_last;

    if (!r->is_pending || !client_is_watching(c))
        return;
    is_last = fill_part(c);
    (void)snprintf(head, sizeof(head), ",\"reason\":\"%s\",\"complete\":%s,\"part\":%u,\"last\":%s",
                   r->reason, r->is_partial ? "false" : "true", r->part++,
                   is_last ? "true" : "false");
    if (is_last) {
        r->is_pending = false;
        topics_done(&r->only);
    }
    frame_write(&c->feed->frame, &text, "state", head);
    client_send_text(c, text.data, text.size);
    buf_done(&text);
}
