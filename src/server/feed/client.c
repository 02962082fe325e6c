#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/feed/feed_internal.h"
#include "server/fleet/scope_view.h"
#include "server/view/container_json.h"

#include <errno.h>

bool client_is_watching(const struct client *c)
{
    return ws_client_is_admitted(&c->socket) && c->state == CLIENT_WATCHING;
}

/* A maximum for all queues together; a client with an empty queue is always served. */
static bool is_crowded(const struct client *c, size_t size)
{
    const struct feed *f = c->feed;
    size_t sum = size;

    if (ws_queued(c->socket.ws) == 0)
        return false;
    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next)
        sum += ws_queued(CONTAINER_OF(l, struct ws_client, link)->ws);
    return sum > FEED_ALL_QUEUES;
}

void client_send_text(struct client *c, const char *text, size_t size)
{
    if (!client_is_watching(c))
        return;
    if (!is_crowded(c, size) && ws_send_text(c->socket.ws, text, size) != -ENOBUFS)
        return;
    if (ws_queued(c->socket.ws) > 0) {
        c->state = CLIENT_BEHIND;
    } else { /* there will be no drain to wait for, and no larger queue */
        ws_client_close(&c->socket, WS_CLOSE_TOO_BIG,
                        "The message is too large for the queue: subscribe to fewer topics");
    }
}

void client_send(struct client *c, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    client_send_text(c, text, size);
    json_decref(message);
}

bool client_sees_secrets(const struct client *c)
{
    return container_secrets_are_visible(c->socket.who.role);
}

bool client_may_know(const struct client *c, const char *host_id, const char *container_id)
{
    const struct fleet_host *h;
    struct fleet_container *container;

    if (!scope_is_limited(&c->socket.who.scope))
        return true;
    h = host_id ? fleet_find_host(c->feed->o.fleet, host_id) : NULL;
    if (!h)
        return false;
    if (container_id && fleet_find_container(h, container_id, &container) == 0)
        return scope_allows_container(&c->socket.who.scope, h, container);
    return scope_allows_whole_host(&c->socket.who.scope, h);
}

bool client_sees_host(const struct client *c,
                      const char *host_id,
                      const char *container_id _unused_)
{
    const struct fleet_host *h = host_id ? fleet_find_host(c->feed->o.fleet, host_id) : NULL;

    return h && scope_allows_host(&c->socket.who.scope, h);
}
