#include "base/container_id.h"
#include "server/common/audit_log.h"
#include "server/fleet/event_record.h"
#include "server/fleet/own_containers.h"
#include "server/fleet/scope_view.h"
#include "server/shell/internal.h"
#include "server/store/secret.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define WINDOW            ((int64_t)256 * 1024) /* of output, and of input */
#define ACK_STEP          ((size_t)32 * 1024)
#define LOW_QUEUE         ((size_t)64 * 1024) /* below it the client keeps up */
#define START_MS          20000
#define GATHER_MS         15
#define MAX_GATHERED      ((size_t)256 * 1024)
#define MAX_DEPTH         8
#define MAX_DESCRIPTION   ((size_t)4 << 20) /* a client sends up to 64 KiB, which JSON escapes */
#define AUDIT_COMMAND_MAX ((size_t)8 * 1024)
#define STREAM_STDOUT     1
#define STREAM_STDERR     2

static const struct state_row state_rows[] = {
    STATE_ROW(SHELL_ADMITTING,
              "admitting",
              STATE_TO(SHELL_AWAITING) | STATE_TO(SHELL_STARTING) | STATE_TO(SHELL_ENDED)),
    STATE_ROW(SHELL_AWAITING, "awaiting", STATE_TO(SHELL_STARTING) | STATE_TO(SHELL_ENDED)),
    STATE_ROW(SHELL_STARTING, "starting", STATE_TO(SHELL_OPEN) | STATE_TO(SHELL_ENDED)),
    STATE_ROW(SHELL_OPEN, "open", STATE_TO(SHELL_ENDED)),
    STATE_ROW(SHELL_ENDED, "ended", 0),
};
static const struct state_machine machine = STATE_MACHINE("shell", state_rows);

void shell_set_state(struct shell *s, enum shell_state state)
{
    state_check(&machine, s->id, s->state, state);
    loop_timer_stop(&s->timer);
    s->state = state;
}

struct shell *shell_new(struct shells *ss)
{
    struct shell *s = xcalloc(1, sizeof(*s));

    s->owner = ss;
    random_uuid(s->id);
    s->gathered = BUF_INIT(MAX_GATHERED);
    return s;
}

void shell_free(struct shell *s)
{
    loop_timer_stop(&s->timer);
    loop_timer_stop(&s->gather_timer);
    buf_done(&s->gathered);
    free(s->host_ref);
    free(s->container_ref);
    free(s->agent_id);
    free(s->host_id);
    free(s->host_name);
    free(s->container_name);
    free(s->outcome);
    free(s->copy);
    free(s->path);
    free(s);
}

/* --- audit and events ------------------------------------------------------------------------- */

static const char *name_kind(const struct shell *s)
{
    return s->copy ? "copy" : "shell";
}

/* Until the target is found, the row names it as the client did. */
static void audit(const struct shell *s, const char *what, const char *result)
{
    const char *host = s->host_name ? s->host_name : s->host_ref;
    const char *container = s->container_name ? s->container_name : s->container_ref;
    const struct audit_entry entry = {
        .at_ms = time_utc_ms(),
        .who = xstrdup(s->socket.who.name),
        .peer = xstrdup(ws_peer_address(s->socket.ws)),
        .action = xasprintf("%s_%s", name_kind(s), what),
        .target = xasprintf("%.*s/%.*s", STR_CUT(host, 255), STR_CUT(container, 255)),
        .result = xstrdup(result),
    };

    audit_add(s->owner->o.store, s->owner->o.store_jobs, &entry);
}

/* The audit log, which is for admins, has the details; the event, which viewers see, and the log
 * do not: command lines hold passwords, and errors of the engine quote them. */
static void record(const struct shell *s, const char *what, const char *result, const char *details)
{
    const struct shells_options *o = &s->owner->o;
    struct event event;

    log_info(LOG_FIELDS(name_kind(s), s->id, "who", s->socket.who.name, "host", s->host_name,
                        "container", s->container_name),
             "%s %s", name_kind(s), result);
    if (str_eq(s->copy, "stat")) /* the client asks before each copy what the path is */
        return;
    audit(s, what, details ? details : result);
    event = (struct event){
        .at_ms = time_utc_ms(),
        .category = xstrdup("container"),
        .type = xasprintf("%s_%s", name_kind(s), what),
        .severity = xstrdup("info"),
        .host_id = xstrdup(s->host_id),
        .host_name = xstrdup(s->host_name),
        .container_id = xstrndup(s->container_id, CONTAINER_SHORT_ID_LEN),
        .container_name = xstrdup(s->container_name),
        .title = xasprintf("A %s in %s was %sed", name_kind(s), s->container_name, what),
        .message = xasprintf("%s %s", name_kind(s), result),
        .triggered_by = xstrdup(s->socket.who.name),
        .correlation_id = xstrdup(s->id),
    };
    record_event(o->fleet, o->store, o->store_jobs, &event);
}

static int send_to_agent(const struct shell *s, const char *action, json_t *fields)
{
    json_t *message = msg_shell_session_encode(s->id, action, fields);
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    json_decref(message);
    return sessions_send(s->owner->o.sessions, s->agent_id, text, size);
}

static void set_outcome(struct shell *s, const char *text)
{
    free(s->outcome);
    s->outcome = xstrdup(text);
}

void shell_end(struct shell *s, unsigned code, const char *reason)
{
    bool is_started = s->state == SHELL_STARTING || s->state == SHELL_OPEN;
    _cleanup_free_ char *result = NULL;

    loop_timer_stop(&s->gather_timer);

    if (reason && code == WS_CLOSE_INTERNAL) {
        log_warn(LOG_FIELDS("host", s->host_ref, "agent", s->agent_id, "container",
                            s->container_ref, "shell", s->id, "who", s->socket.who.name),
                 "%s failed: %s", name_kind(s),
                 s->is_failed ? "the agent reports an error" : reason);
    }
    if (reason && !s->outcome)
        set_outcome(s, reason);
    shell_set_state(s, SHELL_ENDED);
    if (!is_started)
        return;
    (void)map_remove(&s->owner->by_id, s->id);
    if (send_to_agent(s, "close", NULL) < 0) {
        log_debug(
            LOG_FIELDS("shell", s->id),
            "could not close the shell: the agent is not connected, and ends the process itself");
    }
    result = s->is_failed ? xstrdup("ended with an error")
             : s->outcome ? xasprintf("ended: %s", s->outcome)
                          : xstrdup("ended: the client left");
    record(s, "end", result, s->outcome);
}

void shell_close(struct shell *s, unsigned code, const char *reason)
{
    ws_client_close(&s->socket, code, reason);
}

void shell_refuse(struct shell *s, unsigned code, const char *why)
{
    log_warn(LOG_FIELDS("who", s->socket.who.name, "peer", ws_peer_address(s->socket.ws), "host",
                        s->host_ref, "container", s->container_ref),
             "%s refused: %s", name_kind(s), why);
    audit(s, "start", why);
    shell_close(s, code, why);
}

/* --- the start -------------------------------------------------------------------------------- */

static void on_start_timeout(struct loop_timer *t)
{
    shell_close(CONTAINER_OF(t, struct shell, timer), WS_CLOSE_INTERNAL,
                "The agent did not answer in time");
}

/*
 * Finds the container that the client asked for, on a host that is connected and within its scope.
 * Returns why that is not possible, or NULL.
 */
static const char *find_target(struct shell *s, const struct fleet_host **ret)
{
    struct fleet_host *h = NULL;
    struct fleet_container *c;

    if (scope_find_host(&s->socket.who.scope, s->owner->o.fleet, s->host_ref, &h) < 0)
        return error_code_sentence(CODE_NO_SUCH_HOST);
    if (!h->agent.id)
        return error_code_sentence(CODE_NO_AGENT);
    if (!h->is_online)
        return error_code_sentence(CODE_HOST_OFFLINE);
    if (!str_is_container_ref(s->container_ref) ||
        fleet_find_container(h, s->container_ref, &c) < 0 ||
        !scope_allows_container(&s->socket.who.scope, h, c))
        return error_code_sentence(CODE_NO_SUCH_CONTAINER);
    if (own_containers_has(h, &(struct own_subject){c->id, c->name, c->labels})) {
        return s->copy ? "DockMon's own containers cannot be copied from or to"
                       : "DockMon's own containers cannot be entered";
    }
    s->agent_id = xstrdup(h->agent.id);
    s->host_id = xstrdup(h->row.id);
    s->host_name = xstrdup(h->row.name);
    s->container_name = xstrdup(c->name);
    str_copy(s->container_id, sizeof(s->container_id), c->id);
    s->is_named = !str_starts_with(c->id, s->container_ref) &&
                  scope_allows_whole_host(&s->socket.who.scope, h);
    *ret = h;
    return NULL;
}

/* Passes on the known members of the client's start message; the agent checks their values. */
static json_t *start_fields(const struct shell *s, const json_t *asked)
{
    static const char *const known[] = {"cmd",     "tty",  "env",  "user",
                                        "workdir", "cols", "rows", "detach"};
    json_t *fields = json_object();

    json_text_set(fields, "container_id",
                  json_text_str(s->is_named ? s->container_ref : s->container_id));
    if (s->copy) {
        json_text_set(fields, "copy", json_text_str(s->copy));
        json_text_set(fields, "path", json_text_str(s->path));
        json_text_set(fields, "keep_owner", json_boolean(s->keeps_owner));
    }

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        json_t *value = json_object_get(asked, known[i]);

        if (value && s->has_window)
            (void)json_object_set(fields, known[i], value);
    }
    if (s->has_window)
        (void)json_object_set_new(fields, "window", json_integer(WINDOW));
    return fields;
}

/* Appends a member of the start message as JSON. */
static void append_member(struct buf *out, const json_t *asked, const char *name, const char *label)
{
    const json_t *value = json_object_get(asked, name);
    _cleanup_free_ char *text = NULL;

    if (!value || json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
        return;
    text = json_text_write(value, NULL);
    (void)buf_printf(out, ", %s %s", label, text); /* the messages of clients are short */
}

/*
 * Describes what is run, for the audit log: the command first, up to AUDIT_COMMAND_MAX bytes, then
 * its size and hash, so that a command that is cut can still be recognised.
 */
static char *describe(const struct shell *s, const json_t *asked)
{
    _cleanup_(buf_done) struct buf out = BUF_INIT(MAX_DESCRIPTION);
    char hash[SECRET_HASH_SIZE];
    const char *text;

    if (s->copy)
        return xasprintf("ok, %s %s", s->copy, s->path);
    if (!s->has_window)
        return xstrdup("ok");
    append_member(&out, asked, "cmd", "command");
    append_member(&out, asked, "user", "user");
    append_member(&out, asked, "workdir", "workdir");
    append_member(&out, asked, "env", "env");
    append_member(&out, asked, "detach", "detach");
    text = buf_str(&out);
    if (str_is_empty(text))
        return xstrdup("ok");
    secret_hash(text, hash);
    return xasprintf("ok%.*s%s (%zu bytes, sha256 %s)", STR_CUT(text, AUDIT_COMMAND_MAX),
                     strlen(text) > AUDIT_COMMAND_MAX ? "..." : "", strlen(text), hash);
}

bool shell_knows_copy(const struct shell *s)
{
    static const char *const actions[] = {"stat", "out", "in"};
    size_t size = s->path ? strlen(s->path) : 0;

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (str_eq(s->copy, actions[i])) {
            return size > 0 && size <= SHELL_MAX_PATH && s->path[0] == '/' &&
                   str_is_utf8(s->path, size);
        }
    }
    return false;
}

/* Whether the command is only a shell on a terminal, which is what Go agents open without words. */
static bool is_plain_shell(const json_t *asked)
{
    static const char *const shells[] = {"sh", "bash", "ash", "dash"};
    static const char *const others[] = {"user", "workdir"};
    const json_t *cmd = json_object_get(asked, "cmd");
    const char *word = json_string_value(json_array_get(cmd, 0)), *slash;

    if (!word || json_array_size(cmd) != 1 || json_is_false(json_object_get(asked, "tty")) ||
        json_is_true(json_object_get(asked, "detach")) ||
        json_array_size(json_object_get(asked, "env")) > 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (!str_is_empty(json_text_get(asked, others[i])))
            return false;
    }
    slash = strrchr(word, '/');
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (str_eq(slash ? slash + 1 : word, shells[i]))
            return true;
    }
    return false;
}

/* Returns why the agent cannot do what is asked, to be freed, or NULL. */
static char *find_inability(const struct shell *s, const json_t *asked, const struct fleet_host *h)
{
    if (s->copy && !fleet_host_can(h, COPY_CAPABILITY))
        return xasprintf("The agent of %.*s is too old for cp", STR_CUT(h->row.name, 80));
    if (s->copy)
        return NULL;
    if (!fleet_host_can(h, operation_spec(OPERATION_SHELL)->capability))
        return xstrdup("The agent of this host offers no shells");
    if (asked && !fleet_host_can(h, "exec_command") && !is_plain_shell(asked)) {
        return xstrdup("The agent of this host can only open shells (no command, or sh), not run "
                       "commands");
    }
    if (json_is_true(json_object_get(asked, "detach")) &&
        !fleet_host_can(h, EXEC_DETACH_CAPABILITY))
        return xstrdup("The agent of this host is too old to leave a command running");
    return NULL;
}

void shell_start(struct shell *s, const json_t *asked)
{
    const struct fleet_host *h = NULL;
    const char *fault = find_target(s, &h);
    _cleanup_free_ char *what = NULL, *inability = NULL;

    assert(fault || h);
    if (!fault)
        inability = find_inability(s, asked, h);
    if (fault || inability) {
        shell_refuse(s, WS_CLOSE_POLICY, fault ? fault : inability);
        return;
    }
    s->has_window = s->copy || fleet_host_can(h, "exec_command");
    s->is_plain = json_is_false(json_object_get(asked, "tty"));
    shell_set_state(s, SHELL_STARTING);
    (void)map_put(&s->owner->by_id, s->id, s); /* a random id replaces nothing */
    what = describe(s, asked);
    record(s, "start", "started", what);
    loop_timer_start(s->owner->o.loop, &s->timer, START_MS, on_start_timeout);
    if (send_to_agent(s, "start", start_fields(s, asked)) < 0)
        shell_close(s, WS_CLOSE_POLICY, error_code_sentence(CODE_HOST_OFFLINE));
}

/* --- from the client -------------------------------------------------------------------------- */

static void send_input(struct shell *s, const char *data, size_t size)
{
    int r = 0;

    while (size > 0 && r == 0) {
        size_t n = size < SHELL_MAX_INPUT ? size : SHELL_MAX_INPUT;
        _cleanup_free_ char *text = base64_encode(data, n);

        r = send_to_agent(s, "data", json_pack("{s:o}", "data", json_text_str(text)));
        data += n;
        size -= n;
        s->n_unread += s->has_window ? n : 0;
    }
    if (r < 0) {
        shell_close(s, WS_CLOSE_TRY_AGAIN, "The agent does not take the input");
    } else if (s->n_unread >= (size_t)WINDOW) {
        ws_pause(s->socket.ws, true);
    }
}

static void flush_input(struct shell *s)
{
    struct buf input = s->gathered;

    loop_timer_stop(&s->gather_timer);
    s->gathered = BUF_INIT(MAX_GATHERED);
    if (input.size > 0)
        send_input(s, input.data, input.size);
    buf_done(&input);
}

static void on_gathered(struct loop_timer *t)
{
    flush_input(CONTAINER_OF(t, struct shell, gather_timer));
}

/* Agents without windows handle messages at the same time: what is typed goes together. */
static void take_input(struct shell *s, const char *data, size_t size)
{
    if (s->has_window) {
        send_input(s, data, size);
        return;
    }
    if (buf_append(&s->gathered, data, size) < 0) {
        flush_input(s);
        send_input(s, data, size);
        return;
    }
    if (!loop_timer_is_running(&s->gather_timer))
        loop_timer_start(s->owner->o.loop, &s->gather_timer, GATHER_MS, on_gathered);
}

static void on_text(struct shell *s, const json_t *message)
{
    const char *type = json_text_get(message, "type");
    bool is_started = s->state == SHELL_STARTING || s->state == SHELL_OPEN;

    if (str_eq(type, "start") && s->state == SHELL_AWAITING) {
        shell_start(s, message);
    } else if (str_eq(type, "resize") && is_started) {
        (void)send_to_agent(s, "resize",
                            json_pack("{s:I, s:I}", "cols",
                                      json_integer_value(json_object_get(message, "cols")), "rows",
                                      json_integer_value(json_object_get(message, "rows"))));
    } else if (str_eq(type, "eof") && is_started && s->has_window) {
        (void)send_to_agent(s, "eof", NULL);
    }
}

void shell_on_client(struct shell *s, const char *data, size_t size, bool is_binary)
{
    json_auto_t *message = NULL;

    if (s->state == SHELL_ENDED)
        return;
    if (is_binary && (s->state == SHELL_STARTING || s->state == SHELL_OPEN)) {
        take_input(s, data, size);
        return;
    }
    message = is_binary ? NULL : json_text_parse(data, size, MAX_DEPTH, NULL);
    if (json_is_object(message)) {
        on_text(s, message);
    } else {
        shell_close(s, WS_CLOSE_UNSUPPORTED, "Expected input as binary, or a JSON object as text");
    }
}

static void ack(struct shell *s, size_t least)
{
    if (!s->has_window || s->n_unacked < least || s->state == SHELL_ENDED)
        return;
    if (send_to_agent(s, "ack", json_pack("{s:I}", "bytes", (json_int_t)s->n_unacked)) == 0)
        s->n_unacked = 0;
}

void shell_on_drain(struct shell *s)
{
    ack(s, ACK_STEP);
}

/* --- from the agent --------------------------------------------------------------------------- */

/* A client of a copy waits for this, and "stat" gets its answer here. */
static void on_started(struct shell *s, const struct msg_shell_data *m)
{
    json_auto_t *message = json_pack("{s:s}", "type", "started");
    _cleanup_free_ char *text = NULL;
    size_t size;

    if (m->stat)
        json_text_set(message, "stat", json_text_str(m->stat));
    text = json_text_write(message, &size);
    if (ws_send_text(s->socket.ws, text, size) < 0)
        shell_close(s, WS_CLOSE_TRY_AGAIN, "The client reads too slowly");
}

static void on_output(struct shell *s, const struct msg_shell_data *m)
{
    size_t size = m->data ? strlen(m->data) : 0, n = 0;
    _cleanup_free_ unsigned char *frame = xmalloc(BASE64_DECODED_MAX(size) + 1);
    size_t head = s->is_plain ? 1 : 0;

    frame[0] = str_eq(m->stream, "stderr") ? STREAM_STDERR : STREAM_STDOUT;
    if (base64_decode(m->data ? m->data : "", size, frame + head, &n) < 0) {
        shell_close(s, WS_CLOSE_INTERNAL, "The agent sent output that cannot be read");
        return;
    }
    if (ws_send_binary(s->socket.ws, frame, n + head) < 0) {
        shell_close(s, WS_CLOSE_TRY_AGAIN, "The client reads too slowly");
        return;
    }
    s->n_unacked += n;
    if (ws_queued(s->socket.ws) < LOW_QUEUE)
        ack(s, ACK_STEP);
}

static void on_closed(struct shell *s, const struct msg_shell_data *m)
{
    char text[64];
    _cleanup_free_ char *outcome = NULL;

    if (m->exit_code >= 0) {
        json_auto_t *message = json_pack("{s:s, s:I}", "type", "exit", "code",
                                         (json_int_t)m->exit_code);
        size_t size = json_dumpb(message, text, sizeof(text), JSON_COMPACT);

        if (ws_send_text(s->socket.ws, text, size) < 0)
            log_debug(LOG_FIELDS("shell", s->id), "could not send the exit code to the client");
        outcome = xasprintf("exit code %lld", (long long)m->exit_code);
    }
    set_outcome(s, outcome ? outcome : "closed");
    shell_close(s, WS_CLOSE_NORMAL, "");
}

static void on_error(struct shell *s, const struct msg_shell_data *m)
{
    const char *why = str_is_empty(m->error) ? "The agent reports an error" : m->error;

    set_outcome(s, why);
    s->is_failed = true;
    shell_close(s, WS_CLOSE_INTERNAL, why);
}

static void on_ack(struct shell *s, const struct msg_shell_data *m)
{
    size_t n = (size_t)m->bytes;

    s->n_unread -= n < s->n_unread ? n : s->n_unread;
    if (s->n_unread < (size_t)WINDOW / 2)
        ws_pause(s->socket.ws, false);
}

void shell_on_agent(struct shell *s, const struct msg_shell_data *m)
{
    if (s->state == SHELL_ENDED)
        return;
    if (s->state == SHELL_STARTING) /* by any message: Go agents may send data before "started" */
        shell_set_state(s, SHELL_OPEN);
    if (str_eq(m->action, "started") && s->copy) {
        on_started(s, m);
    } else if (str_eq(m->action, "data")) {
        on_output(s, m);
    } else if (str_eq(m->action, "closed")) {
        on_closed(s, m);
    } else if (str_eq(m->action, "error")) {
        on_error(s, m);
    } else if (str_eq(m->action, "ack")) {
        on_ack(s, m);
    }
}
