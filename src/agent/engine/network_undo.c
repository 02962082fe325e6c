#include "agent/engine/network_undo.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "docker/engine.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE   ((size_t)4 << 20)
#define MAX_DEPTH  8
#define CALL_MS    30000
#define RETRY_MS   2000
#define MAX_FAILED 10 /* internal errors of the engine for one connection */

struct connection {
    struct list link;
    const void *removal; /* that has not ended; NULL: to be connected now */
    char *network;
    json_t *body;
    unsigned n_failed;
};

struct network_undo {
    struct engine *engine;
    char *path;
    struct list connections;
    struct engine_call *call;
    struct connection *current; /* that `call` connects; NULL: none */
    struct loop_timer retry;
    bool has_warned; /* the file cannot be written */
};

static void free_connection(struct connection *c)
{
    list_unlink(&c->link);
    json_decref(c->body);
    free(c->network);
    free(c);
}

static void free_connections(struct list *connections)
{
    while (!list_empty(connections))
        free_connection(CONTAINER_OF(list_take_first(connections), struct connection, link));
}

static struct connection *append(struct network_undo *u, const char *network, const json_t *body)
{
    struct connection *c = xcalloc(1, sizeof(*c));

    c->network = xstrdup(network);
    c->body = json_deep_copy(body);
    list_append(&u->connections, &c->link);
    return c;
}

static int read_file(struct network_undo *u, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    json_auto_t *all = NULL;
    size_t i, size;
    json_t *entry;
    int r;

    r = file_read(u->path, MAX_FILE, &text, &size, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    all = json_text_parse(text, size, MAX_DEPTH, err);
    if (!all)
        return -EBADMSG;
    json_array_foreach(all, i, entry)
    {
        const char *network = json_text_get(entry, "network");
        const json_t *body = json_object_get(entry, "connection");

        if (str_is_container_ref(network) && json_is_object(body))
            (void)append(u, network, body);
    }
    return 0;
}

static int write_file(const struct network_undo *u, struct error *err)
{
    json_auto_t *all = json_array();
    _cleanup_free_ char *text = NULL;

    for (struct list *l = u->connections.next; l != &u->connections; l = l->next) {
        const struct connection *c = CONTAINER_OF(l, struct connection, link);
        json_t *entry = json_object();

        json_text_set(entry, "network", json_text_str(c->network));
        json_text_set(entry, "connection", json_incref(c->body));
        if (json_array_append_new(all, entry) < 0)
            abort(); /* out of memory */
    }
    text = json_text_write(all, NULL);
    return file_write_atomic(u->path, text, strlen(text), 0600, err);
}

static void save(struct network_undo *u)
{
    struct error err = ERROR_INIT;
    bool is_failure = u->path && write_file(u, &err) < 0;

    if (is_failure && !u->has_warned) {
        log_warn(LOG_FIELDS("path", u->path),
                 "cannot store which containers a removal of a network disconnects, so an agent "
                 "that ends meanwhile does not connect them again: %s",
                 err.msg);
    }
    u->has_warned = is_failure;
}

struct network_undo *network_undo_new(struct engine *engine, const char *path)
{
    struct network_undo *u = xcalloc(1, sizeof(*u));
    struct error err = ERROR_INIT;

    u->engine = engine;
    u->path = path ? xstrdup(path) : NULL;
    list_init(&u->connections);
    if (path && read_file(u, &err) < 0) {
        log_warn(LOG_FIELDS("path", path),
                 "cannot read which containers a removal of a network has disconnected: %s",
                 err.msg);
    }
    return u;
}

void network_undo_free(struct network_undo *u)
{
    if (!u)
        return;
    loop_timer_stop(&u->retry);
    engine_call_cancel(u->call);
    free_connections(&u->connections);
    free(u->path);
    free(u);
}

static struct connection *find_next(struct network_undo *u)
{
    for (struct list *l = u->connections.next; l != &u->connections; l = l->next) {
        struct connection *c = CONTAINER_OF(l, struct connection, link);

        if (!c->removal)
            return c;
    }
    return NULL;
}

static void connect_next(struct network_undo *u);

static void on_retry(struct loop_timer *t)
{
    connect_next(CONTAINER_OF(t, struct network_undo, retry));
}

static void retry_later(struct network_undo *u)
{
    loop_timer_start(engine_loop(u->engine), &u->retry, RETRY_MS, on_retry);
}

static void on_connected(void *owner, const struct engine_reply *reply)
{
    struct network_undo *u = owner;
    struct connection *c = TAKE_PTR(u->current);
    const char *container;

    assert(c); /* only this callback frees a connection without a removal */
    container = json_text_get(c->body, "Container");
    u->call = NULL;
    if (reply->code < 0 &&
        (reply->status == 0 || (reply->status >= 500 && ++c->n_failed < MAX_FAILED))) {
        retry_later(u);
        return;
    }
    if (reply->code == 0) {
        log_info(LOG_FIELDS("network", c->network, "container", container),
                 "connected again, because the removal of the network was cut");
    } else {
        log_info(LOG_FIELDS("network", c->network, "container", container),
                 "not connected again after a removal of the network that was cut: %s",
                 reply->message);
    }
    free_connection(c);
    save(u);
    connect_next(u);
}

static void connect_next(struct network_undo *u)
{
    struct connection *c = find_next(u);
    _cleanup_free_ char *path = NULL;
    _cleanup_free_ char *body = NULL;
    struct error err = ERROR_INIT;

    if (!c || u->call)
        return;
    path = xasprintf("/networks/%s/connect", c->network);
    body = json_text_write(c->body, NULL);
    if (engine_call_start(&u->call, u->engine,
                          &(struct engine_request){.method = "POST",
                                                   .path = path,
                                                   .body = body,
                                                   .timeout_ms = CALL_MS,
                                                   .done = on_connected,
                                                   .owner = u},
                          &err) < 0) {
        retry_later(u);
        return;
    }
    /* Not always the first one any more when the engine answers: further removals can be cut. */
    u->current = c;
}

void network_undo_start(struct network_undo *u)
{
    if (u)
        connect_next(u);
}

void network_undo_add(struct network_undo *u,
                      const void *removal,
                      const char *network,
                      const json_t *body)
{
    if (!u)
        return;
    append(u, network, body)->removal = removal;
    save(u);
}

void network_undo_drop(struct network_undo *u, const void *removal, const json_t *body)
{
    if (!u)
        return;
    for (struct list *l = u->connections.next; l != &u->connections; l = l->next) {
        struct connection *c = CONTAINER_OF(l, struct connection, link);

        if (c->removal == removal && json_equal(c->body, body)) {
            list_unlink(&c->link);
            save(u);
            free_connection(c);
            return;
        }
    }
}

void network_undo_forget(struct network_undo *u, const void *removal)
{
    struct list forgotten;
    struct list *next;

    if (!u)
        return;
    list_init(&forgotten);
    for (struct list *l = u->connections.next; l != &u->connections; l = next) {
        next = l->next;
        if (CONTAINER_OF(l, struct connection, link)->removal == removal) {
            list_unlink(l);
            list_append(&forgotten, l);
        }
    }
    if (!list_empty(&forgotten))
        save(u);
    free_connections(&forgotten);
}

void network_undo_run(struct network_undo *u, const void *removal)
{
    if (!u)
        return;
    for (struct list *l = u->connections.next; l != &u->connections; l = l->next) {
        struct connection *c = CONTAINER_OF(l, struct connection, link);

        if (c->removal == removal)
            c->removal = NULL;
    }
    connect_next(u);
}
