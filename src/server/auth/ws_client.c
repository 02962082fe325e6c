#include "server/auth/ws_client.h"

#include "base/log.h"
#include "base/macros.h"
#include "base/state.h"
#include "base/str.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MAX_REASON 120 /* of a close frame, and a NUL */

static const struct state_row state_rows[] = {
    STATE_ROW(WS_CLIENT_ADMITTING,
              "admitting",
              STATE_TO(WS_CLIENT_ADMITTED) | STATE_TO(WS_CLIENT_CLOSING)),
    STATE_ROW(WS_CLIENT_ADMITTED, "admitted", STATE_TO(WS_CLIENT_CLOSING)),
    STATE_ROW(WS_CLIENT_CLOSING, "closing", 0),
};
static const struct state_machine machine = STATE_MACHINE("WebSocket client", state_rows);

static void set_state(struct ws_client *c, enum ws_client_state state)
{
    state_check(&machine, ws_peer_address(c->ws), c->state, state);
    c->state = state;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Ends the service of a client; the socket may still be there. */
static void leave(struct ws_client *c, unsigned code, const char *reason)
{
    struct ws_clients *cs = c->clients;

    set_state(c, WS_CLIENT_CLOSING);
    cs->n_open--;
    admission_cancel(TAKE_PTR(c->admission));
    if (cs->handler->closing)
        cs->handler->closing(c, code, reason);
}

void ws_client_close(struct ws_client *c, unsigned code, const char *reason)
{
    char cut[MAX_REASON];

    if (c->state == WS_CLIENT_CLOSING)
        return;
    str_copy(cut, sizeof(cut), reason);
    str_mend(cut);
    leave(c, code, reason);
    ws_close(c->ws, code, cut);
}

/* Frees the client, whose socket has closed or never came to be. */
static void free_client(struct ws_client *c, unsigned code)
{
    if (c->ws && c->state != WS_CLIENT_CLOSING)
        leave(c, code, NULL);
    list_unlink(&c->link);
    credentials_free(TAKE_PTR(c->credentials));
    c->clients->handler->gone(c);
    /* c is freed now */
}

/* --- admission -------------------------------------------------------------------------------- */

static void on_refused(void *owner, const struct identity *who, unsigned code, const char *why)
{
    struct ws_client *c = owner;

    if (who)
        c->who = *who;
    if (c->clients->handler->refused) {
        c->clients->handler->refused(c, who, code, why);
    } else {
        ws_client_close(c, code, why);
    }
}

static void refuse_role(struct ws_client *c, const struct identity *who)
{
    char why[MAX_REASON];

    (void)snprintf(why, sizeof(why), "%s needs the role %s; %s is %s", c->clients->name,
                   role_name(c->rules->role), who->name, role_with_article(who->role));
    on_refused(c, who, WS_CLOSE_FORBIDDEN, why);
}

static void admit(struct ws_client *c)
{
    set_state(c, WS_CLIENT_ADMITTED);
    if (c->clients->handler->admitted)
        c->clients->handler->admitted(c);
}

static void on_admitted(void *owner, const struct identity *who)
{
    struct ws_client *c = owner;

    if (who->role < c->rules->role) {
        refuse_role(c, who);
        return;
    }
    c->who = *who;
    admit(c);
}

static const struct admission_handler admission_handler = {
    .admitted = on_admitted,
    .refused = on_refused,
};

static void start_admission(struct ws_client *c)
{
    struct ws_clients *cs = c->clients;
    char too_many[MAX_REASON];

    if (cs->is_stopping) {
        ws_client_close(c, WS_CLOSE_GOING_AWAY, "Server is stopping");
    } else if (cs->max > 0 && cs->n_open > cs->max) {
        (void)snprintf(too_many, sizeof(too_many), "Too many %ss", cs->name);
        ws_client_close(c, WS_CLOSE_TRY_AGAIN, too_many);
    } else if (cs->auth) {
        admission_start(&c->admission, cs->auth, c->ws, TAKE_PTR(c->credentials),
                        &admission_handler, c);
    } else {
        ws_trust(c->ws);
        admit(c);
    }
}

/* --- the socket ------------------------------------------------------------------------------- */

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct ws_clients *cs = owner;
    struct ws_client *c = context;

    c->ws = ws;
    list_append(&cs->list, &c->link);
    cs->n_open++;
    start_admission(c);
    return c;
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct ws_client *c = owner;

    if (ws_client_is_admitted(c))
        c->clients->handler->on_message(c, data, size, is_binary);
}

static void on_drain(void *owner)
{
    struct ws_client *c = owner;

    if (ws_client_is_admitted(c) && c->clients->handler->on_drain)
        c->clients->handler->on_drain(c);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct ws_client *c = owner;

    log_debug(LOG_FIELDS("peer", ws_peer_address(c->ws)), "%s disconnected: %u %s",
              c->clients->name, why->code, why->reason);
    free_client(c, why->code);
}

static void free_context(void *context)
{
    free_client(context, 0);
}

void ws_clients_accept(struct ws_clients *cs,
                       struct ws_client *c,
                       const struct http_request *r,
                       const struct ws_rules *rules,
                       struct ws_accept *ret)
{
    static const struct ws_handler handler = {
        .on_message = on_message,
        .on_drain = on_drain,
        .on_close = on_close,
    };

    assert((rules->role == ROLE_NONE) == (cs->auth == NULL));
    list_init(&c->link);
    c->clients = cs;
    c->rules = rules;
    c->credentials = cs->auth ? credentials_new(r) : NULL;
    *ret = (struct ws_accept){
        .limits = rules->limits,
        .handler = &handler,
        .on_accept = on_accept,
        .owner = cs,
        .context = c,
        .free_context = free_context,
    };
}

/* --- all of them ------------------------------------------------------------------------------ */

void ws_clients_init(struct ws_clients *cs, const struct ws_clients *o)
{
    *cs = (struct ws_clients){
        .name = o->name, .auth = o->auth, .max = o->max, .handler = o->handler};
    list_init(&cs->list);
}

void ws_clients_stop(struct ws_clients *cs)
{
    cs->is_stopping = true;
    for (struct list *l = cs->list.next; l != &cs->list; l = l->next) {
        ws_client_close(CONTAINER_OF(l, struct ws_client, link), WS_CLOSE_GOING_AWAY,
                        "Server is stopping");
    }
}

void ws_clients_free_all(struct ws_clients *cs)
{
    while (!list_empty(&cs->list)) {
        struct ws_client *c = CONTAINER_OF(cs->list.next, struct ws_client, link);
        struct ws *ws = c->ws;

        if (c->state != WS_CLIENT_CLOSING)
            leave(c, WS_CLOSE_ABNORMAL, NULL);
        ws_free(ws);
        free_client(c, WS_CLOSE_ABNORMAL);
    }
}
