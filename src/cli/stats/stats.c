/*
 * stats: the live resource usage of containers or hosts. stats_state.h is the model, stats_table.h
 * the table; this file connects, subscribes, draws and reads keys.
 *
 * The WebSocket is the server's feed (/ws). First the lists of hosts and containers are subscribed
 * to; when they are complete, the metrics of the rows that are shown, which makes their agents
 * sample every second. Every tick adjusts these subscriptions to the rows and draws:
 *
 *   - on a terminal a screen that is redrawn in place, sorted by keys, until q is pressed;
 *   - else a block of text or a line of JSON every second, until a signal arrives or stdout is
 *     closed;
 *   - with --no-stream one block, then the program ends.
 *
 * The first block waits, at most WAIT_MS, until every row has a sample that is newer than the
 * subscription: older samples may be from before anybody watched.
 *
 * A connection that was open once is dialled again with backoff, except with --no-stream. The model
 * then starts again, because the feed does not report what was removed meanwhile. An error that
 * ends the program is kept in `failure` and printed after the terminal is restored.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/terminal.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/hosts/hosts.h"
#include "cli/stats/stats_state.h"
#include "net/backoff.h"
#include "net/ws.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define MAX_MESSAGE  ((size_t)8 << 20)
#define MAX_QUEUE    ((size_t)1 << 20)
#define MAX_SCREEN   (SIZE_MAX / 2)
#define TICK_MS      1000
#define WAIT_MS      3000 /* for a first sample that is newer than the subscription */
#define RETRY_MS     1000
#define MAX_RETRY_MS 10000
#define TOPICS_EACH  500 /* in one request, which keeps it below 64 KiB */
#define EXIT_SIGINT  130 /* 128 plus the signal, as in a shell */
#define KEY_INT      3
#define MAX_NAMED    1000
#define HEAD_LINES   2 /* of the screen: the status line and an empty one */

struct stats_options {
    const char *format;
    bool all, no_stream, json, hosts, reverse;
    const char *sort;
    struct args_list filters;
};

#define AT(m) offsetof(struct stats_options, m)

static const struct flag flags[] = {
    {"all",       'a', FLAG_BOOL,   AT(all),       NULL,     "also show stopped containers"    },
    PS_FILTER_FLAG(stats_options, filters),
    {"hosts",     0,   FLAG_BOOL,   AT(hosts),     NULL,     "show hosts instead of containers"},
    {"no-stream", 0,   FLAG_BOOL,   AT(no_stream), NULL,     "print once and exit"             },
    {"reverse",   'r', FLAG_BOOL,   AT(reverse),   NULL,     "reverse the order"               },
    {"sort",      's', FLAG_STRING, AT(sort),      "COLUMN",
     "cpu (default), mem, mem%, net, block, pids, name or host; of hosts cpu, mem, net, containers, host "
     "or status"                                                                               },
    {"json",      0,   FLAG_BOOL,   AT(json),      NULL,
     "print a JSON array every second, one per line; with --no-stream only one"                },
    FORMAT_FLAG(AT(format)),
};

struct stats {
    const struct stats_options *o;
    struct format format;
    struct client *client;
    struct loop *loop;
    struct ws *ws;
    struct stats_wanted wanted;
    struct stats_state state;
    const struct stats_view *view;
    const struct stats_column *by;
    bool is_reversed;
    json_t *topics; /* subscribed to */
    /* time of the first subscription to metrics, by the server's clock; 0: none */
    int64_t asked_ms;
    uint64_t wait_until_ms;
    bool is_open;  /* the connection */
    bool is_shown; /* the first block was printed */
    bool has_screen;
    struct terminal terminal;
    struct loop_io keys;
    struct loop_timer tick, retry;
    struct backoff backoff;
    const char *trouble; /* state of a lost connection, for the status line; NULL: connected */
    char *failure;       /* the final error, printed after the terminal is restored; owned */
    int exit_code;
};

/* --- output ----------------------------------------------------------------------------------- */

static void quit(struct stats *s, int exit_code)
{
    s->exit_code = exit_code;
    loop_stop(s->loop);
}

static void fail(struct stats *s, char *why /* takes ownership */)
{
    free(s->failure);
    s->failure = why;
    quit(s, 1);
}

/*
 * Draws the lines of `text` that fit, from the top left, without clearing first, which would
 * flicker.
 */
static void draw(const struct buf *text, int rows)
{
    struct buf out = BUF_INIT(MAX_SCREEN);
    const char *p = buf_str(text);
    int r = buf_append_str(&out, "\x1b[H");

    for (int line = 0; r == 0 && *p && line < rows; line++) {
        size_t size = strcspn(p, "\n");
        bool is_header = line == HEAD_LINES && output_has_colours();

        r = buf_printf(&out, "%s%s%.*s\x1b[K%s", line > 0 ? "\r\n" : "", is_header ? "\x1b[7m" : "",
                       (int)size, p, is_header ? "\x1b[0m" : "");
        p += size + (p[size] == '\n');
    }
    if (r == 0)
        r = buf_append_str(&out, "\x1b[J");
    if (r == 0)
        output_raw(buf_str(&out), out.size);
    buf_done(&out);
}

/* The status line, an empty line, and as many rows as fit. */
static void show_screen(const struct stats *s, const struct stats_row *rows, size_t n)
{
    struct buf text = BUF_INIT(MAX_SCREEN);
    _cleanup_free_ char *head = NULL, *cut = NULL;
    int columns = 80, lines = 24;

    (void)terminal_size(&columns, &lines);
    head = xasprintf(
        "%zu %s%s by %s%s%s%s; keys: q quit, r reverse, c m i b p n h sort by a column", n,
        s->wanted.hosts ? "host" : "container", n == 1 ? "" : "s", s->by->name,
        s->is_reversed ? ", reversed" : "", s->trouble ? "; NOT CONNECTED: " : "",
        s->trouble ? s->trouble : "");
    cut = text_cut(head, (size_t)columns);
    n = n < (size_t)lines ? n : (size_t)lines;
    if (buf_printf(&text, "%s\n\n", cut) == 0)
        stats_print(s->view, s->by, rows, n, (size_t)columns, &text);
    draw(&text, lines);
    buf_done(&text);
}

static void show_json(const struct stats *s, const struct stats_row *rows, size_t n)
{
    json_auto_t *list = json_array();
    _cleanup_free_ char *text = NULL;

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, stats_json(&rows[i]));
    if (s->o->no_stream) {
        output_json(list);
        return;
    }
    text = json_dumps(list, JSON_COMPACT | JSON_ENSURE_ASCII);
    output_raw(text ? text : "[]", text ? strlen(text) : 2);
    output_raw("\n", 1);
}

static void show_format(struct stats *s, const struct stats_row *rows, size_t n)
{
    json_auto_t *list = json_array();
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, stats_describe(&rows[i]));
    if (format_print(&s->format, list, stats_fields, &err) < 0)
        fail(s, xstrdup(err.msg));
}

static void show_block(const struct stats *s, const struct stats_row *rows, size_t n)
{
    struct buf text = BUF_INIT(MAX_SCREEN);

    if (s->is_shown)
        output_raw("\n", 1);
    stats_print(s->view, s->by, rows, n, 0, &text);
    output_raw(buf_str(&text), text.size);
    buf_done(&text);
}

static void show(struct stats *s)
{
    json_auto_t *list = NULL;
    _cleanup_free_ struct stats_row *rows = NULL;
    size_t n;

    rows = stats_state_rows(&s->state, time_monotonic_ms(), &list, &n);
    stats_sort(rows, n, s->by, s->is_reversed);
    if (s->has_screen) {
        show_screen(s, rows, n);
    } else if (s->o->json) {
        show_json(s, rows, n);
    } else if (s->format.kind != FORMAT_NONE) {
        show_format(s, rows, n);
    } else {
        show_block(s, rows, n);
    }
    s->is_shown = true;
    if (!output_flush() || (s->o->no_stream && !s->failure))
        quit(s, 0);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static void send_topics(const struct stats *s,
                        const char *type,
                        json_t *topics /* takes ownership */)
{
    json_auto_t *m = json_pack("{s:s, s:o}", "type", type, "topics", topics);
    _cleanup_free_ char *text = json_dumps(m, JSON_COMPACT);

    if (text && ws_send_text(s->ws, text, strlen(text)) < 0)
        output_note(MSG_SUBSCRIPTION_LOST); /* the connection is closing */
}

/* Sends the topics that are in `to` but not in `from`. */
static void send_difference(const struct stats *s, const char *type, json_t *to, const json_t *from)
{
    json_t *list = json_array();
    const char *key;
    json_t *v;

    json_object_foreach(to, key, v)
    {
        if (json_object_get(from, key))
            continue;
        (void)json_array_append_new(list, json_string(key));
        if (json_array_size(list) == TOPICS_EACH) {
            send_topics(s, type, list);
            list = json_array();
        }
    }
    if (json_array_size(list) > 0) {
        send_topics(s, type, list);
    } else {
        json_decref(list);
    }
}

/* Subscribes to the metrics of the rows that are shown, and unsubscribes from the others. */
static void subscribe(struct stats *s)
{
    json_auto_t *list = NULL;
    _cleanup_free_ struct stats_row *rows = NULL;
    json_t *topics;
    size_t n;

    if (!s->is_open || !s->state.told_ms)
        return;
    rows = stats_state_rows(&s->state, time_monotonic_ms(), &list, &n);
    topics = stats_state_topics(&s->state, rows, n);
    send_difference(s, "unsubscribe", s->topics, topics);
    send_difference(s, "subscribe", topics, s->topics);
    json_decref(s->topics);
    s->topics = topics;
    if (!s->asked_ms) {
        s->asked_ms = s->state.told_ms;
        s->wait_until_ms = time_monotonic_ms() + WAIT_MS;
    }
}

/* The first block waits for a sample of each row that is newer than the subscription. */
static bool is_ready(const struct stats *s)
{
    json_auto_t *list = NULL;
    _cleanup_free_ struct stats_row *rows = NULL;
    size_t n;

    if (s->is_shown || (s->asked_ms && time_monotonic_ms() >= s->wait_until_ms))
        return true;
    if (!s->asked_ms)
        return false;
    rows = stats_state_rows(&s->state, time_monotonic_ms(), &list, &n);
    for (size_t i = 0; i < n; i++) {
        if (!stats_state_is_fresh(&s->state, &rows[i], s->asked_ms))
            return false;
    }
    return true;
}

static void on_tick(struct loop_timer *t)
{
    struct stats *s = CONTAINER_OF(t, struct stats, tick);

    loop_timer_start(s->loop, t, TICK_MS, on_tick);
    subscribe(s);
    if (s->has_screen || is_ready(s))
        show(s);
}

/* --- the connection --------------------------------------------------------------------------- */

/*
 * The last part of the first state starts the ticks and the subscriptions; after that, the first
 * block is printed as soon as its samples have arrived.
 */
static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct stats *s = owner;
    json_auto_t *message = is_binary ? NULL : json_loadb(data, size, JSON_ALLOW_NUL, NULL);
    bool is_all = member_is_true(message, "last");

    if (str_eq(member_text(message, "type"), "error")) {
        fail(s, xstrdup(member_text(message, "message")));
        return;
    }
    stats_state_take(&s->state, message, time_monotonic_ms());
    if (!s->asked_ms && is_all) {
        loop_timer_start(s->loop, &s->tick, s->has_screen ? 0 : TICK_MS, on_tick);
        subscribe(s);
    } else if (!s->is_shown && !s->has_screen && is_ready(s)) {
        show(s);
        loop_timer_start(s->loop, &s->tick, TICK_MS, on_tick);
    }
}

/* Also after a reconnect: begins with an empty model and no subscriptions. */
static void on_open(void *owner)
{
    struct stats *s = owner;
    json_t *topics = json_array();

    s->is_open = true;
    s->trouble = NULL;
    backoff_reset(&s->backoff);
    stats_state_done(&s->state); /* the feed does not report what was removed meanwhile */
    stats_state_init(&s->state, &s->wanted);
    (void)json_object_clear(s->topics);
    (void)json_array_append_new(topics, json_string("hosts"));
    if (!s->wanted.hosts)
        (void)json_array_append_new(topics, json_string("containers"));
    send_topics(s, "subscribe", topics);
}

static void dial(struct stats *s);

static void on_retry(struct loop_timer *t)
{
    dial(CONTAINER_OF(t, struct stats, retry));
}

/* Dials again, except after a refusal, if the first attempt failed, or with --no-stream. */
static void on_close(void *owner, const struct ws_close *why)
{
    struct stats *s = owner;
    const char *text = why->reason[0] ? why->reason : MSG_CONNECTION_LOST;
    bool was_open = s->is_open || s->trouble;

    s->ws = NULL;
    s->is_open = false;
    if (why->code == WS_CLOSE_POLICY || !was_open || s->o->no_stream) {
        fail(s, client_explain_close(s->client, why));
        return;
    }
    if (!s->trouble && !s->has_screen)
        output_note(MSG_TRYING_AGAIN, text);
    s->trouble = "trying again";
    loop_timer_start(s->loop, &s->retry, backoff_next(&s->backoff), on_retry);
}

static void dial(struct stats *s)
{
    static const struct ws_handler handler = {
        .on_open = on_open, .on_message = on_message, .on_close = on_close};
    const struct ws_dial d = {
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
        .handler = &handler,
        .owner = s,
    };
    struct error err = ERROR_INIT;

    if (client_dial(s->client, "/ws?subscribe=true", &d, &s->ws, &err) < 0)
        fail(s, xstrdup(err.msg));
}

/* --- the terminal ----------------------------------------------------------------------------- */

static void on_key(struct stats *s, char key)
{
    const struct stats_column *by = stats_column_of_key(s->view, key);

    if (key == 'q' || key == KEY_INT) {
        quit(s, key == KEY_INT ? EXIT_SIGINT : 0);
    } else if (key == 'r') {
        s->is_reversed = !s->is_reversed;
    } else if (by) {
        s->by = by;
    }
}

static void on_keys(struct loop_io *io, uint32_t events)
{
    struct stats *s = CONTAINER_OF(io, struct stats, keys);
    char room[64];
    ssize_t n = read(STDIN_FILENO, room, sizeof(room));

    (void)events;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        quit(s, 0);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        on_key(s, room[i]);
    show(s);
}

/* Uses the terminal's alternate screen, so that the old contents come back at the end. */
static void open_screen(struct stats *s)
{
    if (s->o->json || s->format.kind != FORMAT_NONE || s->o->no_stream || !output_is_terminal() ||
        !isatty(STDIN_FILENO) || str_eq(secure_getenv("TERM"), "dumb") ||
        terminal_make_raw(&s->terminal) < 0)
        return;
    s->has_screen = true;
    output_raw("\x1b[?1049h\x1b[?25l", strlen("\x1b[?1049h\x1b[?25l"));
    if (loop_io_start(s->loop, &s->keys, STDIN_FILENO, EPOLLIN, on_keys) < 0)
        output_note("(keys do not work: stop with a signal)");
}

static void close_screen(struct stats *s)
{
    loop_io_stop(&s->keys);
    terminal_restore(&s->terminal);
    if (s->has_screen)
        output_raw("\x1b[?25h\x1b[?1049l", strlen("\x1b[?25h\x1b[?1049l"));
    (void)output_flush();
}

static void on_signal(void *owner, int number)
{
    struct stats *s = owner;

    if (number != SIGWINCH) {
        quit(s, number == SIGINT ? EXIT_SIGINT : 0);
    } else if (s->has_screen) {
        show(s);
    }
}

/* --- the command line ------------------------------------------------------------------------- */

static int read_options(struct stats *s, struct error *err)
{
    const struct stats_options *o = s->o;
    const char *sort = o->sort ? o->sort : "cpu";

    s->wanted.hosts = o->hosts;
    s->wanted.selection.all = o->all;
    s->view = o->hosts ? &stats_of_hosts : &stats_of_containers;
    s->is_reversed = o->reverse;
    s->by = stats_column_find(s->view, sort);
    if (!s->by) {
        return error_set(err, -EINVAL, "--sort: \"%s\" is not a column; see `dockmon stats --help`",
                         sort);
    }
    if (o->hosts && (o->filters.n > 0 || o->all))
        return error_set(err, -EINVAL, "--filter and --all choose containers; leave out --hosts");
    return 0;
}

static void release_options(struct stats *s)
{
    ps_selection_done(&s->wanted.selection);
    format_done(&s->format);
}

/* Resolves the words before connecting, so that a wrong name is an error at once. */
static int find_named(struct stats *s,
                      const struct args_list *words,
                      json_t **ret,
                      struct error *err)
{
    json_auto_t *list = NULL;
    json_auto_t *named = json_array();
    const json_t *one;
    int r = 0;

    if (words->n == 0)
        return 0;
    if (s->wanted.hosts) {
        r = hosts_choose(s->client, words, HOSTS_ALL_ONLINE, ret, err);
    } else {
        s->wanted.selection.all = true; /* named containers are shown in any state */
        r = containers_fetch(s->client, &list, err);
        for (size_t i = 0; r == 0 && i < words->n; i++) {
            r = containers_find(s->client, list, words->items[i], &one, err);
            if (r == -ENOENT) {
                return error_set(err, r,
                                 MSG_NOT_FOUND "; --hosts shows hosts, and --filter host=NAME "
                                               "shows the containers of one",
                                 "container", words->items[i]);
            }
            if (r == 0)
                (void)json_array_append(named, (json_t *)(uintptr_t)one);
        }
        *ret = json_incref(named);
    }
    s->wanted.named = *ret;
    return r;
}

static int watch(struct stats *s)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    int r;

    s->loop = client_loop(s->client);
    r = loop_on_signals(s->loop, signals, ARRAY_LEN(signals), on_signal, s);
    if (r < 0) {
        output_error(MSG_CANNOT_WATCH, error_text(r));
        return 1;
    }
    s->topics = json_object();
    stats_state_init(&s->state, &s->wanted);
    backoff_init(&s->backoff, RETRY_MS, MAX_RETRY_MS);
    open_screen(s);
    dial(s);
    if (s->ws)
        loop_run(s->loop);
    close_screen(s);
    if (s->failure)
        output_error("%s", s->failure);
    free(TAKE_PTR(s->failure));
    loop_timer_stop(&s->tick);
    loop_timer_stop(&s->retry);
    ws_free(TAKE_PTR(s->ws));
    stats_state_done(&s->state);
    json_decref(s->topics);
    return s->exit_code;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_(release_options) struct stats s = {.o = options};
    struct error err = ERROR_INIT;
    json_auto_t *named = NULL;

    (void)verb;
    if (read_options(&s, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    if (format_parse(s.o->format, &s.format, &err) < 0 ||
        ps_filters_parse(&s.o->filters, &s.wanted.selection.filters, &err) < 0)
        return output_failure(NULL, err.msg);
    c = client_open_configured();
    if (!c)
        return 1;
    s.client = c;
    if (ps_filters_resolve(&s.wanted.selection.filters, c, NULL, &err) < 0 ||
        find_named(&s, words, &named, &err) < 0)
        return output_failure(NULL, err.msg);
    return watch(&s);
}

const struct verb verb_stats = {
    .name = "stats",
    .usage = "[OPTIONS] [CONTAINER...]",
    .summary = "Show the resource usage of containers, live",
    .examples =
        "  dockmon stats\n"
        "  dockmon stats prod-1/web prod-2/db\n"
        "  dockmon stats --filter host=prod-1 --sort mem\n"
        "  dockmon stats --no-stream --json | jq '.[].stats.cpu_percent'\n"
        "  dockmon stats --hosts\n"
        "  # keys: q quits, r reverses the order, c m i b p n h sort by CPU, memory, network,\n"
        "  # block I/O, processes, name, host\n",
    VERB_FLAGS(flags),
    .words = WORDS_RUNNING,
    .max_words = MAX_NAMED,
    .options_size = sizeof(struct stats_options),
    .run = run,
};
