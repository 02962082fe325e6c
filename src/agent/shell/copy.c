#include "agent/shell/copy.h"
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

#define MAX_INPUT  ((size_t)1 << 20)   /* waiting for the engine to read it */
#define INPUT_ACK  ((size_t)32 * 1024) /* input that was read is acknowledged in such steps */
#define CALL_MS    15000
#define SILENCE_MS 300000 /* of the engine, which may sync much to its disk */
#define RETRY_MS   20
#define STAT_FIELD "X-Docker-Container-Path-Stat"
#define TAR_TYPE   "application/x-tar"

enum copy_state {
    COPY_NEW,
    COPY_INSPECTING,
    COPY_RUNNING,
    COPY_FLUSHING,
    COPY_DONE,
};

enum copy_kind { COPY_STAT, COPY_OUT, COPY_IN, N_COPY_KINDS };

static const struct {
    const char *name, *method;
} kinds[] = {
    [COPY_STAT] = {"stat", "HEAD"},
    [COPY_OUT] = {"out",  "GET" },
    [COPY_IN] = {"in",   "PUT" },
};

struct copy {
    struct channel channel;
    struct copy_options o;
    enum copy_state state;
    enum copy_kind kind;
    char *container; /* as asked for, then the full id */
    char *path;
    bool keeps_owner;
    struct engine_call *call;   /* of INSPECTING and RUNNING */
    struct loop_timer timer;    /* the start, and sending again */
    struct shell_output output; /* of OUT */
    struct buf early;           /* of IN: what came before there was a request */
    bool is_eof;                /* the client has ended the input */
    size_t n_input;             /* not acknowledged yet */
};

static const struct state_row state_rows[] = {
    STATE_ROW(
        COPY_NEW, "new", STATE_TO(COPY_INSPECTING) | STATE_TO(COPY_RUNNING) | STATE_TO(COPY_DONE)),
    STATE_ROW(COPY_INSPECTING, "inspecting", STATE_TO(COPY_RUNNING) | STATE_TO(COPY_DONE)),
    STATE_ROW(COPY_RUNNING, "running", STATE_TO(COPY_FLUSHING) | STATE_TO(COPY_DONE)),
    STATE_ROW(COPY_FLUSHING, "flushing", STATE_TO(COPY_DONE)),
    STATE_ROW(COPY_DONE, "done", 0),
};
static const struct state_machine machine = STATE_MACHINE("copy", state_rows);

static void set_state(struct copy *c, enum copy_state state)
{
    state_check(&machine, c->channel.id, c->state, state);
    c->state = state;
}

struct copy *copy_of_channel(struct channel *c)
{
    return CONTAINER_OF(c, struct copy, channel);
}

static enum copy_kind find_kind(const char *name)
{
    int kind = 0;

    while (kind < N_COPY_KINDS && !str_eq(kinds[kind].name, name))
        kind++;
    return (enum copy_kind)kind;
}

bool copy_knows(const char *kind)
{
    return find_kind(kind) < N_COPY_KINDS;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Frees c; the last event was sent. */
static void finish(struct copy *c)
{
    log_info(LOG_FIELDS("copy", c->channel.id), "copy ended");
    set_state(c, COPY_DONE);
    copy_free(c);
}

/* Frees c. */
static void fail(struct copy *c, enum error_code code, const char *why)
{
    log_warn(LOG_FIELDS("copy", c->channel.id, "container", c->container), "copy failed: %s", why);
    channel_notify_error(&c->channel, NULL, code, why);
    finish(c);
}

/* Frees c. */
static void fail_call(struct copy *c, const struct error *err)
{
    const char *why = err->msg[0] ? err->msg : error_text(err->code);

    fail(c, engine_error_code(err->code, 0, why), why);
}

/* Frees c. */
static void fail_reply(struct copy *c, const struct engine_reply *reply)
{
    fail(c, engine_error_code(reply->code, reply->status, reply->message), reply->message);
}

/* --- out -------------------------------------------------------------------------------------- */

static void pump(struct copy *c);

static void on_retry(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct copy, timer));
}

/* Sends what may be sent; may free c. */
static void pump(struct copy *c)
{
    int r = shell_output_pump(&c->output);
    bool is_empty = shell_output_is_empty(&c->output);

    if (r < 0)
        loop_timer_start(engine_loop(c->o.engine), &c->timer, RETRY_MS, on_retry);
    if (c->call)
        engine_call_pause(c->call, !is_empty);
    if (c->state == COPY_FLUSHING && is_empty) {
        channel_notify(&c->channel, "closed", NULL);
        finish(c);
    }
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct copy *c = owner;

    if (shell_output_feed(&c->output, data, size) < 0) {
        fail(c, CODE_ENGINE_ERROR, "docker engine sent more than it was asked for");
        return;
    }
    pump(c);
}

static void on_open(void *owner)
{
    struct copy *c = owner;

    channel_notify(&c->channel, "started", NULL);
}

/* --- in --------------------------------------------------------------------------------------- */

static void ack_input(struct copy *c)
{
    if (!c->call || engine_call_queued(c->call) > 0 || c->n_input < INPUT_ACK)
        return;
    if (channel_send(&c->channel, "ack", json_pack("{s:I}", "bytes", (json_int_t)c->n_input)) == 0)
        c->n_input = 0;
}

static void on_drain(void *owner)
{
    ack_input(owner);
}

/* The engine has begun to answer when a piece is refused: that answer ends the copy. */
static void take_input(struct copy *c, const char *text)
{
    size_t size = text ? strlen(text) : 0, n = 0;
    _cleanup_free_ unsigned char *data = xmalloc(BASE64_DECODED_MAX(size) + 1);
    int r;

    if (base64_decode(text ? text : "", size, data, &n) < 0) {
        fail(c, CODE_INVALID_ARGUMENT, "the input is not base64");
        return;
    }
    if (c->is_eof || c->kind != COPY_IN || n == 0)
        return;
    c->n_input += n;
    if (c->state == COPY_RUNNING) {
        r = engine_call_write(c->call, data, n);
    } else {
        r = buf_append(&c->early, data, n);
    }
    if (r < 0 && r != -ENOTCONN) {
        fail(c, CODE_TOO_LARGE, "the engine does not read its input");
    } else {
        ack_input(c);
    }
}

static void take_eof(struct copy *c)
{
    if (c->is_eof || c->kind != COPY_IN)
        return;
    c->is_eof = true;
    if (c->state == COPY_RUNNING && engine_call_end_upload(c->call) < 0)
        log_debug(LOG_FIELDS("copy", c->channel.id), "the engine has answered before the end");
}

/* --- the start -------------------------------------------------------------------------------- */

static void on_reply(void *owner, const struct engine_reply *reply)
{
    struct copy *c = owner;

    c->call = NULL;
    if (reply->code < 0 && !(c->kind == COPY_STAT && reply->status == 404)) {
        fail_reply(c, reply);
        return;
    }
    if (c->kind == COPY_STAT) { /* "": there is no such path */
        channel_notify(
            &c->channel, "started",
            json_pack("{s:o}", "stat", json_text_str(reply->wanted ? reply->wanted : "")));
    }
    set_state(c, COPY_FLUSHING);
    pump(c);
}

static int begin_input(struct copy *c)
{
    int r = c->early.size > 0 ? engine_call_write(c->call, c->early.data, c->early.size) : 0;

    buf_done(&c->early);
    return r == 0 && c->is_eof ? engine_call_end_upload(c->call) : r;
}

static int send_request(struct copy *c, struct error *err)
{
    _cleanup_free_ char *query = engine_query_escape(c->path);
    _cleanup_free_ char *path = xasprintf("/containers/%s/archive?path=%s%s", c->container, query,
                                          c->kind != COPY_IN ? ""
                                          : c->keeps_owner
                                              ? "&noOverwriteDirNonDir=true&copyUIDGID=true"
                                              : "&noOverwriteDirNonDir=true");
    struct engine_request request = {.method = kinds[c->kind].method,
                                     .path = path,
                                     .timeout_ms = c->kind == COPY_STAT ? CALL_MS : SILENCE_MS,
                                     .done = on_reply,
                                     .owner = c};

    if (c->kind == COPY_OUT) {
        request.on_data = on_data;
        request.on_open = on_open;
    } else if (c->kind == COPY_STAT) {
        request.wanted = STAT_FIELD;
    } else {
        request.max_upload = MAX_INPUT;
        request.content_type = TAR_TYPE;
        request.on_drain = on_drain;
    }
    return engine_call_start(&c->call, c->o.engine, &request, err);
}

/* May free c. */
static void run(struct copy *c)
{
    _cleanup_free_ char *why = guard_refuse_container(c->o.guard, c->container, OPERATION_COPY);
    _cleanup_free_ char *own = guard_refuse_own(c->o.guard, c->container, OPERATION_COPY);
    struct error err = ERROR_INIT;
    int r;

    set_state(c, COPY_RUNNING);
    if (why || own) {
        fail(c, why ? CODE_POLICY_DENIED : CODE_OWN_CONTAINER, why ? why : own);
        return;
    }
    r = send_request(c, &err);
    if (r == 0 && c->kind == COPY_IN) {
        r = begin_input(c);
        if (r < 0)
            error_set(&err, r, "the input that came early does not fit its queue");
        channel_notify(&c->channel, "started", NULL);
    }
    if (r < 0) {
        fail_call(c, &err);
    } else {
        ack_input(c);
    }
}

static void on_inspected(void *owner, const struct engine_reply *reply)
{
    struct copy *c = owner;
    struct error err = ERROR_INIT;
    char id[CONTAINER_ID_SIZE];

    c->call = NULL;
    if (reply->code < 0) {
        fail_reply(c, reply);
    } else if (guard_learn(c->o.guard, reply, id, &err) < 0) {
        fail_call(c, &err);
    } else {
        free(c->container);
        c->container = xstrdup(id);
        run(c);
    }
}

static void on_start(struct loop_timer *t)
{
    struct copy *c = CONTAINER_OF(t, struct copy, timer);
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", c->container);
    struct error err = ERROR_INIT;

    if (guard_knows(c->o.guard, c->container, OPERATION_COPY)) {
        run(c);
        return;
    }
    set_state(c, COPY_INSPECTING);
    if (engine_call_start(
            &c->call, c->o.engine,
            &(struct engine_request){
                .path = path, .timeout_ms = CALL_MS, .done = on_inspected, .owner = c},
            &err) < 0)
        fail_call(c, &err);
}

void copy_start(const struct copy_options *o,
                struct channel_set *set,
                const struct msg_shell_session *start)
{
    struct copy *c = xcalloc(1, sizeof(*c));

    channel_init(&c->channel, set, start->session_id);
    c->o = *o;
    c->kind = find_kind(start->copy);
    c->container = xstrdup(start->container_id);
    c->path = xstrdup(start->path);
    c->keeps_owner = start->keeps_owner;
    buf_init(&c->early, MAX_INPUT);
    shell_output_init(&c->output, &c->channel, true, start->window, SHELL_MAX_COPY);
    loop_timer_start(engine_loop(o->engine), &c->timer, 0, on_start);
}

void copy_free(struct copy *c)
{
    if (!c)
        return;
    engine_call_cancel(TAKE_PTR(c->call));
    loop_timer_stop(&c->timer);
    buf_done(&c->early);
    shell_output_done(&c->output);
    channel_done(&c->channel);
    free(c->container);
    free(c->path);
    free(c);
}

void copy_on_message(struct copy *c, const struct msg_shell_session *m)
{
    if (str_eq(m->action, "data")) {
        take_input(c, m->data);
    } else if (str_eq(m->action, "eof")) {
        take_eof(c);
    } else if (str_eq(m->action, "ack")) {
        c->output.credit += m->bytes;
        pump(c);
    } else if (str_eq(m->action, "close")) {
        channel_notify(&c->channel, "closed", NULL);
        finish(c);
    }
}

void copy_stop(struct copy *c)
{
    fail(c, CODE_AGENT_STOPPING, "the agent is stopping");
}
