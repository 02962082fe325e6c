#include "server/logs/ws_endpoint.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "server/auth/admission.h"
#include "server/logs/ws_viewer.h"

#define MAX_CLIENTS 500
#define MAX_MESSAGE ((size_t)64 * 1024)
#define MAX_QUEUE   ((size_t)2 << 20)

/* ADMITTING -> VIEWING -> CLOSING, or ADMITTING -> CLOSING. Freed with the socket. */
enum client_state { CLIENT_ADMITTING, CLIENT_VIEWING, CLIENT_CLOSING };

struct client {
    struct list link;
    struct log_endpoint *owner;
    enum client_state state;
    struct ws *ws;
    struct admission *admission;
    struct ws_viewer *viewer; /* of VIEWING */
};

static const struct state_row state_rows[] = {
    STATE_ROW(CLIENT_ADMITTING, "admitting", STATE_TO(CLIENT_VIEWING) | STATE_TO(CLIENT_CLOSING)),
    STATE_ROW(CLIENT_VIEWING, "viewing", STATE_TO(CLIENT_CLOSING)),
    STATE_ROW(CLIENT_CLOSING, "closing", 0),
};
static const struct state_machine machine = STATE_MACHINE("log viewer", state_rows);

struct log_endpoint {
    struct log_endpoint_options o;
    struct list list;
    size_t n;
    bool is_stopping;
};

struct log_endpoint *log_endpoint_new(const struct log_endpoint_options *o)
{
    struct log_endpoint *e = xcalloc(1, sizeof(*e));

    e->o = *o;
    list_init(&e->list);
    return e;
}

static void set_state(struct client *c, enum client_state state)
{
    state_check(&machine, ws_peer_address(c->ws), c->state, state);
    c->state = state;
}

static void client_free(struct client *c)
{
    list_unlink(&c->link);
    c->owner->n--;
    ws_viewer_free(c->viewer);
    admission_cancel(c->admission);
    free(c);
}

static void client_close(struct client *c, unsigned code, const char *reason)
{
    if (c->state == CLIENT_CLOSING)
        return;
    set_state(c, CLIENT_CLOSING);
    ws_viewer_free(TAKE_PTR(c->viewer));
    ws_pause(c->ws, false); /* its close frame must be read */
    ws_close(c->ws, code, reason);
}

void log_endpoint_stop(struct log_endpoint *e)
{
    e->is_stopping = true;
    for (struct list *l = e->list.next; l != &e->list; l = l->next) {
        client_close(CONTAINER_OF(l, struct client, link), WS_CLOSE_GOING_AWAY,
                     "Server is stopping");
    }
}

void log_endpoint_free(struct log_endpoint *e)
{
    if (!e)
        return;
    while (!list_empty(&e->list)) {
        struct client *c = CONTAINER_OF(list_take_first(&e->list), struct client, link);

        ws_free(c->ws);
        client_free(c);
    }
    free(e);
}

static void on_refused(void *owner, const struct identity *who, unsigned code, const char *why)
{
    (void)who;
    client_close(owner, code, why);
}

static void on_admitted(void *owner, const struct identity *who)
{
    struct client *c = owner;

    if (c->state != CLIENT_ADMITTING)
        return;
    set_state(c, CLIENT_VIEWING);
    c->viewer = ws_viewer_new(c->owner->o.loop, c->owner->o.sources, c->ws, who);
}

static const struct admission_handler admission_handler = {
    .admitted = on_admitted,
    .refused = on_refused,
};

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct log_endpoint *e = owner;
    struct client *c = xcalloc(1, sizeof(*c));
    struct credentials *credentials = context;

    c->owner = e;
    c->ws = ws;
    list_init(&c->link);
    list_append(&e->list, &c->link);
    e->n++;
    if (e->is_stopping) {
        client_close(c, WS_CLOSE_GOING_AWAY, "Server is stopping");
    } else if (e->n > MAX_CLIENTS) {
        client_close(c, WS_CLOSE_TRY_AGAIN, "Too many log viewers");
    } else {
        admission_start(&c->admission, e->o.auth, ws, TAKE_PTR(credentials), &admission_handler, c);
    }
    credentials_free(credentials);
    return c;
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct client *c = owner;

    if (c->viewer && (is_binary || !ws_viewer_on_message(c->viewer, data, size)))
        client_close(c, WS_CLOSE_UNSUPPORTED, "Expected a JSON object with type and id");
}

static void on_drain(void *owner)
{
    const struct client *c = owner;

    if (c->viewer)
        ws_viewer_pump(c->viewer);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct client *c = owner;

    log_debug(NULL, "log viewer disconnected: %u %s", why->code, why->reason);
    client_free(c);
}

static void free_context(void *context)
{
    credentials_free(context);
}

void log_endpoint_accept(struct log_endpoint *e,
                         const struct http_request *r,
                         struct ws_accept *ret)
{
    static const struct ws_handler handler = {
        .on_message = on_message, .on_drain = on_drain, .on_close = on_close};

    *ret = (struct ws_accept){
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
        .handler = &handler,
        .on_accept = on_accept,
        .owner = e,
        .context = credentials_new(r),
        .free_context = free_context,
    };
}
