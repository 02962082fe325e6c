#include "server/logs/ws_endpoint.h"

#include "base/alloc.h"
#include "server/logs/ws_viewer.h"

#define MAX_CLIENTS 500

struct log_endpoint {
    struct log_endpoint_options o;
    struct ws_clients clients;
};

struct client {
    struct ws_client socket;
    struct log_endpoint *owner;
    struct ws_viewer *viewer; /* while the client is admitted */
};

static struct client *client_of(struct ws_client *socket)
{
    return CONTAINER_OF(socket, struct client, socket);
}

static void on_admitted(struct ws_client *socket)
{
    struct client *c = client_of(socket);

    c->viewer = ws_viewer_new(c->owner->o.loop, c->owner->o.sources, socket->ws, &socket->who);
}

static void on_closing(struct ws_client *socket,
                       unsigned code _unused_,
                       const char *reason _unused_)
{
    ws_viewer_free(TAKE_PTR(client_of(socket)->viewer));
}

static void on_message(struct ws_client *socket, const char *data, size_t size, bool is_binary)
{
    if (is_binary || !ws_viewer_on_message(client_of(socket)->viewer, data, size))
        ws_client_close(socket, WS_CLOSE_UNSUPPORTED, "Expected a JSON object with type and id");
}

static void on_drain(struct ws_client *socket)
{
    ws_viewer_pump(client_of(socket)->viewer);
}

static void on_gone(struct ws_client *socket)
{
    free(client_of(socket));
}

static const struct ws_client_handler handler = {
    .admitted = on_admitted,
    .closing = on_closing,
    .on_message = on_message,
    .on_drain = on_drain,
    .gone = on_gone,
};

struct log_endpoint *log_endpoint_new(const struct log_endpoint_options *o)
{
    struct log_endpoint *e = xcalloc(1, sizeof(*e));

    e->o = *o;
    ws_clients_init(&e->clients, &(struct ws_clients){.name = "log viewer",
                                                      .auth = o->auth,
                                                      .max = MAX_CLIENTS,
                                                      .handler = &handler});
    return e;
}

void log_endpoint_stop(struct log_endpoint *e)
{
    ws_clients_stop(&e->clients);
}

void log_endpoint_free(struct log_endpoint *e)
{
    if (!e)
        return;
    ws_clients_free_all(&e->clients);
    free(e);
}

void log_endpoint_accept(struct log_endpoint *e,
                         const struct http_request *r,
                         const struct ws_rules *rules,
                         struct ws_accept *ret)
{
    struct client *c = xcalloc(1, sizeof(*c));

    c->owner = e;
    ws_clients_accept(&e->clients, &c->socket, r, rules, ret);
}
