#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/containers.h"
#include "cli/output.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "net/loop.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TAIL  10000
#define FOLLOW_MS 1000

struct logs_options {
    const char *tail, *since, *until;
    bool timestamps, follow;
};

#define AT(m) offsetof(struct logs_options, m)

static const struct flag flags[] = {
    {"follow",     'f', FLAG_BOOL,   AT(follow),     NULL,   "go on with what comes, looking once a second"},
    {"tail",       'n', FLAG_STRING, AT(tail),       "N",
     "show the last N lines, or \"all\" (the default, at most 10000)"                                      },
    {"since",      0,   FLAG_STRING, AT(since),      "TIME",
     "show lines after 2026-01-31T12:00:00Z, or 10m ago"                                                   },
    {"until",      0,   FLAG_STRING, AT(until),      "TIME", "show lines before that time"                 },
    {"timestamps", 't', FLAG_BOOL,   AT(timestamps), NULL,   "put the time before each line"               },
};

static int add_time(struct buf *path, const char *name, const char *value, struct error *err)
{
    _cleanup_free_ char *text = NULL, *encoded = NULL;

    if (!value)
        return 0;
    if (text_parse_time(value, time_utc_ms(), &text, err) < 0)
        return error_wrap(err, -1, "--%s", name);
    encoded = text_url_encode(text);
    return buf_printf(path, "&%s=%s", name, encoded);
}

static int read_tail(const struct logs_options *o, uint64_t *ret, struct error *err)
{
    *ret = MAX_TAIL;
    if (o->tail && !str_eq(o->tail, "all") && parse_u64(o->tail, UINT32_MAX, ret) < 0)
        return error_set(err, -1, "--tail: \"%s\" is no number of lines", o->tail);
    if (*ret > MAX_TAIL)
        *ret = MAX_TAIL;
    return 0;
}

/* To be freed. */
static char *make_first(const struct logs_options *o, uint64_t tail, struct error *err)
{
    struct buf query = BUF_INIT(1024);
    int r;

    r = buf_printf(&query, "/logs?tail=%ju", (uintmax_t)tail);
    if (r == 0)
        r = add_time(&query, "since", o->since, err);
    if (r == 0)
        r = add_time(&query, "until", o->until, err);
    if (r < 0)
        buf_done(&query);
    return r < 0 ? NULL : buf_take(&query);
}

/* One container whose log is shown. */
struct source {
    const json_t *container;
    char *prefix;   /* "" when there is one only */
    char *answered; /* timestamp of the newest line shown, NULL before the first */
    size_t n_same;  /* how many lines with that very timestamp were shown */
    bool is_gone, is_away;
    struct client_request request;
};

/* A line of an answer, on its way into the merged order. */
struct line {
    const struct source *source;
    const json_t *line;
    const char *timestamp;
    size_t place; /* lines of one moment keep their order */
};

struct view {
    struct source *sources;
    size_t n;
    const struct logs_options *options;
    const char *first,
        *later;              /* queries of the first round, and of others before there is a line */
    bool is_first, is_quiet; /* quiet: the first round only finds out where the log ends */
    struct line *lines;
    size_t n_lines, capacity;
    bool is_terminal;
};

/* On a terminal nothing of a stranger's log may move the cursor; elsewhere the bytes count. */
static void print_line(const struct view *v, const struct line *l)
{
    const json_t *log = json_object_get(l->line, "log");
    const char *text = json_is_string(log) ? json_string_value(log) : "";
    size_t size = json_string_length(log);
    _cleanup_free_ char *escaped = NULL;

    output_raw(l->source->prefix, strlen(l->source->prefix));
    if (v->options->timestamps) {
        escaped = text_escape_str(l->timestamp);
        output_raw(escaped, strlen(escaped));
        output_raw(" ", 1);
        free(TAKE_PTR(escaped));
    }
    if (v->is_terminal) {
        size -= size > 0 && text[size - 1] == '\r'; /* containers with a TTY end lines so */
        escaped = text_escape_log(text, size, output_has_colours());
        output_raw(escaped, strlen(escaped));
    } else {
        output_raw(text, size);
    }
    output_raw("\n", 1);
}

static void add_line(struct view *v, const struct source *source, const json_t *line)
{
    if (v->n_lines == v->capacity) {
        v->capacity = v->capacity ? v->capacity * 2 : 64;
        v->lines = xrealloc(v->lines, v->capacity, sizeof(*v->lines));
    }
    v->lines[v->n_lines] = (struct line){source, line, container_text(line, "timestamp"),
                                         v->n_lines};
    v->n_lines++;
}

/*
 * The server's "since" has milliseconds and is inclusive, so lines come again: those before the newest one
 * shown, and as many of its own moment as were shown.
 */
static void collect(struct view *v, struct source *s)
{
    const json_t *lines = json_object_get(s->request.json, "logs");
    _cleanup_free_ char *newest = s->answered ? xstrdup(s->answered) : NULL;
    size_t n_skip = s->n_same;

    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const char *at = container_text(line, "timestamp");
        int order = newest ? strcmp(at, newest) : 1;

        if (order < 0 || (order == 0 && n_skip > 0)) {
            n_skip -= order == 0;
            continue;
        }
        if (!v->is_first || !v->is_quiet)
            add_line(v, s, line);
        if (str_eq(s->answered, at)) {
            s->n_same++;
        } else {
            free(s->answered);
            s->answered = xstrdup(at);
            s->n_same = 1;
        }
    }
    if (json_is_true(json_object_get(s->request.json, "truncated"))) {
        output_note("(the log of %s is longer: only its last part is shown; narrow it with --since "
                    "and --until)",
                    container_text(s->container, "name"));
    }
}

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->timestamp, y->timestamp);

    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Says what is wrong, once. A host may come back, a container that is gone does not. */
static void report(struct source *s, bool is_following)
{
    const struct client_request *r = &s->request;
    bool is_passing = is_following && (r->status == 0 || r->status == 503 || r->status == 504);

    s->is_gone = !is_passing;
    if (is_passing && s->is_away)
        return;
    s->is_away = true;
    if (is_following) {
        output_note("(%s: %s)", container_text(s->container, "name"), r->error);
    } else {
        output_error("%s", r->error);
    }
}

static char *make_query(const struct view *v, const struct source *s)
{
    _cleanup_free_ char *since = NULL;

    if (!s->answered)
        return xstrdup(v->is_first ? v->first : v->later);
    since = text_url_encode(s->answered);
    return xasprintf("/logs?tail=%d&since=%s", MAX_TAIL, since);
}

/* Asks for all logs side by side and shows what is new, in the order of time. False: none is left. */
static bool show_round(struct view *v, struct client *c)
{
    _cleanup_free_ struct client_request *requests = xcalloc(v->n, sizeof(*requests));
    size_t n = 0, n_failed = 0;

    for (size_t i = 0; i < v->n; i++) {
        _cleanup_free_ char *query = make_query(v, &v->sources[i]);

        if (!v->sources[i].is_gone) {
            requests[n++] = (struct client_request){
                .method = "GET", .path = container_path(v->sources[i].container, query)};
        }
    }
    client_run(c, requests, n);
    n = 0;
    v->n_lines = 0;
    for (size_t i = 0; i < v->n; i++) {
        struct source *s = &v->sources[i];

        if (s->is_gone)
            continue;
        s->request = requests[n++];
        if (s->request.code == 0) {
            s->is_away = false;
            collect(v, s);
        } else {
            report(s, v->options->follow);
            n_failed += s->is_gone;
        }
    }
    if (v->n_lines)
        qsort(v->lines, v->n_lines, sizeof(*v->lines), compare_lines);
    for (size_t i = 0; i < v->n_lines; i++)
        print_line(v, &v->lines[i]);
    for (size_t i = 0; i < v->n; i++)
        client_request_done(&v->sources[i].request);
    return n > n_failed;
}

static void on_pause_over(struct loop_timer *t)
{
    loop_stop(t->loop);
}

static int show(struct view *v, struct client *c)
{
    struct loop_timer timer = {0};
    bool is_more;

    v->is_first = true;
    is_more = show_round(v, c);
    v->is_first = false;
    while (is_more && v->options->follow && output_flush()) {
        loop_timer_start(client_loop(c), &timer, FOLLOW_MS, on_pause_over);
        loop_run(client_loop(c));
        is_more = show_round(v, c);
    }
    for (size_t i = 0; i < v->n; i++) {
        if (v->sources[i].is_gone && !v->options->follow)
            return 1;
    }
    return 0;
}

/* "web      | ", as wide as the widest, in a colour of its own on a terminal. */
static void make_prefixes(struct view *v)
{
    static const int colours[] = {36, 33, 32, 35, 34, 31};
    size_t width = 0;

    for (size_t i = 0; i < v->n; i++) {
        _cleanup_free_ char *name = text_escape_str(
            container_text(v->sources[i].container, "name"));
        _cleanup_free_ char *host = text_escape_str(
            container_text(v->sources[i].container, "host_name"));

        v->sources[i].prefix = v->n == 1 ? xstrdup("") : xasprintf("%s/%s", host, name);
        if (text_width(v->sources[i].prefix) > width)
            width = text_width(v->sources[i].prefix);
    }
    for (size_t i = 0; i < v->n && v->n > 1; i++) {
        _cleanup_free_ char *name = v->sources[i].prefix;
        int pad = (int)(width - text_width(name));

        v->sources[i].prefix = output_has_colours()
                                   ? xasprintf("\x1b[%dm%s%*s |\x1b[0m ",
                                               colours[i % ARRAY_LEN(colours)], name, pad, "")
                                   : xasprintf("%s%*s | ", name, pad, "");
    }
}

static int show_containers(struct view *v, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;
    int r, exit_code = 1;

    if (!c)
        return 1;
    v->n = words->n;
    v->sources = xcalloc(v->n, sizeof(*v->sources));
    r = containers_fetch(c, &list, &err);
    for (size_t i = 0; i < v->n && r == 0; i++)
        r = containers_resolve(list, words->items[i], &v->sources[i].container, &err);
    if (r < 0) {
        output_error("%s", err.msg);
    } else {
        make_prefixes(v);
        exit_code = show(v, c);
    }
    for (size_t i = 0; i < v->n; i++) {
        free(v->sources[i].prefix);
        free(v->sources[i].answered);
    }
    free(v->sources);
    free(v->lines);
    return exit_code;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct logs_options *o = options;
    struct view v = {.options = o, .is_terminal = output_is_terminal()};
    _cleanup_free_ char *first = NULL, *later = NULL;
    struct error err = ERROR_INIT;
    uint64_t tail;
    int r;

    (void)verb;
    r = read_tail(o, &tail, &err);
    if (r == 0 && o->follow && o->until)
        r = error_set(&err, -1, "--until makes no sense with --follow");
    if (r == 0) {
        v.is_quiet = o->follow && tail == 0;
        first = make_first(o, v.is_quiet ? 1 : tail, &err);
        later = first ? make_first(o, MAX_TAIL, &err) : NULL;
    }
    if (!later) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    v.first = first;
    v.later = later;
    return show_containers(&v, words);
}

const struct verb verb_logs = {
    .name = "logs",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Show the logs of containers, merged by time",
    .examples = "  dockmon logs -n 50 web\n  dockmon logs -t --since 10m prod-1/web\n"
                "  dockmon logs -f -n 0 web db worker\n",
    .flags = flags,
    .n_flags = ARRAY_LEN(flags),
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .options_size = sizeof(struct logs_options),
    .run = run,
};
