#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/operation.h"
#include "server/fleet/scope_view.h"
#include "server/logs/source_internal.h"

#define SUCCESSOR_MS 10000 /* a source waits this long for a container of the same name */

static void on_no_successor(struct loop_timer *t)
{
    struct log_source *s = CONTAINER_OF(t, struct log_source, timer);
    _cleanup_free_ char *message = xasprintf("container %s was removed", s->name);

    source_end(s, CODE_NONE, "removed", message);
}

static void wait_for_host(struct log_source *s, const struct fleet_host *h)
{
    _cleanup_free_ char *message = xasprintf("host %s is offline", h->row.name);

    if (!s->o.waits && !s->is_started) {
        source_end(s, CODE_HOST_OFFLINE, "error", message);
        return;
    }
    source_set_state(s, SOURCE_OFFLINE);
    source_mark_away(s, message);
}

static void wait_for_successor(struct log_source *s)
{
    uint64_t now_ms = time_monotonic_ms();

    if (!s->container_id[0]) {
        source_fail(s, CODE_NO_SUCH_CONTAINER);
        return;
    }
    if (!s->seek_until_ms)
        s->seek_until_ms = now_ms + SUCCESSOR_MS;
    source_set_state(s, SOURCE_SEEKING);
    loop_timer_start(s->owner->o.loop, &s->timer,
                     s->seek_until_ms > now_ms ? s->seek_until_ms - now_ms : 0, on_no_successor);
}

static bool is_candidate(const struct log_source *s,
                         const struct fleet_host *h,
                         const struct fleet_container *c)
{
    return c && !str_eq(c->id, s->gone_id) && scope_allows_container(s->o.scope, h, c);
}

/* Returns the container that was read, else the one that has its name now, else NULL. */
static struct fleet_container *find_container(const struct log_source *s,
                                              const struct fleet_host *h)
{
    struct fleet_container *c = s->container_id[0] ? map_find(&h->containers, s->container_id)
                                                   : NULL;

    if (is_candidate(s, h, c))
        return c;
    c = NULL;
    if (fleet_find_container(h, s->name ? s->name : s->ref, &c) < 0 || !is_candidate(s, h, c))
        return NULL;
    return c;
}

/* Remembers which container is read; another one than before is read from its start. */
static void take_container(struct log_source *s, const struct fleet_container *c)
{
    bool is_other = s->container_id[0] && !str_eq(s->container_id, c->id);
    _cleanup_free_ char *message = NULL;

    str_copy(s->container_id, sizeof(s->container_id), c->id);
    if (!s->name)
        s->name = xstrdup(c->name);
    if (!is_other)
        return;
    s->position = (struct log_position){0};
    s->is_resuming = true;
    message = xasprintf("container %s is another one now: %.12s", s->name, c->id);
    s->o.handler->on_mark(s->o.owner, "recreated", message);
}

static void open_log(struct log_source *s,
                     const struct fleet_host *h,
                     const struct fleet_container *c)
{
    bool has_options = fleet_host_can(h, LOG_OPTIONS_CAPABILITY);

    free(s->host_name);
    s->host_name = xstrdup(h->row.name);
    str_copy(s->agent_id, sizeof(s->agent_id), h->agent.id);
    take_container(s, c);
    if (s->o.has_details && !has_options) {
        source_fail(s, CODE_UNKNOWN_OPERATION);
    } else if (fleet_host_can(h, LOG_STREAM_CAPABILITY) && (has_options || !s->o.until_exit)) {
        source_stream_open(s);
    } else {
        source_poll_start(s);
    }
}

static bool has_list(const struct fleet_host *h)
{
    return h->is_online && h->containers_at_ms;
}

void source_look(struct log_source *s)
{
    const struct fleet_host *h = fleet_find_host(s->owner->o.fleet, s->host_id);
    const struct fleet_container *c;

    if (s->owner->is_stopping) {
        source_end(s, CODE_UNAVAILABLE, "stopped", "Server is stopping");
        return;
    }
    if (!h || !scope_allows_host(s->o.scope, h)) {
        source_fail(s, CODE_NO_SUCH_HOST);
        return;
    }
    if (!h->agent.id) {
        source_fail(s, CODE_NO_AGENT);
        return;
    }
    if (!has_list(h)) {
        wait_for_host(s, h);
        return;
    }
    c = find_container(s, h);
    if (!c) {
        wait_for_successor(s);
    } else if (s->n_outstanding >= LOG_SOURCE_WINDOW) {
        source_set_state(s, SOURCE_BLOCKED);
    } else {
        open_log(s, h, c);
    }
}
