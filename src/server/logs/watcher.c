#include "server/logs/watcher.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "server/logs/merge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HIGH_QUEUE ((size_t)256 * 1024) /* to the client: no more is taken from the logs */
#define BATCH_COST ((size_t)32 * 1024)
#define MAX_DEPTH  4
#define MAX_ID     INT64_C(1000000000)

/* A subscription. */
struct log {
    struct log_merge_input input;
    struct watcher *owner;
    int64_t id;                           /* the client's */
    struct log_source *source;            /* NULL: it has ended, what waits is still to be sent */
    char container_id[CONTAINER_ID_SIZE]; /* of the lines that are sent now */
    struct log_position position;         /* what was sent */
    bool is_ended;
};

enum item_kind { ITEM_LINE, ITEM_MARK, ITEM_END };

struct item {
    struct log_merge_item merge;
    enum item_kind kind;
    enum log_kind stream;
    size_t cost;
    json_t *message;    /* the line as the client sees it, or the whole message */
    char *container_id; /* of marks: from here on lines are of this one; or NULL */
};

struct watcher {
    struct loop *loop;
    struct log_sources *sources;
    struct ws *ws;
    struct identity who;
    struct list inputs;
    size_t n;
    struct loop_timer timer;
};

static void item_free(struct item *i)
{
    json_decref(i->message);
    free(i->container_id);
    free(i);
}

static void log_free(struct log *l)
{
    log_source_free(l->source);
    while (!list_empty(&l->input.items)) {
        struct log_merge_item *m = log_merge_take(&l->input);

        item_free(CONTAINER_OF(m, struct item, merge));
    }
    list_unlink(&l->input.link);
    l->owner->n--;
    free(l);
}

static struct log *log_of(struct list *link)
{
    return CONTAINER_OF(link, struct log, input.link);
}

static struct log *find(const struct watcher *w, int64_t id)
{
    for (struct list *l = w->inputs.next; l != &w->inputs; l = l->next) {
        if (log_of(l)->id == id)
            return log_of(l);
    }
    return NULL;
}

/* --- to the client ------------------------------------------------------------------------------ */

static void send_message(struct watcher *w, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    json_decref(message);
    if (ws_send_text(w->ws, text, size) ==
        -ENOBUFS) /* no more than HIGH_QUEUE waits, but for answers */
        ws_close(w->ws, WS_CLOSE_TRY_AGAIN, "The client reads too slowly");
}

/* The lines of one message, and where the logs in it are behind it. */
struct batch {
    json_t *lines, *cursors;
    size_t cost;
};

static void flush(struct watcher *w, struct batch *b)
{
    if (json_array_size(b->lines) > 0) {
        send_message(w, json_pack("{s:s, s:O, s:O}", "type", "lines", "lines", b->lines, "cursors",
                                  b->cursors));
    }
    json_decref(b->lines);
    json_decref(b->cursors);
    *b = (struct batch){.lines = json_array(), .cursors = json_object()};
}

static void set_cursor(const struct log *l, json_t *cursors)
{
    char key[24], cursor[LOG_CURSOR_SIZE];

    (void)snprintf(key, sizeof(key), "%lld", (long long)l->id);
    (void)json_object_set_new(
        cursors, key, json_string(log_cursor_format(l->container_id, &l->position, cursor)));
}

static void send_item(struct watcher *w, struct log *l, struct item *i, struct batch *b)
{
    if (i->kind == ITEM_LINE) {
        log_position_add(&l->position, i->stream, i->merge.time_ns);
        set_cursor(l, b->cursors);
        (void)json_array_append(b->lines, i->message);
        b->cost += i->cost;
        if (l->source)
            log_source_ack(l->source, i->cost);
        return;
    }
    flush(w, b);
    if (i->container_id && !str_eq(i->container_id, l->container_id)) {
        str_copy(l->container_id, sizeof(l->container_id), i->container_id);
        l->position = (struct log_position){0};
    }
    send_message(w, json_incref(i->message));
    l->is_ended = i->kind == ITEM_END;
}

static void on_timer(struct loop_timer *t)
{
    watcher_pump(CONTAINER_OF(t, struct watcher, timer));
}

void watcher_pump(struct watcher *w)
{
    struct batch b = {.lines = json_array(), .cursors = json_object()};
    struct log_merge_input *input = NULL;
    uint64_t now_ms = time_monotonic_ms(), wait_ms = 0;

    while (ws_queued(w->ws) < HIGH_QUEUE &&
           (input = log_merge_next(&w->inputs, now_ms, &wait_ms))) {
        struct log *l = CONTAINER_OF(input, struct log, input);
        struct item *i = CONTAINER_OF(log_merge_take(input), struct item, merge);

        send_item(w, l, i, &b);
        item_free(i);
        if (l->is_ended)
            log_free(l);
        if (b.cost >= BATCH_COST)
            flush(w, &b);
    }
    flush(w, &b);
    json_decref(b.lines);
    json_decref(b.cursors);
    loop_timer_stop(&w->timer);
    if (wait_ms && ws_queued(w->ws) < HIGH_QUEUE)
        loop_timer_start(w->loop, &w->timer, wait_ms, on_timer);
}

/* --- from the logs ------------------------------------------------------------------------------ */

static void put(struct log *l, struct item *i)
{
    log_merge_put(&l->input, &i->merge, time_monotonic_ms());
}

static void put_message(struct log *l, enum item_kind kind, json_t *message)
{
    struct item *i = xcalloc(1, sizeof(*i));

    i->kind = kind;
    i->merge.time_ns = INT64_MIN;
    i->message = message;
    i->container_id = l->source ? xstrdup(log_source_container_id(l->source)) : NULL;
    json_text_set(message, "id", json_integer(l->id));
    put(l, i);
}

static void on_started(void *owner)
{
    struct log *l = owner;
    const struct watcher *w = l->owner;
    _cleanup_free_ char *target = log_source_target(l->source);

    log_readings_add(log_sources_readings(w->sources), w->who.name, ws_peer_address(w->ws), target);
    put_message(l, ITEM_MARK,
                json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "subscribed", "host",
                          log_source_host(l->source), "host_id", log_source_host_id(l->source),
                          "container", log_source_name(l->source), "container_id",
                          log_source_container_id(l->source)));
    watcher_pump(l->owner);
}

static void on_line(void *owner, const struct log_source_line *line)
{
    struct log *l = owner;
    struct item *i = xcalloc(1, sizeof(*i));
    char at[TIME_TEXT_SIZE];

    i->kind = ITEM_LINE;
    i->stream = line->line.kind;
    i->cost = line->cost;
    i->merge.time_ns = line->line.time_ns;
    i->merge.is_partial = line->line.is_partial;
    i->message = json_pack("{s:I, s:s, s:s, s:s, s:s, s:o}", "id", (json_int_t)l->id, "host",
                           log_source_host(l->source), "container", log_source_name(l->source),
                           "stream", line->line.kind == LOG_KIND_STDERR ? "stderr" : "stdout",
                           "timestamp", time_format_ns(line->line.time_ns, at), "log",
                           json_text_string(line->line.text, line->line.size));
    if (line->line.is_partial)
        json_text_set(i->message, "partial", json_true());
    put(l, i);
}

static void on_batch(void *owner)
{
    const struct log *l = owner;

    watcher_pump(l->owner);
}

static void on_mark(void *owner, const char *event, const char *message)
{
    struct log *l = owner;

    put_message(l, ITEM_MARK,
                json_pack("{s:s, s:s, s:o, s:s}", "type", "mark", "event", event, "message",
                          json_text_str(message), "container_id",
                          log_source_container_id(l->source)));
    watcher_pump(l->owner);
}

static void add_code(json_t *message, enum error_code code)
{
    json_text_set(message, "status", json_integer(error_code_status(code)));
    json_text_set(message, "code", json_string(error_code_name(code)));
}

static void on_end(void *owner, const struct log_source_end *end)
{
    struct log *l = owner;
    json_t *message = json_pack("{s:s, s:s, s:o}", "type", "ended", "reason", end->reason,
                                "message", json_text_str(end->message));

    if (end->code)
        add_code(message, end->code);
    log_source_free(TAKE_PTR(l->source));
    put_message(l, ITEM_END, message);
    watcher_pump(l->owner);
}

/* --- from the client ---------------------------------------------------------------------------- */

static void refuse(struct watcher *w, int64_t id, enum error_code code, const char *why)
{
    json_t *message = json_pack("{s:s, s:I, s:s, s:o}", "type", "ended", "id", (json_int_t)id,
                                "reason", "error", "message", json_text_str(why));

    add_code(message, code);
    send_message(w, message);
}

static int read_tail(const json_t *message, int64_t *ret)
{
    const json_t *tail = json_object_get(message, "tail");
    json_int_t n = json_integer_value(tail);

    *ret = 100;
    if (!tail)
        return 0;
    if (str_eq(json_string_value(tail), "all")) {
        *ret = -1;
        return 0;
    }
    if (!json_is_integer(tail) || n < -1 || n > LOG_STREAM_MAX_TAIL)
        return -EINVAL;
    *ret = n;
    return 0;
}

static void subscribe(struct watcher *w, int64_t id, const json_t *m)
{
    static const struct log_source_handler handler = {on_started, on_line, on_batch, on_mark,
                                                      on_end};
    struct log_source_options o = {
        .host_id = json_text_get(m, "host"),
        .container = json_text_get(m, "container"),
        .since = json_text_get(m, "since"),
        .until = json_text_get(m, "until"),
        .cursor = json_text_get(m, "cursor"),
        .no_out = json_is_false(json_object_get(m, "stdout")),
        .no_err = json_is_false(json_object_get(m, "stderr")),
        .waits = true,
        .scope = &w->who.scope,
        .handler = &handler,
    };
    struct error err = ERROR_INIT;
    struct log *l;

    if (!o.host_id || !o.container || !str_is_container_ref(o.container)) {
        refuse(w, id, CODE_INVALID_VALUE,
               "`host` and `container` are needed: id of a host, id or name of a container");
        return;
    }
    if (read_tail(m, &o.tail) < 0) {
        refuse(w, id, CODE_INVALID_VALUE, "`tail` must be a number from 0 to 10000, or \"all\"");
        return;
    }
    if (find(w, id) || w->n >= WATCHER_MAX_LOGS) {
        refuse(w, id, CODE_CONFLICT,
               find(w, id) ? "this id is in use"
                           : "too many subscriptions (64) on this connection");
        return;
    }
    l = xcalloc(1, sizeof(*l));
    l->owner = w;
    l->id = id;
    list_init(&l->input.items);
    l->input.heard_ms = time_monotonic_ms();
    list_init(&l->input.link);
    list_append(&w->inputs, &l->input.link);
    w->n++;
    o.owner = l;
    if (o.cursor)
        (void)log_cursor_parse(o.cursor, l->container_id, &l->position); /* else refused below */
    if (log_source_new(&l->source, w->sources, &o, &err) < 0) {
        refuse(w, id, CODE_INVALID_VALUE, err.msg);
        log_free(l);
    }
}

bool watcher_on_message(struct watcher *w, const char *data, size_t size)
{
    json_auto_t *m = json_text_parse(data, size, MAX_DEPTH, NULL);
    const char *type = json_text_get(m, "type");
    const json_t *id = json_object_get(m, "id");
    struct log *l;

    if (!type || !json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) > MAX_ID)
        return false;
    if (str_eq(type, "subscribe")) {
        subscribe(w, json_integer_value(id), m);
    } else if (str_eq(type, "unsubscribe")) {
        l = find(w, json_integer_value(id));
        if (l)
            log_free(l);
        watcher_pump(w); /* others may have waited for it */
    }
    return true;
}

/* --- life --------------------------------------------------------------------------------------- */

struct watcher *watcher_new(struct loop *loop,
                            struct log_sources *sources,
                            struct ws *ws,
                            const struct identity *who)
{
    struct watcher *w = xcalloc(1, sizeof(*w));

    w->loop = loop;
    w->sources = sources;
    w->ws = ws;
    w->who = *who;
    list_init(&w->inputs);
    return w;
}

void watcher_free(struct watcher *w)
{
    if (!w)
        return;
    while (!list_empty(&w->inputs))
        log_free(log_of(list_take_first(&w->inputs)));
    loop_timer_stop(&w->timer);
    free(w);
}
