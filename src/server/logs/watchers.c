#include "server/logs/watchers.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "server/auth/credentials.h"
#include "server/auth/watch.h"
#include "server/logs/watcher.h"

#include <errno.h>

#define MAX_CLIENTS        500
#define MAX_MESSAGE        ((size_t)64 * 1024)
#define MAX_QUEUE          ((size_t)2 << 20)
#define WS_CLOSE_TRY_AGAIN 1013
#define WS_CLOSE_FORBIDDEN 4003

struct client {
    struct list link;
    struct log_watchers *owner; /* NULL: ended before the authentication did */
    struct ws *ws;              /* NULL: closed meanwhile */
    struct credentials *credentials;
    struct auth_watch *watch;
    bool is_check_pending, is_closing;
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
    if (c->owner)
        c->owner->n--;
    watcher_free(c->watcher);
    auth_watch_cancel(c->watch);
    credentials_free(c->credentials);
    free(c);
}

static void client_close(struct client *c, unsigned code, const char *reason)
{
    if (c->is_closing || !c->ws)
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

        ws_free(TAKE_PTR(c->ws));
        watcher_free(TAKE_PTR(c->watcher));
        if (c->is_check_pending) {
            c->owner = NULL; /* on_identity() frees it */
        } else {
            client_free(c);
        }
    }
    free(ws);
}

static void on_rights_ended(void *owner, const char *why)
{
    struct client *c = owner;

    auth_watch_cancel(TAKE_PTR(c->watch));
    client_close(c, WS_CLOSE_POLICY, why);
}

static void on_identity(void *owner, int code, const struct identity *who)
{
    struct client *c = owner;
    struct auth_proof proof;

    c->is_check_pending = false;
    if (!c->ws) {
        client_free(c);
    } else if (code < 0) {
        client_close(c, WS_CLOSE_POLICY,
                     code == -EACCES   ? "This API key may not be used from this address"
                     : code == -ENOKEY ? "Invalid or expired session"
                                       : "Server busy");
    } else if (who->must_change_password) {
        client_close(c, WS_CLOSE_FORBIDDEN, AUTH_MUST_CHANGE);
    } else if (!c->is_closing) {
        proof = credentials_proof(c->credentials);
        c->watch = auth_watch_start(c->owner->o.auth, &proof, who, on_rights_ended, c);
        credentials_free(TAKE_PTR(c->credentials));
        c->watcher = watcher_new(c->owner->o.loop, c->owner->o.sources, c->ws, who);
        ws_trust(c->ws);
        ws_pause(c->ws, false);
    }
}

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct log_watchers *ww = owner;
    struct client *c = xcalloc(1, sizeof(*c));
    struct auth_proof proof;

    c->owner = ww;
    c->ws = ws;
    c->credentials = context;
    list_init(&c->link);
    list_append(&ww->list, &c->link);
    ww->n++;
    if (ww->is_stopping) {
        client_close(c, WS_CLOSE_GOING_AWAY, "Server is stopping");
    } else if (ww->n > MAX_CLIENTS) {
        client_close(c, WS_CLOSE_TRY_AGAIN, "Too many log watchers");
    } else if (!c->credentials->session_id && !c->credentials->bearer) {
        client_close(c, WS_CLOSE_POLICY, "Authentication required");
    } else {
        c->is_check_pending = true;
        ws_pause(ws, true); /* what it says counts when we know who it is */
        proof = credentials_proof(c->credentials);
        auth_check(ww->o.auth, &proof, on_identity, c);
    }
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
    c->ws = NULL;
    watcher_free(TAKE_PTR(c->watcher));
    if (!c->is_check_pending)
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
