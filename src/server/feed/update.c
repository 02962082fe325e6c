#include "base/alloc.h"
#include "base/str.h"
#include "server/feed/feed_internal.h"
#include "server/fleet/scope_view.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_KEY_SIZE (TOPIC_HOST_SIZE + CONTAINER_ID_SIZE)

/* --- objects that a client with a limited scope has been sent --------------------------------- */

static const char *make_shown_key(char ret[SHOWN_KEY_SIZE],
                                  const char *host_id,
                                  const char *container_id)
{
    (void)snprintf(ret, SHOWN_KEY_SIZE, "%s%s%s", host_id, container_id ? "/" : "",
                   container_id ? container_id : "");
    return ret;
}

void client_show(struct client *c, const char *host_id, const char *container_id)
{
    char key[SHOWN_KEY_SIZE];

    if (!scope_is_limited(&c->socket.who.scope))
        return;
    (void)set_add(&c->shown, make_shown_key(key, host_id, container_id));
    if (container_id)
        (void)set_add(&c->shown, host_id); /* the container has revealed its host */
}

/* Removes it from the shown set; returns whether it was there. Unscoped clients see all. */
static bool client_hide(struct client *c, const char *host_id, const char *container_id)
{
    char key[SHOWN_KEY_SIZE];

    return !scope_is_limited(&c->socket.who.scope) ||
           set_remove(&c->shown, make_shown_key(key, host_id, container_id));
}

/* --- one client ------------------------------------------------------------------------------- */

static size_t count_running(const struct fleet_host *h)
{
    static const struct scope everything;
    struct scope_view view;

    scope_view_host(&everything, h, &view);
    return scope_view_count(&view, h, true);
}

static bool is_host_changed(const struct fleet_host *h)
{
    return h->version != h->fed.version || h->containers.size != h->fed.n_containers ||
           (h->containers_version != h->fed.containers_version &&
            count_running(h) != h->fed.n_running);
}

/*
 * All containers of a host change with it when it goes offline or online, which changes their
 * states. With a limited scope, new tags of a host can reveal or hide them.
 */
static bool are_all_changed(const struct client *c, const struct fleet_host *h)
{
    return h->is_online != h->fed.is_online ||
           (scope_is_limited(&c->socket.who.scope) && h->version != h->fed.version);
}

static void add_changed_containers(struct client *c,
                                   struct fleet_host *h,
                                   const struct scope_view *view)
{
    struct frame *frame = &c->feed->frame;
    bool all = are_all_changed(c, h);

    map_foreach(&h->containers, e) {
        struct fleet_container *container = e->value;

        if (!(all || container->version > h->fed.containers_version) ||
            !topics_want(&c->topics, TOPIC_CONTAINERS, h->row.id, container->id))
            continue;
        if (scope_view_container(view, container)) {
            frame_add_container(frame, h, container, client_sees_secrets(c));
            client_show(c, h->row.id, container->id);
        } else if (client_hide(c, h->row.id, container->id)) {
            frame_add_removed(frame, h->row.id, container->id);
        }
    }
}

static void add_removed_containers(struct client *c, const struct fleet_host *h)
{
    for (size_t i = 0; i < h->removed.n; i++) {
        const char *id = h->removed.items[i];

        if (!map_find(&h->containers, id) && /* else it was added again */
            topics_want(&c->topics, TOPIC_CONTAINERS, h->row.id, id) &&
            client_hide(c, h->row.id, id))
            frame_add_removed(&c->feed->frame, h->row.id, id);
    }
}

static void add_changed_host(struct client *c, struct fleet_host *h, const struct scope_view *view)
{
    if (!topics_want(&c->topics, TOPIC_HOSTS, h->row.id, NULL))
        return;
    if (scope_view_any(view)) {
        frame_add_host(&c->feed->frame, h, &c->socket.who.scope);
        client_show(c, h->row.id, NULL);
    } else if (client_hide(c, h->row.id, NULL)) {
        frame_add_removed_host(&c->feed->frame, h->row.id);
    }
}

static void add_new_samples(struct client *c, struct fleet_host *h, const struct scope_view *view)
{
    struct frame *frame = &c->feed->frame;

    if (!scope_view_any(view))
        return;
    if (h->own_sample_version > h->fed.samples_version && scope_view_host_samples(view) &&
        topics_want(&c->topics, TOPIC_HOST_STATS, h->row.id, NULL))
        frame_add_host_stats(frame, h);
    if (c->topics.n[TOPIC_STATS] == 0)
        return;
    map_foreach(&h->containers, e) {
        const struct fleet_container *container = e->value;

        if (container->own_sample_version > h->fed.samples_version &&
            topics_want(&c->topics, TOPIC_STATS, h->row.id, container->id) &&
            scope_view_container(view, container))
            frame_add_stats(frame, h, container);
    }
}

static void add_state_of_host(struct client *c, struct fleet_host *h)
{
    const size_t *n = c->topics.n;
    bool host = n[TOPIC_HOSTS] && is_host_changed(h);
    bool containers = n[TOPIC_CONTAINERS] &&
                      (h->containers_version != h->fed.containers_version || are_all_changed(c, h));
    bool samples = n[TOPIC_STATS] + n[TOPIC_HOST_STATS] > 0 &&
                   h->samples_version != h->fed.samples_version;
    struct scope_view view;

    if (!host && !containers && !samples)
        return;
    scope_view_host(&c->socket.who.scope, h, &view);
    if (host)
        add_changed_host(c, h, &view);
    if (containers) {
        add_changed_containers(c, h, &view);
        add_removed_containers(c, h);
    }
    if (samples)
        add_new_samples(c, h, &view);
}

/* True: the topics include the host, or at least one of its containers. */
static bool wants_host_or_container(const struct topics *topics, const char *host_id)
{
    if (topics_want(topics, TOPIC_HOSTS, host_id, NULL) ||
        topics_want(topics, TOPIC_CONTAINERS, host_id, NULL))
        return true;
    map_foreach(&topics->items, e) {
        const struct topic *t = e->value;

        if (t->kind == TOPIC_CONTAINERS && str_eq(t->host, host_id))
            return true;
    }
    return false;
}

static void add_removed_hosts(struct client *c)
{
    const struct strings *removed = fleet_removed_hosts(c->feed->o.fleet);

    for (size_t i = 0; i < removed->n; i++) {
        const char *id = removed->items[i];

        if (wants_host_or_container(&c->topics, id) && client_hide(c, id, NULL))
            frame_add_removed_host(&c->feed->frame, id);
    }
}

static bool may_see_news(const struct client *c, const struct news_item *it)
{
    if (it->kind != TOPIC_JOBS)
        return client_may_know(c, it->host_id, it->container_id);
    if (c->socket.who.role < ROLE_OPERATOR)
        return false;
    if (!scope_is_limited(&c->socket.who.scope))
        return true;
    /* Of another user's job, only the items within the client's scope are visible. */
    return it->host_id ? client_may_know(c, it->host_id, it->container_id)
                       : it->user_id == c->socket.who.user_id && it->key_id == c->socket.who.key_id;
}

static void add_news(struct client *c)
{
    static const enum frame_section sections[TOPIC_KINDS] = {
        [TOPIC_EVENTS] = FRAME_EVENTS,
        [TOPIC_PROGRESS] = FRAME_PROGRESS,
        [TOPIC_JOBS] = FRAME_JOBS,
    };
    struct news *n = &c->feed->news;

    for (struct list *l = n->items.next; l != &n->items; l = l->next) {
        const struct news_item *it = CONTAINER_OF(l, struct news_item, link);

        if (topics_want(&c->topics, it->kind, it->host_id, it->container_id) && may_see_news(c, it))
            frame_add_text(&c->feed->frame, sections[it->kind], it->text, it->size);
    }
}

/* Writes the number of dropped items, so that the client asks the API for them. */
static void write_lost(const struct client *c, char *ret, size_t size)
{
    const struct news *n = &c->feed->news;
    size_t lost = 0;

    for (unsigned kind = 0; kind < TOPIC_KINDS; kind++)
        lost += c->topics.n[kind] ? n->n_lost[kind] : 0;
    if (lost > 0) {
        (void)snprintf(ret, size, ",\"lost\":%zu", lost);
    } else {
        ret[0] = '\0';
    }
}

/* The hosts with changes since the last tick. */
struct changed {
    struct fleet_host **hosts;
    size_t n;
};

static void update_client(struct client *c, const struct changed *changed)
{
    struct feed *f = c->feed;
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    char lost[32];
    bool is_too_large;

    frame_clear(&f->frame);
    for (size_t i = 0; i < changed->n; i++)
        add_state_of_host(c, changed->hosts[i]);
    add_removed_hosts(c);
    is_too_large = frame_size(&f->frame) > FEED_UPDATE_MAX;
    if (is_too_large)
        frame_clear(&f->frame); /* client_resync() sends it in parts instead */
    add_news(c);
    write_lost(c, lost, sizeof(lost));
    if (frame_size(&f->frame) > 0 || lost[0]) {
        frame_write(&f->frame, &text, "update", lost);
        client_send_text(c, text.data, text.size);
        buf_done(&text);
    }
    if (is_too_large)
        client_resync(c, "too_much");
}

/* --- all clients ------------------------------------------------------------------------------ */

/* True: more was removed than is remembered, so that all clients need the whole state again. */
static bool is_removed_cut(const struct feed *f)
{
    if (!fleet_removed_hosts(f->o.fleet))
        return true;
    map_foreach(fleet_hosts(f->o.fleet), e) {
        if (((const struct fleet_host *)e->value)->is_removed_cut)
            return true;
    }
    return false;
}

/* Marks all changes as sent. */
static void forget_changes(struct feed *f)
{
    news_clear(&f->news);
    fleet_forget_removed_hosts(f->o.fleet);
    map_foreach(fleet_hosts(f->o.fleet), e) {
        struct fleet_host *h = e->value;

        h->fed.version = h->version;
        h->fed.is_online = h->is_online;
        if (h->containers_version != h->fed.containers_version)
            h->fed.n_running = count_running(h);
        h->fed.containers_version = h->containers_version;
        h->fed.samples_version = h->samples_version;
        h->fed.n_containers = h->containers.size;
        fleet_forget_removed(h);
    }
}

static struct changed find_changed(const struct feed *f)
{
    const struct map *hosts = fleet_hosts(f->o.fleet);
    struct changed changed = {.hosts = xcalloc(hosts->size, sizeof(struct fleet_host *))};

    map_foreach(hosts, e) {
        struct fleet_host *h = e->value;

        if (h->containers_version != h->fed.containers_version || is_host_changed(h) ||
            h->samples_version != h->fed.samples_version)
            changed.hosts[changed.n++] = h;
    }
    return changed;
}

void feed_send_updates(struct feed *f)
{
    struct changed changed = find_changed(f);
    bool is_all = is_removed_cut(f);

    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, socket.link);

        if (!c->is_subscriber || !client_is_watching(c))
            continue;
        if (is_all) {
            client_resync(c, "too_much");
        } else {
            update_client(c, &changed);
        }
    }
    free(changed.hosts);
    forget_changes(f);
}
