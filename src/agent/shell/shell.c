#include "agent/shell/shell.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/log_demux.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_EARLY_INPUT ((size_t)256 * 1024)
#define MAX_INPUT       ((size_t)2 << 20) /* waiting for the process to read it */
#define MAX_OUTPUT \
    ((size_t)1 << 20) /* read from the engine, not sent yet: what a pause lets through */
#define INPUT_ACK    ((size_t)32 * 1024) /* smaller steps are told when the process has read all */
#define CALL_MS      15000
#define RETRY_MS     20
#define LOOK_MS      50 /* for the exit code, which may come a moment after the end of output */
#define MAX_LOOKS    40
#define EXEC_ID_SIZE 65

/*
 *     CREATING -> ATTACHING -> RUNNING -> FINISHING -> FLUSHING -> DONE
 *        \____________\___________\____________\____________\_____/       close and failures
 *
 * FINISHING: the output has ended, the exit code is asked for. FLUSHING: output waits for the server.
 */
enum shell_state {
    SHELL_CREATING,
    SHELL_ATTACHING,
    SHELL_RUNNING,
    SHELL_FINISHING,
    SHELL_FLUSHING,
    SHELL_DONE,
};

struct shell {
    struct list link;
    struct shell_options o;
    enum shell_state state;
    char *id, *container, *user;
    char mark[EXEC_MARK_SIZE];
    char exec_id[EXEC_ID_SIZE];
    bool has_tty, has_window;
    bool is_resized; /* the engine was not told yet */
    bool is_eof;     /* of the input */
    unsigned n_looks;

    struct engine_call *call; /* inspect, create, or the exit code */
    char *request;            /* to create the process with, until then */
    struct engine_call *resize;
    struct hijack *hijack;
    struct loop_timer timer; /* sending again; looking again */

    int64_t cols, rows; /* 0: none yet */

    struct buf early; /* input before there is a connection */
    size_t input_unacked;

    struct log_demux demux;
    struct buf output; /* pieces: stream, size (2 bytes), data */
    int64_t credit;
    int64_t exit_code;
};

static void set_state(struct shell *s, enum shell_state state)
{
    assert(state > s->state);
    log_debug(LOG_FIELDS("shell", s->id), "shell: %d -> %d", (int)s->state, (int)state);
    s->state = state;
}

const char *shell_id(const struct shell *s)
{
    return s->id;
}

struct list *shell_link(struct shell *s)
{
    return &s->link;
}

struct shell *shell_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct shell, link);
}

/* --- to the server ------------------------------------------------------------------------------ */

static int send_event(const struct shell *s, const char *action, json_t *fields)
{
    json_t *payload = envelope_part("session_id", s->id, action, fields);

    return sender_send(s->o.sender, envelope_event("shell_data", payload, time_utc_ms()));
}

static void say(const struct shell *s, const char *action, json_t *fields)
{
    int r = send_event(s, action, fields);

    if (r < 0)
        log_warn(LOG_FIELDS("shell", s->id), "%s could not be sent: %s", action, error_text(r));
}

static void release(struct shell *s)
{
    engine_call_cancel(TAKE_PTR(s->call));
    engine_call_cancel(TAKE_PTR(s->resize));
    hijack_cancel(TAKE_PTR(s->hijack));
    loop_timer_stop(&s->timer);
}

static void kill_process(const struct shell *s)
{
    exec_killer_end(s->o.killer,
                    &(struct exec_process){s->container, s->exec_id, s->mark, s->user});
}

static void end_process(struct shell *s)
{
    if (s->state >= SHELL_ATTACHING && s->state <= SHELL_FINISHING)
        kill_process(s);
}

/* s is gone afterwards. */
static void finish(struct shell *s)
{
    end_process(s);
    release(s);
    set_state(s, SHELL_DONE);
    s->o.done(s->o.owner, s);
}

static void fail(struct shell *s, const char *why)
{
    log_warn(LOG_FIELDS("shell", s->id, "container", s->container), "shell: %s", why);
    say(s, "error", json_pack("{s:o}", "error", json_text_str(why)));
    finish(s);
}

/* --- output ------------------------------------------------------------------------------------- */

static void on_piece(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start)
{
    struct shell *s = owner;
    int r = 0;

    (void)is_start;
    while (size > 0 && r == 0) {
        size_t n = size < SHELL_MAX_OUTPUT ? size : SHELL_MAX_OUTPUT;
        const char head[] = {(char)stream, (char)(n >> 8), (char)(n & 0xff)};

        r = buf_append(&s->output, head, sizeof(head));
        if (r == 0)
            r = buf_append(&s->output, data, n);
        data += n;
        size -= n;
    }
    assert(r == 0); /* the engine is not read while there is output */
}

static int send_piece(const struct shell *s, const unsigned char *piece, size_t n)
{
    _cleanup_free_ char *data = base64_encode(piece + 3, n);
    json_t *fields = json_pack("{s:s}", "data", data);

    if (piece[0] == LOG_STDERR)
        json_text_set(fields, "stream", json_text_str("stderr"));
    return send_event(s, "data", fields);
}

static void pump(struct shell *s);

static void on_retry(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct shell, timer));
}

/* Sends what may be sent; s may be gone afterwards. */
static void pump(struct shell *s)
{
    size_t at = 0;
    int r = 0;

    while (at < s->output.size && (!s->has_window || s->credit > 0)) {
        const unsigned char *piece = (const unsigned char *)s->output.data + at;
        size_t n = (size_t)piece[1] << 8 | piece[2];

        r = sender_is_busy(s->o.sender) ? -ENOBUFS : send_piece(s, piece, n);
        if (r < 0)
            break;
        s->credit -= (int64_t)n;
        at += n + 3;
    }
    buf_consume(&s->output, at);
    if (r < 0 && s->state != SHELL_FINISHING)
        loop_timer_start(engine_loop(s->o.engine), &s->timer, RETRY_MS, on_retry);
    if (s->hijack)
        hijack_pause(s->hijack, s->output.size > 0);
    if (s->state == SHELL_FLUSHING && s->output.size == 0) {
        json_t *fields = json_object();

        if (s->exit_code >= 0)
            json_text_set(fields, "exit_code", json_integer(s->exit_code));
        say(s, "closed", fields);
        finish(s);
    }
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct shell *s = owner;

    if (log_demux_feed(&s->demux, data, size) < 0) {
        fail(s, "docker engine sent output that is no sequence of frames");
        return;
    }
    pump(s);
}

/* --- the end of the process --------------------------------------------------------------------- */

static void ask_exit_code(struct shell *s);

static void on_look_again(struct loop_timer *t)
{
    ask_exit_code(CONTAINER_OF(t, struct shell, timer));
}

static void on_exit_code(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;
    const json_t *code = json_object_get(reply->json, "ExitCode");
    bool is_running = json_is_true(json_object_get(reply->json, "Running"));

    s->call = NULL;
    if (is_running && ++s->n_looks < MAX_LOOKS) {
        loop_timer_start(engine_loop(s->o.engine), &s->timer, LOOK_MS, on_look_again);
        return;
    }
    if (is_running) /* it has closed its output, and that was all that bound it to us */
        kill_process(s);
    s->exit_code = json_is_integer(code) && !is_running ? json_integer_value(code) : -1;
    set_state(s, SHELL_FLUSHING);
    pump(s);
}

static void ask_exit_code(struct shell *s)
{
    _cleanup_free_ char *path = xasprintf("/exec/%s/json", s->exec_id);
    struct error err = ERROR_INIT;

    if (engine_call_start(&s->call, s->o.engine,
                          &(struct engine_request){.path = path,
                                                   .timeout_ms = CALL_MS,
                                                   .wants_json = true,
                                                   .done = on_exit_code,
                                                   .owner = s},
                          &err) < 0)
        fail(s, err.msg);
}

static void on_end(void *owner, const struct http_result *result)
{
    struct shell *s = owner;
    json_auto_t *body = NULL;
    const char *message;

    s->hijack = NULL;
    if (result->status == 101 || result->status == 200) {
        set_state(s, SHELL_FINISHING);
        loop_timer_stop(&s->timer);
        ask_exit_code(s);
        return;
    }
    body = json_text_parse(result->body, result->size, 0, NULL);
    message = json_text_get(body, "message");
    if (!message)
        message = result->message && result->message[0] ? result->message : "it refused to start";
    fail(s, message);
}

/* --- the terminal's size ------------------------------------------------------------------------ */

static void tell_size(struct shell *s);

static void on_resized(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;

    s->resize = NULL;
    if (reply->code < 0)
        log_debug(LOG_FIELDS("shell", s->id), "resize: %s", reply->message);
    if (s->is_resized)
        tell_size(s);
}

static void tell_size(struct shell *s)
{
    _cleanup_free_ char *path = NULL;
    struct error err = ERROR_INIT;

    if (s->state != SHELL_RUNNING || s->resize || !s->has_tty || !s->cols || !s->rows)
        return; /* later: when it runs, when the last one is done */
    s->is_resized = false;
    path = xasprintf("/exec/%s/resize?w=%lld&h=%lld", s->exec_id, (long long)s->cols,
                     (long long)s->rows);
    if (engine_call_start(&s->resize, s->o.engine,
                          &(struct engine_request){.method = "POST",
                                                   .path = path,
                                                   .timeout_ms = CALL_MS,
                                                   .done = on_resized,
                                                   .owner = s},
                          &err) < 0)
        log_debug(LOG_FIELDS("shell", s->id), "resize: %s", err.msg);
}

/* --- input -------------------------------------------------------------------------------------- */

static void ack_input(struct shell *s)
{
    bool is_idle = s->hijack && hijack_queued(s->hijack) == 0;

    if (!s->has_window || !is_idle || s->input_unacked < INPUT_ACK)
        return;
    if (send_event(s, "ack", json_pack("{s:I}", "bytes", (json_int_t)s->input_unacked)) == 0)
        s->input_unacked = 0;
}

static void on_drain(void *owner)
{
    ack_input(owner);
}

static void take_input(struct shell *s, const char *text)
{
    size_t size = text ? strlen(text) : 0, n = 0;
    _cleanup_free_ unsigned char *data = xmalloc(BASE64_DECODED_MAX(size) + 1);
    int r;

    if (base64_decode(text ? text : "", size, data, &n) < 0) {
        fail(s, "the input is not base64");
        return;
    }
    if (s->is_eof || s->state > SHELL_RUNNING || n == 0)
        return; /* nobody reads it any more */
    s->input_unacked += n;
    r = s->hijack ? hijack_write(s->hijack, data, n) : buf_append(&s->early, data, n);
    if (r == -ENOBUFS || r == -EMSGSIZE) {
        fail(s, "the process does not read its input");
    } else {
        ack_input(s);
    }
}

static void take_eof(struct shell *s)
{
    if (s->is_eof)
        return;
    s->is_eof = true;
    if (s->hijack && hijack_shutdown_write(s->hijack) < 0)
        log_debug(LOG_FIELDS("shell", s->id), "the input had ended already");
}

/* --- the start ---------------------------------------------------------------------------------- */

static void on_open(void *owner)
{
    struct shell *s = owner;

    set_state(s, SHELL_RUNNING);
    say(s, "started", NULL);
    tell_size(s);
    ack_input(s);
}

static void attach(struct shell *s)
{
    _cleanup_free_ char *path = xasprintf("/exec/%s/start", s->exec_id);
    const char *body = s->has_tty ? "{\"Detach\":false,\"Tty\":true}"
                                  : "{\"Detach\":false,\"Tty\":false}";
    struct error err = ERROR_INIT;
    int r;

    set_state(s, SHELL_ATTACHING);
    r = engine_hijack_start(&s->hijack, s->o.engine,
                            &(struct hijack_options){.path = path,
                                                     .body = body,
                                                     .body_size = strlen(body),
                                                     .max_queue = MAX_INPUT,
                                                     .connect_timeout_ms = CALL_MS,
                                                     .on_open = on_open,
                                                     .on_data = on_data,
                                                     .on_drain = on_drain,
                                                     .done = on_end,
                                                     .owner = s},
                            &err);
    if (r == 0 && s->early.size > 0)
        r = hijack_write(s->hijack, s->early.data, s->early.size);
    if (r == 0 && s->is_eof)
        r = hijack_shutdown_write(s->hijack);
    buf_done(&s->early);
    if (r < 0)
        fail(s, err.msg[0] ? err.msg : error_text(r));
}

static void on_created(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;
    const char *id = json_string_value(json_object_get(reply->json, "Id"));

    s->call = NULL;
    if (reply->code < 0) {
        fail(s, reply->message);
        return;
    }
    if (!str_is_hex(id ? id : "", EXEC_ID_SIZE - 1)) {
        fail(s, "docker engine made a process without an id");
        return;
    }
    str_copy(s->exec_id, sizeof(s->exec_id), id);
    attach(s);
}

static void add_strings(json_t *array, const struct strings *words)
{
    for (size_t i = 0; i < words->n; i++)
        (void)json_array_append_new(array, json_text_str(words->items[i]));
}

static json_t *make_request(const struct shell *s, const struct msg_shell_session *m)
{
    json_t *env = json_array(), *cmd = json_array(), *request;

    (void)json_array_append_new(env, json_text_str(s->mark));
    if (s->has_tty)
        (void)json_array_append_new(env, json_text_str("TERM=xterm-256color"));
    add_strings(env, &m->env);
    add_strings(cmd, &m->cmd);
    if (m->cmd.n == 0) {
        (void)json_array_append_new(cmd, json_text_str("/bin/sh"));
        (void)json_array_append_new(cmd, json_text_str("-c"));
        (void)json_array_append_new(
            cmd, json_text_str("command -v bash >/dev/null 2>&1 && exec bash; exec sh"));
    }
    request = json_pack("{s:b, s:b, s:b, s:b, s:o, s:o}", "AttachStdin", 1, "AttachStdout", 1,
                        "AttachStderr", 1, "Tty", (int)s->has_tty, "Env", env, "Cmd", cmd);
    if (!str_is_empty(m->user))
        json_text_set(request, "User", json_text_str(m->user));
    if (!str_is_empty(m->workdir))
        json_text_set(request, "WorkingDir", json_text_str(m->workdir));
    return request;
}

static void create(struct shell *s)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/exec", s->container);
    _cleanup_free_ char *why = guard_refuse_container(s->o.guard, s->container, "shell");
    struct error err = ERROR_INIT;

    if (why) {
        fail(s, why);
    } else if (engine_call_start(&s->call, s->o.engine,
                                 &(struct engine_request){.method = "POST",
                                                          .path = path,
                                                          .body = s->request,
                                                          .timeout_ms = CALL_MS,
                                                          .wants_json = true,
                                                          .done = on_created,
                                                          .owner = s},
                                 &err) < 0) {
        fail(s, err.msg);
    }
}

static void on_described(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;
    struct error err = ERROR_INIT;
    char id[CONTAINER_ID_SIZE];

    s->call = NULL;
    if (reply->code < 0) {
        fail(s, reply->message);
    } else if (guard_learn(s->o.guard, reply, id, &err) < 0) {
        fail(s, err.msg);
    } else {
        free(s->container);
        s->container = xstrdup(id);
        create(s);
    }
}

static void on_start(struct loop_timer *t)
{
    struct shell *s = CONTAINER_OF(t, struct shell, timer);
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", s->container);
    struct error err = ERROR_INIT;

    if (guard_knows(s->o.guard, s->container, "shell")) {
        create(s);
    } else if (engine_call_start(&s->call, s->o.engine,
                                 &(struct engine_request){.path = path,
                                                          .timeout_ms = CALL_MS,
                                                          .max_body = GUARD_MAX_INSPECT,
                                                          .done = on_described,
                                                          .owner = s},
                                 &err) < 0) {
        fail(s, err.msg);
    }
}

struct shell *shell_new(const struct shell_options *o, const struct msg_shell_session *start)
{
    struct shell *s = xcalloc(1, sizeof(*s));
    json_auto_t *request = NULL;

    s->o = *o;
    list_init(&s->link);
    s->id = xstrdup(start->session_id);
    s->container = xstrdup(start->container_id);
    s->user = str_is_empty(start->user) ? NULL : xstrdup(start->user);
    s->has_tty = !start->is_plain;
    s->has_window = start->window > 0;
    s->credit = start->window;
    s->cols = start->cols;
    s->rows = start->rows;
    s->exit_code = -1;
    buf_init(&s->early, MAX_EARLY_INPUT);
    buf_init(&s->output, MAX_OUTPUT);
    log_demux_init(&s->demux, s->has_tty, on_piece, s);
    exec_killer_make_mark(o->killer, s->mark);
    request = make_request(s, start);
    s->request = json_text_write(request, NULL);
    loop_timer_start(engine_loop(o->engine), &s->timer, 0, on_start);
    return s;
}

void shell_free(struct shell *s)
{
    if (!s)
        return;
    end_process(s);
    release(s);
    list_unlink(&s->link);
    buf_done(&s->early);
    buf_done(&s->output);
    free(s->id);
    free(s->request);
    free(s->container);
    free(s->user);
    free(s);
}

void shell_on_message(struct shell *s, const struct msg_shell_session *m)
{
    if (str_eq(m->action, "data")) {
        take_input(s, m->data);
    } else if (str_eq(m->action, "eof")) {
        take_eof(s);
    } else if (str_eq(m->action, "resize")) {
        s->cols = m->cols;
        s->rows = m->rows;
        s->is_resized = true;
        tell_size(s);
    } else if (str_eq(m->action, "ack")) {
        s->credit += m->bytes;
        pump(s);
    } else if (str_eq(m->action, "close")) {
        say(s, "closed", NULL);
        finish(s);
    }
}
