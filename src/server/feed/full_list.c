#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/feed/feed_internal.h"
#include "server/fleet/scope_view.h"
#include "server/view/container_json.h"
#include "server/view/fleet_json.h"

#include <string.h>

#define LISTS_MAX ((size_t)12 << 20) /* of a queue of 16 MiB; hosts and samples need the rest */

static void add_text(struct buf *out, const char *text)
{
    (void)buf_append_str(out, text); /* cannot fail: the buffer has no limit */
}

static size_t count_containers(const struct fleet *f)
{
    size_t n = 0;

    map_foreach(fleet_hosts(f), e)
        n += ((const struct fleet_host *)e->value)->containers.size;
    return n;
}

/*
 * Containers that take more than their share are left out when all together take too much: those of
 * one host must not cost the clients all others.
 */
static void add_containers(struct buf *out, const struct fleet *f, struct fleet_selection selection)
{
    size_t before = out->size;
    size_t n = count_containers(f);

    fleet_containers_write_in(out, f, &selection);
    if (out->size <= LISTS_MAX || n == 0)
        return;
    out->size = before;
    selection.max_container = LISTS_MAX / n;
    fleet_containers_write_in(out, f, &selection);
}

static void add_lists(struct buf *out, const struct client *c)
{
    const struct fleet *fleet = c->feed->o.fleet;
    const struct fleet_selection selection = {.scope = &c->socket.who.scope,
                                              .with_secrets = client_sees_secrets(c)};

    add_text(out, "\"hosts\":");
    fleet_hosts_write_in(out, fleet, &c->socket.who.scope);
    add_text(out, ",\"containers\":");
    add_containers(out, fleet, selection);
}

static void add_host_metrics(struct buf *out, const struct client *c)
{
    bool is_first = true;

    add_text(out, "{");
    map_foreach(fleet_hosts(c->feed->o.fleet), e) {
        const struct fleet_host *h = e->value;
        const struct fleet_sample *s = &h->sample;
        struct scope_view view;

        scope_view_host(&c->socket.who.scope, h, &view);
        if (!s->sampled_at_ms || !scope_view_host_samples(&view))
            continue;
        (void)buf_printf(out, "%s\"%s\":{", is_first ? "" : ",", h->row.id);
        host_sample_write(out, ",\"mem_percent\":", s);
        add_text(out, "}");
        is_first = false;
    }
    add_text(out, "}");
}

static void write_initial_state(struct buf *out, const struct client *c)
{
    add_text(out, "{\"type\":\"initial_state\",\"data\":{");
    add_lists(out, c);
    add_text(out, ",\"settings\":{},\"blackout\":{\"is_active\":false}}}");
}

static void write_update(struct buf *out, const struct client *c)
{
    char now[TIME_TEXT_SIZE];

    add_text(out, "{\"type\":\"containers_update\",\"data\":{");
    add_lists(out, c);
    (void)buf_printf(out, ",\"timestamp\":\"%s\"", time_format_ms(time_utc_ms(), now));
    add_text(out, ",\"host_metrics\":");
    add_host_metrics(out, c);
    add_text(out, ",\"host_sparklines\":{},\"container_sparklines\":{}}}");
}

void client_send_lists(struct client *c, bool is_first)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);

    if (is_first) {
        write_initial_state(&text, c);
        client_send_text(c, text.data, text.size);
        buf_clear(&text);
    }
    write_update(&text, c);
    client_send_text(c, text.data, text.size);
    buf_done(&text);
}

static void send_lists(struct feed *f, bool with_secrets)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2); /* shared by all clients without a scope */

    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, socket.link);

        if (!client_is_watching(c) || c->is_subscriber || client_sees_secrets(c) != with_secrets)
            continue;
        if (scope_is_limited(&c->socket.who.scope)) {
            client_send_lists(c, false);
            continue;
        }
        if (!text.size)
            write_update(&text, c);
        client_send_text(c, text.data, text.size);
    }
    buf_done(&text);
}

void feed_send_lists(struct feed *f)
{
    send_lists(f, false);
    send_lists(f, true);
}

/* --- container_stats -------------------------------------------------------------------------- */

static void send_sample(struct client *c, const struct fleet_host *h, const struct topic *t)
{
    const struct fleet_sample *s;
    struct fleet_container *container;

    if (fleet_find_container(h, t->container, &container) < 0 ||
        container->own_sample_version <= h->fed.samples_version ||
        !scope_allows_container(&c->socket.who.scope, h, container))
        return;
    s = &container->sample;
    client_send(c, json_pack("{s:s, s:o, s:o, s:{s:f, s:I, s:I, s:f, s:I, s:I, s:I, s:I}}", "type",
                             "container_stats", "container_id", json_text_str(t->container),
                             "host_id", json_text_str(t->host), "stats", "cpu_percent",
                             s->cpu_percent, "memory_usage", (json_int_t)s->memory_usage,
                             "memory_limit", (json_int_t)s->memory_limit, "memory_percent",
                             s->memory_percent, "network_rx", (json_int_t)s->network_rx,
                             "network_tx", (json_int_t)s->network_tx, "disk_read",
                             (json_int_t)s->disk_read, "disk_write", (json_int_t)s->disk_write));
}

void feed_send_stats(struct feed *f)
{
    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, socket.link);

        if (c->is_subscriber || !client_is_watching(c))
            continue;
        map_foreach(&c->topics.items, e) {
            const struct topic *t = e->value;
            const struct fleet_host *h = fleet_find_host(f->o.fleet, t->host);

            if (h && h->samples_version != h->fed.samples_version)
                send_sample(c, h, t);
        }
    }
}
