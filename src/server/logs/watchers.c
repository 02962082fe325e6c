#include "server/logs/watchers.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "server/auth/admission.h"
#include "server/logs/watcher.h"

#define MAX_CLIENTS 500
#define MAX_MESSAGE ((size_t)64 * 1024)
#define MAX_QUEUE   ((size_t)2 << 20)

struct client {
    struct list link;
    struct log_watchers *owner;
    struct ws *ws;
    struct admission *admission;
    bool is_closing;
    struct watcher *watcher; /* NULL: not authenticated yet, or closing */
};

struct log_watchers {
    struct log_watchers_options o;
    struct list list;
    size_t n;
    bool is_stopping;
};

struct log_watchers *log_watchers_new(const struct log_watchers_options *o)
{
    struct log_watchers *ws = xcalloc(1, sizeof(*ws));

    ws->o = *o;
    list_init(&ws->list);
    return ws;
}

static void client_free(struct client *c)
{
    list_unlink(&c->link);
    c->owner->n--;
    watcher_free(c->watcher);
    admission_cancel(c->admission);
    free(c);
}

static void client_close(struct client *c, unsigned code, const char *reason)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    watcher_free(TAKE_PTR(c->watcher));
    ws_pause(c->ws, false); /* its close frame has to be read */
    ws_close(c->ws, code, reason);
}

void log_watchers_stop(struct log_watchers *ws)
{
    ws->is_stopping = true;
    for (struct list *l = ws->list.next; l != &ws->list; l = l->next) {
        client_close(CONTAINER_OF(l, struct client, link), WS_CLOSE_GOING_AWAY,
                     "Server is stopping");
    }
}

void log_watchers_free(struct log_watchers *ws)
{
    if (!ws)
        return;
    while (!list_empty(&ws->list)) {
        struct client *c = CONTAINER_OF(list_take_first(&ws->list), struct client, link);

        ws_free(c->ws);
        client_free(c);
    }
    free(ws);
}

static void on_refused(void *owner, const struct identity *who, unsigned code, const char *why)
{
    (void)who;
    client_close(owner, code, why);
}

static void on_admitted(void *owner, const struct identity *who)
{
    struct client *c = owner;

    if (!c->is_closing)
        c->watcher = watcher_new(c->owner->o.loop, c->owner->o.sources, c->ws, who);
}

static const struct admission_handler admission_handler = {
    .admitted = on_admitted,
    .refused = on_refused,
};

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct log_watchers *ww = owner;
    struct client *c = xcalloc(1, sizeof(*c));
    struct credentials *credentials = context;

    c->owner = ww;
    c->ws = ws;
    list_init(&c->link);
    list_append(&ww->list, &c->link);
    ww->n++;
    if (ww->is_stopping) {
        client_close(c, WS_CLOSE_GOING_AWAY, "Server is stopping");
    } else if (ww->n > MAX_CLIENTS) {
        client_close(c, WS_CLOSE_TRY_AGAIN, "Too many log watchers");
    } else {
        admission_start(&c->admission, ww->o.auth, ws, TAKE_PTR(credentials), &admission_handler,
                        c);
    }
    credentials_free(credentials);
    return c;
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct client *c = owner;

    if (c->watcher && (is_binary || !watcher_on_message(c->watcher, data, size)))
        client_close(c, WS_CLOSE_UNSUPPORTED, "Expected a JSON object with type and id");
}

static void on_drain(void *owner)
{
    const struct client *c = owner;

    if (c->watcher)
        watcher_pump(c->watcher);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct client *c = owner;

    log_debug(NULL, "log watcher closed: %u %s", why->code, why->reason);
    client_free(c);
}

static void free_context(void *context)
{
    credentials_free(context);
}

void log_watchers_accept(struct log_watchers *ws,
                         const struct http_request *r,
                         struct ws_accept *ret)
{
    static const struct ws_handler handler = {
        .on_message = on_message, .on_drain = on_drain, .on_close = on_close};

    *ret = (struct ws_accept){
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
        .handler = &handler,
        .on_accept = on_accept,
        .owner = ws,
        .context = credentials_new(r),
        .free_context = free_context,
    };
}
