#include "cli/containers/logs_follow.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "net/backoff.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MAX_MESSAGE  ((size_t)4 << 20)
#define MAX_QUEUE    ((size_t)1 << 20)
#define RETRY_MS     1000
#define MAX_RETRY_MS 10000
#define MAX_LOGS     64  /* the server accepts no more on one connection */
#define EXIT_SIGINT  130 /* 128 plus the signal, as in a shell */

struct log {
    char *cursor; /* the position after the last line; NULL: no line yet */
    bool is_ended;
};

struct follow {
    const struct logs_follow *o;
    struct loop *loop;
    struct ws *ws;
    struct log *logs;
    size_t n_left; /* logs that have not ended */
    struct loop_timer timer;
    struct backoff backoff;
    bool is_open;     /* since the last dial */
    bool is_noted;    /* the user knows that the connection is lost */
    size_t partial;   /* 1 + index of the log whose line is incomplete; 0: none */
    FILE *partial_to; /* where the start of that line was printed */
    int exit_code;
};

/* --- messages --------------------------------------------------------------------------------- */

static struct log *find_log(const struct follow *f, const json_t *message, size_t *ret_i)
{
    const json_t *id = json_object_get(message, "id");
    json_int_t i = json_integer_value(id);

    if (!json_is_integer(id) || i < 0 || (size_t)i >= f->o->n)
        return NULL;
    *ret_i = (size_t)i;
    return &f->logs[i];
}

/* A line that is too long for one message arrives in parts; lines of other logs may be between. */
static void print_line(struct follow *f, const json_t *line)
{
    const json_t *log = json_object_get(line, "log");
    FILE *to = logs_file_of(line);
    bool is_rest;
    size_t i;

    if (!find_log(f, line, &i) || !json_is_string(log))
        return;
    is_rest = f->partial == i + 1 && f->partial_to == to;
    if (f->partial && !is_rest)
        output_raw_to(f->partial_to, "\n", 1);
    logs_print(
        to, &(struct logs_text){
                .prefix = is_rest ? "" : f->o->prefixes[i],
                .timestamp = f->o->timestamps && !is_rest ? member_text(line, "timestamp") : NULL,
                .text = json_string_value(log),
                .size = json_string_length(log),
            });
    f->partial = member_is_true(line, "partial") ? i + 1 : 0;
    f->partial_to = to;
    if (!f->partial)
        output_raw_to(to, "\n", 1);
}

/* Prints the lines, then moves the cursors: after a lost connection no line is printed again. */
static void on_lines(struct follow *f, const json_t *message)
{
    const json_t *cursors = json_object_get(message, "cursors");
    const json_t *line;
    size_t k;

    json_array_foreach(json_object_get(message, "lines"), k, line)
    {
        print_line(f, line);
    }
    for (size_t i = 0; i < f->o->n; i++) {
        char key[24];
        const char *cursor;

        (void)snprintf(key, sizeof(key), "%zu", i);
        cursor = json_string_value(json_object_get(cursors, key));
        if (cursor) {
            free(f->logs[i].cursor);
            f->logs[i].cursor = xstrdup(cursor);
        }
    }
}

/* A mark reports an event between lines, such as an agent that is offline. */
static void on_mark(const struct follow *f, const json_t *message)
{
    const char *event = member_text(message, "event");
    size_t i;

    if (!find_log(f, message, &i) || str_eq(event, "restarted"))
        return; /* the lines of the new start show that */
    output_note("(%s: %s)", member_text(f->o->containers[i], "name"),
                member_text(message, "message"));
}

/* The log has ended for good: its container was removed, or the subscription was refused. */
static void on_ended(struct follow *f, const json_t *message)
{
    const char *why = member_text(message, "message");
    bool is_error = member_integer(message, "status") != 0;
    struct log *log;
    size_t i;

    if (str_eq(member_text(message, "reason"), "stopped"))
        return; /* the server stops: it closes the connection, too */
    log = find_log(f, message, &i);
    if (!log || log->is_ended)
        return;
    log->is_ended = true;
    f->n_left--;
    if (is_error) {
        output_error("%s: %s", member_text(f->o->containers[i], "name"), why);
        f->exit_code = 1;
    } else if (why[0]) {
        output_note("(%s)", why);
    }
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct follow *f = owner;
    json_auto_t *message = is_binary ? NULL : json_loadb(data, size, JSON_ALLOW_NUL, NULL);
    const char *type = member_text(message, "type");

    if (str_eq(type, "lines")) {
        on_lines(f, message);
    } else if (str_eq(type, "mark")) {
        on_mark(f, message);
    } else if (str_eq(type, "ended")) {
        on_ended(f, message);
    }
    if (!output_flush() || f->n_left == 0)
        loop_stop(f->loop);
}

/* --- the connection --------------------------------------------------------------------------- */

/*
 * By id at first. After a reconnect by name, with the cursor, because the container may have been
 * re-created meanwhile.
 */
static void subscribe(const struct follow *f, size_t i)
{
    const json_t *c = f->o->containers[i];
    json_t *m = json_pack("{s:s, s:I, s:s, s:s, s:s?, s:s?}", "type", "subscribe", "id",
                          (json_int_t)i, "host", member_text(c, "host_id"), "container",
                          f->logs[i].cursor ? member_text(c, "name") : member_full_id(c), "since",
                          f->o->since, "cursor", f->logs[i].cursor);
    _cleanup_free_ char *text = NULL;

    if (f->o->has_details)
        (void)json_object_set_new(m, "details", json_true());
    if (f->o->until_exit)
        (void)json_object_set_new(m, "until_exit", json_true());
    (void)json_object_set_new(m, "tail",
                              f->o->tail < 0 ? json_string("all") : json_integer(f->o->tail));
    text = json_dumps(m, JSON_COMPACT);
    json_decref(m);
    if (text && ws_send_text(f->ws, text, strlen(text)) < 0)
        output_note(MSG_SUBSCRIPTION_LOST); /* the connection is closing */
}

static void on_open(void *owner)
{
    struct follow *f = owner;

    if (f->is_noted)
        output_note("(connected again)");
    f->is_open = true;
    f->is_noted = false;
    backoff_reset(&f->backoff);
    for (size_t i = 0; i < f->o->n; i++) {
        if (!f->logs[i].is_ended)
            subscribe(f, i);
    }
}

static void dial(struct follow *f);

static void on_retry(struct loop_timer *t)
{
    dial(CONTAINER_OF(t, struct follow, timer));
}

static void schedule_retry(struct follow *f, const char *why)
{
    if (!f->is_noted)
        output_note(MSG_TRYING_AGAIN, why);
    f->is_noted = true;
    loop_timer_start(f->loop, &f->timer, backoff_next(&f->backoff), on_retry);
}

/*
 * A refusal is final, and so is a failure of the first attempt, which is likely a wrong address.
 * Any other close is followed by another attempt.
 */
static void on_close(void *owner, const struct ws_close *why)
{
    struct follow *f = owner;
    bool is_final = why->code == WS_CLOSE_POLICY || why->code == WS_CLOSE_FORBIDDEN ||
                    why->code == WS_CLOSE_UNSUPPORTED;
    const char *text = why->reason[0] ? why->reason : MSG_CONNECTION_LOST;

    f->ws = NULL;
    if (is_final || (!f->is_open && !f->is_noted && why->error != 0)) {
        _cleanup_free_ char *explained = client_explain_close(f->o->client, why);

        output_error("%s", explained);
        f->exit_code = 1;
        loop_stop(f->loop);
        return;
    }
    schedule_retry(f, text);
}

static void dial(struct follow *f)
{
    static const struct ws_handler handler = {
        .on_open = on_open, .on_message = on_message, .on_close = on_close};
    struct error err = ERROR_INIT;

    if (client_dial(f->o->client, "/ws/logs",
                    &(struct ws_dial){
                        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
                        .handler = &handler,
                        .owner = f
    },
                    &f->ws, &err) < 0)
        schedule_retry(f, err.msg);
}

static void on_signal(void *owner, int number)
{
    struct follow *f = owner;

    f->exit_code = number == SIGINT ? EXIT_SIGINT : 0;
    loop_stop(f->loop);
}

int logs_follow(const struct logs_follow *o)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct follow f = {.o = o, .loop = client_loop(o->client), .n_left = o->n};
    int r;

    if (o->n > MAX_LOGS) {
        output_error("too many containers: at most %d can be followed at a time", MAX_LOGS);
        return 1;
    }
    r = loop_on_signals(f.loop, signals, ARRAY_LEN(signals), on_signal, &f);
    if (r < 0) {
        output_error(MSG_CANNOT_WATCH, error_text(r));
        return 1;
    }
    f.logs = xcalloc(o->n, sizeof(*f.logs));
    backoff_init(&f.backoff, RETRY_MS, MAX_RETRY_MS);
    dial(&f);
    loop_run(f.loop);
    loop_timer_stop(&f.timer);
    ws_free(f.ws);
    if (f.partial)
        output_raw_to(f.partial_to, "\n", 1);
    for (size_t i = 0; i < o->n; i++)
        free(f.logs[i].cursor);
    free(f.logs);
    return f.exit_code;
}
