#include "server/logs/ws_viewer.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "server/logs/cursor.h"
#include "server/logs/line_json.h"
#include "server/logs/merge.h"
#include "server/rights/secret_fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HIGH_QUEUE ((size_t)256 * 1024) /* to the client: above it no lines are sent */
#define BATCH_COST ((size_t)32 * 1024)
#define MAX_DEPTH  4
#define MAX_ID     INT64_C(1000000000)

/* One log that the client has subscribed to. Freed when its last item was sent. */
struct subscription {
    struct log_merge_input input;
    struct ws_viewer *owner;
    int64_t id;                           /* chosen by the client */
    struct log_source *source;            /* NULL: ended; its items are still to be sent */
    char container_id[CONTAINER_ID_SIZE]; /* of the last line that was sent */
    struct log_position position;         /* behind the last line that was sent */
};

enum item_kind { ITEM_LINE, ITEM_MARK, ITEM_END };

struct item {
    struct log_merge_item merge;
    enum item_kind kind;
    enum log_kind stream;
    size_t cost;
    json_t *message;    /* ITEM_LINE: one element of a "lines" message; else the whole message */
    char *container_id; /* the lines behind this mark are of this container; NULL: no change */
};

struct ws_viewer {
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

static void subscription_free(struct subscription *s)
{
    log_source_free(s->source);
    while (!list_empty(&s->input.items)) {
        struct log_merge_item *m = log_merge_take(&s->input);

        item_free(CONTAINER_OF(m, struct item, merge));
    }
    list_unlink(&s->input.link);
    s->owner->n--;
    free(s);
}

static struct subscription *subscription_of(struct list *link)
{
    return CONTAINER_OF(link, struct subscription, input.link);
}

static struct subscription *find(const struct ws_viewer *v, int64_t id)
{
    for (struct list *l = v->inputs.next; l != &v->inputs; l = l->next) {
        if (subscription_of(l)->id == id)
            return subscription_of(l);
    }
    return NULL;
}

/* --- to the client ---------------------------------------------------------------------------- */

static void send_message(struct ws_viewer *v, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    json_decref(message);
    /* Lines stop at HIGH_QUEUE, so only replies to the client can fill the queue. */
    if (ws_send_text(v->ws, text, size) == -ENOBUFS)
        ws_close(v->ws, WS_CLOSE_TRY_AGAIN, "The client reads too slowly");
}

/* The lines of one message, and the cursors of their logs behind it. */
struct batch {
    json_t *lines, *cursors;
    size_t cost;
};

static void flush(struct ws_viewer *v, struct batch *b)
{
    if (json_array_size(b->lines) > 0) {
        send_message(v, json_pack("{s:s, s:O, s:O}", "type", "lines", "lines", b->lines, "cursors",
                                  b->cursors));
    }
    json_decref(b->lines);
    json_decref(b->cursors);
    *b = (struct batch){.lines = json_array(), .cursors = json_object()};
}

static void set_cursor(const struct subscription *s, json_t *cursors)
{
    char key[24], cursor[LOG_CURSOR_SIZE];

    (void)snprintf(key, sizeof(key), "%lld", (long long)s->id);
    (void)json_object_set_new(
        cursors, key, json_string(log_cursor_format(s->container_id, &s->position, cursor)));
}

/* Returns whether it was the last item of the subscription. */
static bool send_item(struct ws_viewer *v, struct subscription *s, struct item *i, struct batch *b)
{
    if (i->kind == ITEM_LINE) {
        log_position_add(&s->position, i->stream, i->merge.time_ns);
        set_cursor(s, b->cursors);
        (void)json_array_append(b->lines, i->message);
        b->cost += i->cost;
        if (s->source)
            log_source_ack(s->source, i->cost);
        return false;
    }
    flush(v, b);
    if (i->container_id && !str_eq(i->container_id, s->container_id)) {
        str_copy(s->container_id, sizeof(s->container_id), i->container_id);
        s->position = (struct log_position){0};
    }
    send_message(v, json_incref(i->message));
    return i->kind == ITEM_END;
}

static void on_timer(struct loop_timer *t)
{
    ws_viewer_pump(CONTAINER_OF(t, struct ws_viewer, timer));
}

void ws_viewer_pump(struct ws_viewer *v)
{
    struct batch b = {.lines = json_array(), .cursors = json_object()};
    struct log_merge_input *input = NULL;
    uint64_t now_ms = time_monotonic_ms(), wait_ms = 0;

    while (ws_queued(v->ws) < HIGH_QUEUE &&
           (input = log_merge_next(&v->inputs, now_ms, &wait_ms))) {
        struct subscription *s = CONTAINER_OF(input, struct subscription, input);
        struct item *i = CONTAINER_OF(log_merge_take(input), struct item, merge);
        bool is_last;

        is_last = send_item(v, s, i, &b);
        item_free(i);
        if (is_last)
            subscription_free(s);
        if (b.cost >= BATCH_COST)
            flush(v, &b);
    }
    flush(v, &b);
    json_decref(b.lines);
    json_decref(b.cursors);
    loop_timer_stop(&v->timer);
    if (wait_ms && ws_queued(v->ws) < HIGH_QUEUE)
        loop_timer_start(v->loop, &v->timer, wait_ms, on_timer);
}

/* --- from the logs ---------------------------------------------------------------------------- */

static void put(struct subscription *s, struct item *i)
{
    log_merge_put(&s->input, &i->merge, time_monotonic_ms());
}

static void put_message(struct subscription *s, enum item_kind kind, json_t *message)
{
    struct item *i = xcalloc(1, sizeof(*i));

    i->kind = kind;
    i->merge.time_ns = INT64_MIN;
    i->message = message;
    i->container_id = s->source ? xstrdup(log_source_container_id(s->source)) : NULL;
    json_text_set(message, "id", json_integer(s->id));
    put(s, i);
}

static void on_started(void *owner)
{
    struct subscription *s = owner;
    const struct ws_viewer *v = s->owner;
    _cleanup_free_ char *target = log_source_target(s->source);

    log_read_audit_add(log_sources_audit(v->sources), v->who.name, ws_peer_address(v->ws), target);
    put_message(s, ITEM_MARK,
                json_pack("{s:s, s:o, s:s, s:s, s:s}", "type", "subscribed", "host",
                          json_text_str(log_source_host(s->source)), "host_id",
                          log_source_host_id(s->source), "container", log_source_name(s->source),
                          "container_id", log_source_container_id(s->source)));
    ws_viewer_pump(s->owner);
}

static void on_line(void *owner, const struct log_source_line *line)
{
    struct subscription *s = owner;
    struct item *i = xcalloc(1, sizeof(*i));

    i->kind = ITEM_LINE;
    i->stream = line->line.kind;
    i->cost = line->cost;
    i->merge.time_ns = line->line.time_ns;
    i->merge.is_partial = line->line.is_partial;
    i->message = json_pack("{s:I, s:o, s:s, s:o, s:o, s:o}", "id", (json_int_t)s->id, "host",
                           json_text_str(log_source_host(s->source)), "container",
                           log_source_name(s->source), "stream",
                           log_line_stream_json(line->line.kind), "timestamp",
                           log_line_time_json(line->line.time_ns), "log",
                           json_text_string(line->line.text, line->line.size));
    if (line->line.is_partial)
        json_text_set(i->message, "partial", json_true());
    put(s, i);
}

static void on_batch(void *owner)
{
    const struct subscription *s = owner;

    ws_viewer_pump(s->owner);
}

static void on_mark(void *owner, const char *event, const char *message)
{
    struct subscription *s = owner;

    put_message(s, ITEM_MARK,
                json_pack("{s:s, s:o, s:o, s:s}", "type", "mark", "event", json_text_str(event),
                          "message", json_text_str(message), "container_id",
                          log_source_container_id(s->source)));
    ws_viewer_pump(s->owner);
}

static void add_code(json_t *message, enum error_code code)
{
    json_text_set(message, "status", json_integer(error_code_status(code)));
    json_text_set(message, "code", json_string(error_code_name(code)));
}

static void on_end(void *owner, const struct log_source_end *end)
{
    struct subscription *s = owner;
    json_t *message = json_pack("{s:s, s:o, s:o}", "type", "ended", "reason",
                                json_text_str(end->reason), "message", json_text_str(end->message));

    if (end->code)
        add_code(message, end->code);
    log_source_free(TAKE_PTR(s->source));
    put_message(s, ITEM_END, message);
    ws_viewer_pump(s->owner);
}

/* --- from the client -------------------------------------------------------------------------- */

static void refuse(struct ws_viewer *v, int64_t id, enum error_code code, const char *why)
{
    json_t *message = json_pack("{s:s, s:I, s:s, s:o}", "type", "ended", "id", (json_int_t)id,
                                "reason", "error", "message", json_text_str(why));

    add_code(message, code);
    send_message(v, message);
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

static void subscribe(struct ws_viewer *v, int64_t id, const json_t *m)
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
        .has_details = json_is_true(json_object_get(m, "details")),
        .until_exit = json_is_true(json_object_get(m, "until_exit")),
        .waits = true,
        .scope = &v->who.scope,
        .handler = &handler,
    };
    struct error err = ERROR_INIT;
    struct subscription *s;

    if (!o.host_id || !o.container || !str_is_container_ref(o.container)) {
        refuse(v, id, CODE_INVALID_VALUE,
               "`host` and `container` are required: id of a host, id or name of a container");
        return;
    }
    if (o.has_details && !secret_field_is_visible(SECRET_OPTIONS, v->who.role)) {
        refuse(v, id, CODE_ROLE_REQUIRED, LOG_DETAILS_REFUSED);
        return;
    }
    if (read_tail(m, &o.tail) < 0) {
        refuse(v, id, CODE_INVALID_VALUE, "`tail` must be a number from 0 to 10000, or \"all\"");
        return;
    }
    if (find(v, id) || v->n >= WS_VIEWER_MAX_LOGS) {
        refuse(v, id, CODE_CONFLICT,
               find(v, id) ? "this id is in use"
                           : "too many subscriptions (64) on this connection");
        return;
    }
    s = xcalloc(1, sizeof(*s));
    s->owner = v;
    s->id = id;
    list_init(&s->input.items);
    s->input.heard_ms = time_monotonic_ms();
    list_init(&s->input.link);
    list_append(&v->inputs, &s->input.link);
    v->n++;
    o.owner = s;
    if (o.cursor)
        (void)log_cursor_parse(o.cursor, s->container_id, &s->position); /* refused below */
    if (log_source_new(&s->source, v->sources, &o, &err) < 0) {
        refuse(v, id, CODE_INVALID_VALUE, err.msg);
        subscription_free(s);
    }
}

bool ws_viewer_on_message(struct ws_viewer *v, const char *data, size_t size)
{
    json_auto_t *m = json_text_parse(data, size, MAX_DEPTH, NULL);
    const char *type = json_text_get(m, "type");
    const json_t *id = json_object_get(m, "id");
    struct subscription *s;

    if (!type || !json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) > MAX_ID)
        return false;
    if (str_eq(type, "subscribe")) {
        subscribe(v, json_integer_value(id), m);
    } else if (str_eq(type, "unsubscribe")) {
        s = find(v, json_integer_value(id));
        if (s)
            subscription_free(s);
        ws_viewer_pump(v); /* the merge may have waited for its lines */
    }
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

struct ws_viewer *ws_viewer_new(struct loop *loop,
                                struct log_sources *sources,
                                struct ws *ws,
                                const struct identity *who)
{
    struct ws_viewer *v = xcalloc(1, sizeof(*v));

    v->loop = loop;
    v->sources = sources;
    v->ws = ws;
    v->who = *who;
    list_init(&v->inputs);
    return v;
}

void ws_viewer_free(struct ws_viewer *v)
{
    if (!v)
        return;
    while (!list_empty(&v->inputs))
        subscription_free(subscription_of(list_take_first(&v->inputs)));
    loop_timer_stop(&v->timer);
    free(v);
}
