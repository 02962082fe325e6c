/*
 * exec: runs a command in a container over the WebSocket /ws/shell/HOST/CONTAINER.
 *
 * When the connection is open, the start message says what to run (without one the agent starts a
 * shell), the terminal is set to raw mode, and standard input is read. Binary messages carry the
 * bytes in both directions. Text messages are JSON: "resize" and "eof" to the server, "exit" with
 * the exit code from it.
 *
 * Without a terminal the first byte of each binary message is the stream it belongs to. With one
 * there is only one stream.
 *
 * Back-pressure: reading pauses while more than HIGH_QUEUE bytes are unsent and resumes in
 * on_drain(). Output is written with blocking writes; while they wait, the windows of the
 * connection make the process in the container wait, too.
 *
 * The exit code is that of the command, 128 plus the number of a signal, 1 if the command could not
 * be started, or 125 if the connection ends without an exit code. The agent ends the command when
 * the connection is closed.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/terminal.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/containers/env_file.h"
#include "net/ws.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#define MAX_MESSAGE   ((size_t)1 << 20)
#define MAX_QUEUE     ((size_t)1 << 20)
#define HIGH_QUEUE    ((size_t)256 * 1024) /* of unsent input: reading pauses above this */
#define READ_SIZE     ((size_t)16 * 1024)
#define EXIT_TROUBLE  1   /* the command was not started; as with docker */
#define EXIT_LOST     125 /* it was, and how it ended is not known */
#define EXIT_SIGNAL   128
#define EXIT_MAX      255
#define STREAM_STDERR 2

struct exec_options {
    bool interactive, tty, detach;
    const char *user, *workdir;
    struct args_list env, env_files;
};

#define AT(m) offsetof(struct exec_options, m)

static const struct flag flags[] = {
    {"detach",      'd', FLAG_BOOL,   AT(detach),      NULL,         "leave the command running, without its output"},
    {"interactive", 'i', FLAG_BOOL,   AT(interactive), NULL,         "pass standard input to the command"           },
    {"tty",         't', FLAG_BOOL,   AT(tty),         NULL,         "give the command a terminal"                  },
    {"env",         'e', FLAG_LIST,   AT(env),         "NAME=VALUE", "set an environment variable"                  },
    {"env-file",    0,   FLAG_LIST,   AT(env_files),   "FILE",       "read environment variables from this file"    },
    {"user",        'u', FLAG_STRING, AT(user),        "NAME",       "run as this user (NAME or ID:GROUP)"          },
    {"workdir",     'w', FLAG_STRING, AT(workdir),     "DIR",        "run in this directory"                        },
};

struct run {
    const struct client *client;
    struct loop *loop;
    struct ws *ws;
    json_t *start; /* the first message: the command; NULL: the agent chooses a shell */
    bool has_tty, is_interactive;
    bool is_plain; /* without a terminal: the first byte of each message is the stream */
    bool is_open, is_paused;
    struct terminal terminal;
    struct loop_io input;
    struct loop_timer input_timer; /* for a file on standard input, which epoll cannot watch */
    bool has_exit_code;
    int exit_code;
};

static void send_json(const struct run *run, json_t *message)
{
    _cleanup_free_ char *text = json_dumps(message, JSON_COMPACT);

    json_decref(message);
    if (text && ws_send_text(run->ws, text, strlen(text)) == -ENOBUFS)
        output_note("(the connection is too slow: a change of the terminal's size was not sent)");
}

static void send_size(const struct run *run)
{
    int cols, rows;

    if (run->is_open && run->has_tty && terminal_size(&cols, &rows))
        send_json(run, json_pack("{s:s, s:i, s:i}", "type", "resize", "cols", cols, "rows", rows));
}

/* --- input ------------------------------------------------------------------------------------ */

static void stop_input(struct run *run)
{
    loop_io_stop(&run->input);
    loop_timer_stop(&run->input_timer);
}

static void on_input_timer(struct loop_timer *t);

/* Reads what is available; the loop calls again for more. */
static void read_input(struct run *run)
{
    char room[READ_SIZE];
    ssize_t n = read(STDIN_FILENO, room, sizeof(room));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        stop_input(run);
        send_json(run, json_pack("{s:s}", "type", "eof"));
        return;
    }
    if (ws_send_binary(run->ws, room, (size_t)n) < 0) {
        stop_input(run); /* the connection is closing */
        return;
    }
    run->is_paused = ws_queued(run->ws) > HIGH_QUEUE;
    if (run->is_paused && loop_io_set(&run->input, 0) < 0)
        loop_io_stop(&run->input); /* from now on by the timer */
}

static void on_input(struct loop_io *io, uint32_t events)
{
    (void)events;
    read_input(CONTAINER_OF(io, struct run, input));
}

/* For a file: reads in every turn of the loop, because epoll does not support files. */
static void on_input_timer(struct loop_timer *t)
{
    struct run *run = CONTAINER_OF(t, struct run, input_timer);

    loop_timer_start(run->loop, t, 0, on_input_timer);
    read_input(run);
    if (run->is_paused)
        loop_timer_stop(t);
}

/* A command without -i gets an empty standard input. */
static void start_input(struct run *run)
{
    if (!run->is_interactive && run->has_tty)
        return; /* the engine would end the output of the terminal with its input */
    if (!run->is_interactive) {
        send_json(run, json_pack("{s:s}", "type", "eof"));
    } else if (loop_io_start(run->loop, &run->input, STDIN_FILENO, EPOLLIN, on_input) < 0) {
        loop_timer_start(run->loop, &run->input_timer, 0, on_input_timer);
    }
}

/* The queue of unsent input is empty: resumes reading. */
static void on_drain(void *owner)
{
    struct run *run = owner;

    if (!run->is_paused)
        return;
    run->is_paused = false;
    if (run->input.loop && loop_io_set(&run->input, EPOLLIN) == 0)
        return;
    loop_io_stop(&run->input);
    loop_timer_start(run->loop, &run->input_timer, 0, on_input_timer);
}

/* --- output ----------------------------------------------------------------------------------- */

/* Ends like docker, which SIGPIPE kills; the agent then ends the command. */
static void on_write_failed(struct run *run, int code)
{
    if (code != -EPIPE)
        output_error("cannot write the output: %s", error_text(code));
    run->exit_code = code == -EPIPE ? EXIT_SIGNAL + SIGPIPE : EXIT_TROUBLE;
    run->has_exit_code = true;
    loop_stop(run->loop);
}

/* Without a terminal the first byte of the message selects stdout or stderr. */
static void on_output(struct run *run, const char *data, size_t size)
{
    bool has_head = run->is_plain && size > 0;
    bool is_stderr = has_head && data[0] == STREAM_STDERR;
    int r = output_write(is_stderr ? STDERR_FILENO : STDOUT_FILENO, data + has_head,
                         size - has_head);

    if (r < 0 && !is_stderr)
        on_write_failed(run, r);
}

/* The server passes on what the agent sent, unchecked. */
static int read_exit_code(const json_t *message)
{
    const json_t *code = json_object_get(message, "code");
    json_int_t v = json_integer_value(code);

    return json_is_integer(code) && v >= 0 && v <= EXIT_MAX ? (int)v : EXIT_LOST;
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct run *run = owner;
    json_auto_t *message = NULL;

    if (is_binary) {
        on_output(run, data, size);
        return;
    }
    message = json_loadb(data, size, 0, NULL);
    if (str_eq(json_string_value(json_object_get(message, "type")), "exit")) {
        run->has_exit_code = true;
        run->exit_code = read_exit_code(message);
    }
}

/* --- the connection --------------------------------------------------------------------------- */

static void on_open(void *owner)
{
    struct run *run = owner;

    run->is_open = true;
    if (run->start)
        send_json(run, json_incref(run->start));
    if (run->has_tty && run->is_interactive && terminal_make_raw(&run->terminal) < 0)
        output_note("(standard input is not a terminal)");
    send_size(run);
    start_input(run);
}

/* Whether the command was not started. The agent reports that as an internal error. */
static bool is_refusal(const struct run *run, unsigned code)
{
    return !run->is_open || code == WS_CLOSE_POLICY || code == WS_CLOSE_INTERNAL ||
           code == WS_CLOSE_FORBIDDEN;
}

/* A close without an exit code is an error, except after an orderly end of the session. */
static void on_close(void *owner, const struct ws_close *why)
{
    struct run *run = owner;

    run->ws = NULL;
    stop_input(run);
    terminal_restore(&run->terminal);
    if (!run->has_exit_code && (!run->is_open || why->code != WS_CLOSE_NORMAL)) {
        _cleanup_free_ char *explained = client_explain_close(run->client, why);

        output_error("%s", explained);
        run->exit_code = is_refusal(run, why->code) ? EXIT_TROUBLE : EXIT_LOST;
    }
    loop_stop(run->loop);
}

/* A signal ends the session with 128 plus its number; SIGWINCH only sends the new size. */
static void on_signal(void *owner, int number)
{
    struct run *run = owner;

    if (number == SIGWINCH) {
        send_size(run);
        return;
    }
    run->exit_code = EXIT_SIGNAL + number;
    run->has_exit_code = true;
    loop_stop(run->loop);
}

static const struct ws_handler handler = {
    .on_open = on_open,
    .on_message = on_message,
    .on_drain = on_drain,
    .on_close = on_close,
};

static int run_session(struct run *run, struct client *c, const char *path)
{
    static const int signals[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT};
    struct error err = ERROR_INIT;
    int r;

    run->client = c;
    run->loop = client_loop(c);
    r = loop_on_signals(run->loop, signals, ARRAY_LEN(signals), on_signal, run);
    if (r == 0) {
        r = client_dial(c, path,
                        &(struct ws_dial){
                            .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
                            .handler = &handler,
                            .owner = run
        },
                        &run->ws, &err);
    }
    if (r < 0) {
        output_error("%s", err.msg[0] ? err.msg : error_text(r));
        return EXIT_TROUBLE;
    }
    loop_run(run->loop);
    stop_input(run);
    terminal_restore(&run->terminal);
    ws_free(TAKE_PTR(run->ws));
    return run->exit_code;
}

/* --- the command line ------------------------------------------------------------------------- */

static json_t *make_list(const struct args_list *words, size_t from)
{
    json_t *list = json_array();

    for (size_t i = from; i < words->n; i++)
        (void)json_array_append_new(list, json_string(words->items[i]));
    return list;
}

/* JSON carries UTF-8 only: a word in another encoding would be missing from the command. */
static int check_words(const struct exec_options *o,
                       const struct args_list *words,
                       struct error *err)
{
    const struct args_list single = {
        (const char *[]){o->user, o->workdir},
          2
    };
    const struct args_list *const lists[] = {words, &o->env, &single};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t k = 0; k < lists[i]->n; k++) {
            const char *word = lists[i]->items[k];

            if (word && !str_is_utf8(word, strlen(word))) {
                _cleanup_free_ char *shown = text_escape_str(word);

                return error_set(err, -EINVAL, "\"%s\" is not UTF-8 and cannot be sent", shown);
            }
        }
    }
    return 0;
}

/* NULL for a plain shell, which needs no message and so works with every agent. */
static json_t *make_start(const struct exec_options *o, const struct args_list *words, bool has_tty)
{
    json_t *start;
    int cols, rows;

    if (has_tty && !o->detach && words->n == 1 && !o->user && !o->workdir && o->env.n == 0)
        return NULL;
    start = json_pack("{s:s, s:b, s:o, s:o}", "type", "start", "tty", (int)has_tty, "cmd",
                      make_list(words, 1), "env", make_list(&o->env, 0));
    if (o->detach)
        (void)json_object_set_new(start, "detach", json_true());
    if (o->user)
        (void)json_object_set_new(start, "user", json_string(o->user));
    if (o->workdir)
        (void)json_object_set_new(start, "workdir", json_string(o->workdir));
    if (has_tty && terminal_size(&cols, &rows)) {
        (void)json_object_set_new(start, "cols", json_integer(cols));
        (void)json_object_set_new(start, "rows", json_integer(rows));
    }
    return start;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    struct exec_options resolved = *(const struct exec_options *)options;
    const struct exec_options *o = &resolved;
    bool is_shell = words->n == 1 && !o->detach;
    struct run run = {
        .has_tty = !o->detach && (o->tty || (is_shell && isatty(STDIN_FILENO))),
        .is_interactive = !o->detach && (o->interactive || is_shell),
    };
    _cleanup_(env_list_done) struct env_list env = {0};
    _cleanup_free_ char *path = NULL, *host = NULL;
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;
    const json_t *container;
    int exit_code;

    (void)verb;
    if (!c)
        return EXIT_TROUBLE;
    if (o->detach && words->n == 1) {
        output_error("exec -d needs a command");
        return EXIT_TROUBLE;
    }
    if (o->tty && o->interactive && !o->detach && !isatty(STDIN_FILENO)) {
        output_error("standard input is not a terminal; leave out -t");
        return EXIT_TROUBLE;
    }
    if (env_list_read(&env, &resolved.env_files, &resolved.env, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_TROUBLE;
    }
    resolved.env = (struct args_list){(void *)env.items, env.n};
    if (check_words(o, words, &err) < 0 || containers_fetch(c, &list, &err) < 0 ||
        containers_find(c, list, words->items[0], &container, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_TROUBLE;
    }
    run.start = make_start(o, words, run.has_tty || (o->detach && o->tty));
    run.is_plain = !run.has_tty;
    host = text_url_encode(member_text(container, "host_id"));
    path = xasprintf("/ws/shell/%s/%s%s", host, member_full_id(container),
                     run.start ? "?exec=1" : "");
    exit_code = run_session(&run, c, path);
    json_decref(run.start);
    return exit_code;
}

const struct verb verb_exec = {
    .name = "exec",
    .operation = OPERATION_SHELL,
    .usage = "[OPTIONS] CONTAINER [COMMAND [ARG...]]",
    .summary = "Run a command or a shell in a container",
    .examples = "  dockmon exec web\n  dockmon exec -it prod-1/web bash\n"
                "  dockmon exec -i db psql -U app < dump.sql\n",
    VERB_FLAGS(flags),
    .words = WORDS_RUNNING,
    .min_words = 1,
    .is_command = true,
    .options_size = sizeof(struct exec_options),
    .run = run,
};
