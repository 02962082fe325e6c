#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/feed/feed_internal.h"
#include "server/feed/sparklines.h"
#include "server/fleet/scope_view.h"
#include "server/view/container_json.h"
#include "server/view/fleet_json.h"

#define LISTS_MAX      ((size_t)12 << 20) /* of a queue of 16 MiB; the other members need the rest */
#define HOSTS_MAX      ((size_t)4 << 20)
#define METRICS_MAX    ((size_t)512 << 10)
#define LEAST_SHARE    ((size_t)4 << 10) /* of a container: usual ones are smaller */
#define MAX_DUTY       10                /* lists take at most a tenth of the time of the loop */
#define MAX_CONTAINERS 5000 /* of a fleet whose samples are taken faster while lists are sent */
#define MAX_HOSTS      500

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
 * one host must not cost the clients all others. False: some are left out.
 */
static bool add_containers(struct buf *out, const struct fleet *f, struct fleet_selection selection)
{
    size_t before = out->size, share;

    if (fleet_containers_write_in(out, f, &selection))
        return true;
    buf_truncate(out, before);
    share = selection.max / count_containers(f); /* there are some: they have filled the array */
    selection.max_container = share > LEAST_SHARE ? share : LEAST_SHARE;
    (void)fleet_containers_write_in(out, f, &selection);
    return false;
}

/* The client sees it in each message. */
static void log_truncation(struct feed *f)
{
    if (f->is_truncation_logged)
        return;
    f->is_truncation_logged = true;
    log_warn(NULL,
             "lists for clients that do not subscribe are truncated: there are more than "
             "%zu MiB of hosts or %zu MiB of hosts and containers",
             HOSTS_MAX >> 20, LISTS_MAX >> 20);
}

static void add_lists(struct buf *out, const struct client *c)
{
    const struct fleet *fleet = c->feed->o.fleet;
    size_t before = out->size;
    bool has_hosts, has_containers;

    add_text(out, "\"hosts\":");
    has_hosts = fleet_hosts_write_in(out, fleet, &c->socket.who.scope, HOSTS_MAX);
    add_text(out, ",\"containers\":");
    has_containers = add_containers(
        out, fleet,
        (struct fleet_selection){.scope = &c->socket.who.scope,
                                 .with_secrets = client_sees_secrets(c),
                                 .max = LISTS_MAX - (out->size - before)});
    (void)buf_printf(out, ",\"truncated\":%s", has_hosts && has_containers ? "false" : "true");
    if (!has_hosts || !has_containers)
        log_truncation(c->feed);
}

static void add_host_metrics(struct buf *out, const struct client *c)
{
    size_t begin = out->size;

    add_text(out, "{");
    map_foreach(fleet_hosts(c->feed->o.fleet), e) {
        const struct fleet_host *h = e->value;
        struct scope_view view;

        scope_view_host(&c->socket.who.scope, h, &view);
        if (!h->sample.sampled_at_ms || !scope_view_host_samples(&view))
            continue;
        if (out->size - begin > METRICS_MAX)
            break;
        (void)buf_printf(out, "%s\"%s\":{", out->size > begin + 1 ? "," : "", h->row.id);
        host_sample_write(out, ",\"mem_percent\":", ",\"mem_bytes\":", &h->sample);
        add_text(out, "}");
    }
    add_text(out, "}");
}

static void write_initial_state(struct buf *out, const struct client *c)
{
    _cleanup_free_ char *settings = json_text_write(c->feed->o.settings, NULL);

    add_text(out, "{\"type\":\"initial_state\",\"data\":{");
    add_lists(out, c);
    add_text(out, ",\"settings\":");
    add_text(out, settings);
    add_text(out, ",\"blackout\":{\"is_active\":false,\"window_name\":null}}}");
}

static void write_update(struct buf *out, const struct client *c)
{
    const struct feed *f = c->feed;
    const struct scope *scope = &c->socket.who.scope;
    char now[TIME_TEXT_SIZE];

    add_text(out, "{\"type\":\"containers_update\",\"data\":{");
    add_lists(out, c);
    (void)buf_printf(out, ",\"timestamp\":\"%s\"", time_format_ms(time_utc_ms(), now));
    add_text(out, ",\"host_metrics\":");
    add_host_metrics(out, c);
    add_text(out, ",\"host_sparklines\":");
    sparklines_write_hosts(out, f->o.stats, f->o.fleet, scope);
    add_text(out, ",\"container_sparklines\":");
    sparklines_write_containers(out, f->o.stats, f->o.fleet, scope);
    add_text(out, "}}");
}

/* --- the clients of a list -------------------------------------------------------------------- */

static bool gets_lists(const struct client *c, bool all)
{
    return !c->is_subscriber && client_is_watching(c) && (all || c->needs_initial_state);
}

static bool is_same_list(const struct client *a, const struct client *b)
{
    bool is_limited = scope_is_limited(&a->socket.who.scope);

    return client_sees_secrets(a) == client_sees_secrets(b) &&
           is_limited == scope_is_limited(&b->socket.who.scope) &&
           (!is_limited || scope_equal(&a->socket.who.scope, &b->socket.who.scope));
}

/* Sends the lists of this client to it and to all after it that get the same ones. */
static void send_group(struct client *first, bool all)
{
    struct feed *f = first->feed;
    struct buf update = BUF_INIT(SIZE_MAX / 2), initial = BUF_INIT(SIZE_MAX / 2);

    write_update(&update, first);
    for (struct list *l = &first->socket.link; l != &f->clients.list; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, socket.link);

        if (c->list_round == f->list_round || !gets_lists(c, all) || !is_same_list(first, c))
            continue;
        c->list_round = f->list_round;
        if (c->needs_initial_state) {
            if (!initial.size)
                write_initial_state(&initial, first);
            client_send_text(c, initial.data, initial.size);
            c->needs_initial_state = false;
        }
        client_send_text(c, update.data, update.size);
    }
    buf_done(&update);
    buf_done(&initial);
}

/* Sends to all clients, or to those without their first lists. False: there was none. */
static bool send_lists(struct feed *f, bool all)
{
    bool is_sent = false;

    f->list_round++;
    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, socket.link);

        if (c->list_round == f->list_round || !gets_lists(c, all))
            continue;
        send_group(c, all);
        is_sent = true;
    }
    return is_sent;
}

/* --- when lists are sent ---------------------------------------------------------------------- */

static void on_list_timer(struct loop_timer *t)
{
    struct feed *f = CONTAINER_OF(t, struct feed, list_timer);
    uint64_t begin_ms = time_monotonic_ms(), end_ms;
    bool all = f->list_all_ms > 0 && f->list_all_ms <= f->list_due_ms, is_sent;

    if (all)
        f->list_all_ms = 0;
    is_sent = send_lists(f, all);
    end_ms = time_monotonic_ms();
    f->list_earliest_ms = end_ms + (end_ms - begin_ms) * (MAX_DUTY - 1);
    if (is_sent || f->list_all_ms > 0) /* else nobody watches, or all clients are behind */
        feed_poke_lists(f, FEED_LIST_IDLE_MS);
}

static void start_list_timer(struct feed *f, uint64_t due_ms)
{
    uint64_t now_ms = time_monotonic_ms();

    if (due_ms < f->list_earliest_ms)
        due_ms = f->list_earliest_ms;
    if (loop_timer_is_running(&f->list_timer) && f->list_due_ms <= due_ms)
        return;
    f->list_due_ms = due_ms;
    loop_timer_start(f->o.loop, &f->list_timer, due_ms > now_ms ? due_ms - now_ms : 0,
                     on_list_timer);
}

void feed_poke_lists(struct feed *f, uint64_t delay_ms)
{
    uint64_t due_ms = time_monotonic_ms() + delay_ms;

    if (f->clients.n_open == f->n_subscribers)
        return;
    if (f->list_all_ms == 0 || due_ms < f->list_all_ms)
        f->list_all_ms = due_ms;
    start_list_timer(f, f->list_all_ms);
}

void client_begin_lists(struct client *c)
{
    c->needs_initial_state = true;
    start_list_timer(c->feed, 0);
}

bool feed_is_listed(const struct feed *f, const struct fleet_host *h)
{
    if (f->clients.n_open == f->n_subscribers || fleet_hosts(f->o.fleet)->size > MAX_HOSTS ||
        count_containers(f->o.fleet) > MAX_CONTAINERS)
        return false;
    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next) {
        const struct client *c = CONTAINER_OF(l, struct client, socket.link);

        if (!c->is_subscriber && ws_client_is_admitted(&c->socket) &&
            scope_allows_host(&c->socket.who.scope, h))
            return true;
    }
    return false;
}

/* --- container_stats -------------------------------------------------------------------------- */

static void send_sample(struct client *c, const struct fleet_host *h, const struct topic *t)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    struct fleet_container *container;
    char sampled_at[TIME_TEXT_SIZE];

    if (fleet_find_container(h, t->container, &container) < 0 ||
        container->own_sample_version <= h->fed.samples_version ||
        !scope_allows_container(&c->socket.who.scope, h, container))
        return;
    (void)buf_printf(&text,
                     "{\"type\":\"container_stats\",\"container_id\":\"%s\",\"host_id\":\"%s\","
                     "\"stats\":{\"timestamp\":\"%s\"",
                     t->container, t->host,
                     time_format_ms(container->sample.sampled_at_ms, sampled_at));
    container_sample_write(&text, &container->sample);
    add_text(&text, "}}");
    client_send_text(c, text.data, text.size);
    buf_done(&text);
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
