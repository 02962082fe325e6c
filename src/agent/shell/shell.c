#include "agent/shell/shell.h"
#include "agent/shell/exec_request.h"
#include "agent/shell/output.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"

#include <errno.h>
#include <string.h>

#define MAX_EARLY_INPUT ((size_t)256 * 1024)
#define MAX_INPUT       ((size_t)2 << 20)   /* waiting for the process to read it */
#define INPUT_ACK       ((size_t)32 * 1024) /* input that was read is acknowledged in such steps */
#define CALL_MS         15000
#define RETRY_MS        20
#define EXIT_CODE_MS    50 /* between two requests for the exit code */
#define MAX_EXIT_ASKS   40
#define EXEC_ID_SIZE    65

enum shell_state {
    SHELL_NEW,
    SHELL_INSPECTING,
    SHELL_CREATING,
    SHELL_ATTACHING,
    SHELL_RUNNING,
    SHELL_FINISHING,
    SHELL_FLUSHING,
    SHELL_DONE,
};

struct shell {
    struct channel channel;
    struct shell_options o;
    enum shell_state state;
    char *container; /* as asked for, then the full id */
    char *user;      /* NULL: the default of the container */
    char mark[EXEC_MARK_SIZE];
    char exec_id[EXEC_ID_SIZE];
    bool has_tty;
    bool is_detached; /* the process is only started, and stays */

    struct engine_call *call; /* of INSPECTING, CREATING, FINISHING */
    char *request;            /* of CREATING */
    struct hijack *hijack;    /* the connection of the process: from ATTACHING to its end */
    struct loop_timer timer;  /* of the state: the start, sending again, asking again */

    int64_t cols, rows; /* 0: not known yet */
    bool is_resize_due; /* the engine does not know the last size */
    struct engine_call *resize;

    struct buf early; /* input that came before there was a connection */
    bool is_eof;      /* the client has ended the input */
    size_t n_input;   /* not acknowledged yet */

    struct shell_output output;
    unsigned n_exit_asks;
    int64_t exit_code; /* -1: unknown */
};

static const struct state_row state_rows[] = {
    STATE_ROW(SHELL_NEW,
              "new",
              STATE_TO(SHELL_INSPECTING) | STATE_TO(SHELL_CREATING) | STATE_TO(SHELL_DONE)),
    STATE_ROW(SHELL_INSPECTING, "inspecting", STATE_TO(SHELL_CREATING) | STATE_TO(SHELL_DONE)),
    STATE_ROW(SHELL_CREATING, "creating", STATE_TO(SHELL_ATTACHING) | STATE_TO(SHELL_DONE)),
    STATE_ROW(SHELL_ATTACHING,
              "attaching",
              STATE_TO(SHELL_RUNNING) | STATE_TO(SHELL_FINISHING) | STATE_TO(SHELL_DONE)),
    STATE_ROW(SHELL_RUNNING, "running", STATE_TO(SHELL_FINISHING) | STATE_TO(SHELL_DONE)),
    STATE_ROW(SHELL_FINISHING, "finishing", STATE_TO(SHELL_FLUSHING) | STATE_TO(SHELL_DONE)),
    STATE_ROW(SHELL_FLUSHING, "flushing", STATE_TO(SHELL_DONE)),
    STATE_ROW(SHELL_DONE, "done", 0),
};
static const struct state_machine machine = STATE_MACHINE("shell", state_rows);

static void set_state(struct shell *s, enum shell_state state)
{
    state_check(&machine, s->channel.id, s->state, state);
    s->state = state;
}

struct shell *shell_of_channel(struct channel *c)
{
    return CONTAINER_OF(c, struct shell, channel);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void kill_process(const struct shell *s)
{
    exec_killer_end(s->o.killer,
                    &(struct exec_process){s->container, s->exec_id, s->mark, s->user});
}

static bool may_run(const struct shell *s)
{
    return s->state >= SHELL_ATTACHING && s->state <= SHELL_FINISHING && !s->is_detached;
}

/* Frees s; the last event was sent. */
static void finish(struct shell *s)
{
    if (may_run(s))
        kill_process(s);
    log_info(LOG_FIELDS("shell", s->channel.id), "shell closed");
    set_state(s, SHELL_DONE);
    shell_free(s);
}

/* Frees s. */
static void fail_as(struct shell *s, enum error_code code, const char *why, const char *logged)
{
    log_warn(LOG_FIELDS("shell", s->channel.id, "container", s->container), "shell failed: %s",
             logged);
    channel_notify_error(&s->channel, NULL, code, why);
    finish(s);
}

/* Frees s. */
static void fail(struct shell *s, enum error_code code, const char *why)
{
    fail_as(s, code, why, why);
}

/* The engine quotes the command, which may hold a password: the log has the kind of error only.
 * Frees s. */
static void fail_engine(struct shell *s, enum error_code code, const char *why)
{
    fail_as(s, code, why, error_code_sentence(code));
}

/* Frees s. */
static void fail_call(struct shell *s, const struct error *err)
{
    const char *why = err->msg[0] ? err->msg : error_text(err->code);

    fail_engine(s, engine_error_code(err->code, 0, why), why);
}

/* Frees s. */
static void fail_reply(struct shell *s, const struct engine_reply *reply)
{
    fail_engine(s, engine_error_code(reply->code, reply->status, reply->message), reply->message);
}

/* --- output ----------------------------------------------------------------------------------- */

static void pump(struct shell *s);

static void on_retry(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct shell, timer));
}

/* Sends what may be sent; may free s. */
static void pump(struct shell *s)
{
    int r = shell_output_pump(&s->output);
    bool is_empty = shell_output_is_empty(&s->output);

    if (r < 0 && s->state != SHELL_FINISHING) /* which has its own timer, and pumps at its end */
        loop_timer_start(engine_loop(s->o.engine), &s->timer, RETRY_MS, on_retry);
    if (s->hijack)
        hijack_pause(s->hijack, !is_empty);
    if (s->state == SHELL_FLUSHING && is_empty) {
        json_t *fields = json_object();

        if (s->exit_code >= 0)
            json_text_set(fields, "exit_code", json_integer(s->exit_code));
        channel_notify(&s->channel, "closed", fields);
        finish(s);
    }
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct shell *s = owner;

    if (shell_output_feed(&s->output, data, size) < 0) {
        fail(s, CODE_ENGINE_ERROR, "docker engine sent output that is no sequence of frames");
        return;
    }
    pump(s);
}

/* --- the exit code ---------------------------------------------------------------------------- */

static void ask_exit_code(struct shell *s);

static void on_ask_again(struct loop_timer *t)
{
    ask_exit_code(CONTAINER_OF(t, struct shell, timer));
}

static void on_exit_code(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;
    const json_t *code = json_object_get(reply->json, "ExitCode");
    bool is_running = json_is_true(json_object_get(reply->json, "Running"));

    s->call = NULL;
    if (is_running && ++s->n_exit_asks < MAX_EXIT_ASKS) {
        loop_timer_start(engine_loop(s->o.engine), &s->timer, EXIT_CODE_MS, on_ask_again);
        return;
    }
    if (is_running) /* it has closed its output, and nothing else would end it */
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
        fail_call(s, &err);
}

static void on_end(void *owner, const struct http_result *result)
{
    struct shell *s = owner;
    _cleanup_free_ char *path = xasprintf("/exec/%s/start", s->exec_id);
    struct error err = ERROR_INIT;
    const char *message = err.msg;

    s->hijack = NULL;
    if (result->status == 101 || result->status == 200) {
        set_state(s, SHELL_FINISHING);
        loop_timer_stop(&s->timer);
        ask_exit_code(s);
        return;
    }
    if (result->code == 0 && result->status >= 400) {
        engine_describe_refusal(result, "POST", path, &err);
    } else {
        message = str_is_empty(result->message) ? "it refused to start" : result->message;
    }
    fail_engine(s, engine_error_code(result->code, result->status, message), message);
}

/* --- the terminal's size ---------------------------------------------------------------------- */

static void send_size(struct shell *s);

static void on_resized(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;

    s->resize = NULL;
    if (reply->code < 0) {
        log_debug(LOG_FIELDS("shell", s->channel.id), "could not resize the terminal: %s",
                  reply->message);
    }
    if (s->is_resize_due)
        send_size(s);
}

static void send_size(struct shell *s)
{
    _cleanup_free_ char *path = NULL;
    struct error err = ERROR_INIT;

    if (s->state != SHELL_RUNNING || s->resize || !s->has_tty || !s->cols || !s->rows)
        return; /* on_open() and on_resized() send it later */
    s->is_resize_due = false;
    path = xasprintf("/exec/%s/resize?w=%lld&h=%lld", s->exec_id, (long long)s->cols,
                     (long long)s->rows);
    if (engine_call_start(&s->resize, s->o.engine,
                          &(struct engine_request){.method = "POST",
                                                   .path = path,
                                                   .timeout_ms = CALL_MS,
                                                   .done = on_resized,
                                                   .owner = s},
                          &err) < 0)
        log_debug(LOG_FIELDS("shell", s->channel.id), "could not resize the terminal: %s", err.msg);
}

/* --- input ------------------------------------------------------------------------------------ */

static void ack_input(struct shell *s)
{
    bool is_idle = s->hijack && hijack_queued(s->hijack) == 0;

    if (!s->output.has_window || !is_idle || s->n_input < INPUT_ACK)
        return;
    if (channel_send(&s->channel, "ack", json_pack("{s:I}", "bytes", (json_int_t)s->n_input)) == 0)
        s->n_input = 0;
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
        fail(s, CODE_INVALID_ARGUMENT, "the input is not base64");
        return;
    }
    if (s->is_eof || s->state > SHELL_RUNNING || n == 0)
        return; /* the process reads no more input */
    s->n_input += n;
    r = s->hijack ? hijack_write(s->hijack, data, n) : buf_append(&s->early, data, n);
    if (r == -ENOBUFS || r == -EMSGSIZE) {
        fail(s, CODE_TOO_LARGE, "the process does not read its input");
    } else {
        ack_input(s);
    }
}

static void take_eof(struct shell *s)
{
    if (s->is_eof)
        return;
    s->is_eof = true;
    if (s->hijack && hijack_shutdown_write(s->hijack) < 0) {
        log_debug(LOG_FIELDS("shell", s->channel.id),
                  "could not end the input: it has ended already");
    }
}

/* --- the start -------------------------------------------------------------------------------- */

static void on_open(void *owner)
{
    struct shell *s = owner;

    set_state(s, SHELL_RUNNING);
    channel_notify(&s->channel, "started", NULL);
    send_size(s);
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
        fail_call(s, &err);
}

/* The process runs, or has ended already; its end is not awaited. */
static void on_detached(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;

    s->call = NULL;
    if (reply->code < 0) {
        fail_reply(s, reply);
        return;
    }
    channel_notify(&s->channel, "started", NULL);
    s->exit_code = 0;
    set_state(s, SHELL_FINISHING);
    set_state(s, SHELL_FLUSHING);
    pump(s);
}

/* May free s. */
static void start_detached(struct shell *s)
{
    _cleanup_free_ char *path = xasprintf("/exec/%s/start", s->exec_id);
    struct error err = ERROR_INIT;

    set_state(s, SHELL_ATTACHING);
    if (engine_call_start(&s->call, s->o.engine,
                          &(struct engine_request){
                              .method = "POST",
                              .path = path,
                              .body = s->has_tty ? "{\"Detach\":true,\"Tty\":true}"
                                                 : "{\"Detach\":true,\"Tty\":false}",
                              .timeout_ms = CALL_MS,
                              .done = on_detached,
                              .owner = s,
                          },
                          &err) < 0)
        fail_call(s, &err);
}

static void on_created(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;
    const char *id = json_string_value(json_object_get(reply->json, "Id"));

    s->call = NULL;
    if (reply->code < 0) {
        fail_reply(s, reply);
        return;
    }
    if (!str_is_hex(id ? id : "", EXEC_ID_SIZE - 1)) {
        fail(s, CODE_ENGINE_ERROR, "docker engine created a process without an id");
        return;
    }
    str_copy(s->exec_id, sizeof(s->exec_id), id);
    if (s->is_detached) {
        start_detached(s);
    } else {
        attach(s);
    }
}

/* May free s. */
static void create(struct shell *s)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/exec", s->container);
    _cleanup_free_ char *why = guard_refuse_container(s->o.guard, s->container, OPERATION_SHELL);
    _cleanup_free_ char *own = guard_refuse_own(s->o.guard, s->container, OPERATION_SHELL);
    struct error err = ERROR_INIT;

    set_state(s, SHELL_CREATING);
    if (why) {
        fail(s, CODE_POLICY_DENIED, why);
    } else if (own) {
        fail(s, CODE_OWN_CONTAINER, own);
    } else if (engine_call_start(&s->call, s->o.engine,
                                 &(struct engine_request){.method = "POST",
                                                          .path = path,
                                                          .body = s->request,
                                                          .timeout_ms = CALL_MS,
                                                          .wants_json = true,
                                                          .done = on_created,
                                                          .owner = s},
                                 &err) < 0) {
        fail_call(s, &err);
    }
}

static void on_inspected(void *owner, const struct engine_reply *reply)
{
    struct shell *s = owner;
    struct error err = ERROR_INIT;
    char id[CONTAINER_ID_SIZE];

    s->call = NULL;
    if (reply->code < 0) {
        fail_reply(s, reply);
    } else if (guard_learn(s->o.guard, reply, id, &err) < 0) {
        fail_call(s, &err);
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

    if (guard_knows(s->o.guard, s->container, OPERATION_SHELL)) {
        create(s);
        return;
    }
    set_state(s, SHELL_INSPECTING);
    if (engine_call_start(
            &s->call, s->o.engine,
            &(struct engine_request){
                .path = path, .timeout_ms = CALL_MS, .done = on_inspected, .owner = s},
            &err) < 0)
        fail_call(s, &err);
}

void shell_start(const struct shell_options *o,
                 struct channel_set *set,
                 const struct msg_shell_session *start)
{
    struct shell *s = xcalloc(1, sizeof(*s));

    channel_init(&s->channel, set, start->session_id);
    s->o = *o;
    s->container = xstrdup(start->container_id);
    s->user = str_is_empty(start->user) ? NULL : xstrdup(start->user);
    s->has_tty = !start->is_plain;
    s->is_detached = start->is_detached;
    s->cols = start->cols;
    s->rows = start->rows;
    s->exit_code = -1;
    buf_init(&s->early, MAX_EARLY_INPUT);
    shell_output_init(&s->output, &s->channel, s->has_tty, start->window, SHELL_MAX_OUTPUT);
    exec_killer_make_mark(o->killer, s->mark);
    s->request = exec_request_write(start, s->is_detached ? NULL : s->mark);
    loop_timer_start(engine_loop(o->engine), &s->timer, 0, on_start);
}

void shell_free(struct shell *s)
{
    if (!s)
        return;
    if (may_run(s))
        kill_process(s);
    engine_call_cancel(TAKE_PTR(s->call));
    engine_call_cancel(TAKE_PTR(s->resize));
    hijack_cancel(TAKE_PTR(s->hijack));
    loop_timer_stop(&s->timer);
    buf_done(&s->early);
    shell_output_done(&s->output);
    channel_done(&s->channel);
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
        s->is_resize_due = true;
        send_size(s);
    } else if (str_eq(m->action, "ack")) {
        s->output.credit += m->bytes;
        pump(s);
    } else if (str_eq(m->action, "close")) {
        channel_notify(&s->channel, "closed", NULL);
        finish(s);
    }
}
