/*
 * logs: without -f one request for each container, all side by side, whose lines are merged by
 * time. With -f the server merges them, see logs_follow.h.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/query.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/containers/logs_follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TAIL 10000

struct logs_options {
    const char *tail, *since, *until;
    bool timestamps, follow, follow_restarts, details;
};

#define AT(m) offsetof(struct logs_options, m)

static const struct flag flags[] = {
    {"follow",          'f', FLAG_BOOL,   AT(follow),          NULL,
     "keep printing new lines until the containers exit"                                                },
    {"follow-restarts", 0,   FLAG_BOOL,   AT(follow_restarts), NULL,
     "the same, and wait for the next start of containers that exit"                                    },
    {"tail",            'n', FLAG_STRING, AT(tail),            "N",
     "show the last N lines, or \"all\" (the default, at most 10000)"                                   },
    {"since",           0,   FLAG_STRING, AT(since),           "TIME",
     "show lines since 2026-01-31T12:00:00Z, or of the last 10m"                                        },
    {"until",           0,   FLAG_STRING, AT(until),           "TIME", "show lines before this time"    },
    {"timestamps",      't', FLAG_BOOL,   AT(timestamps),      NULL,   "print the time before each line"},
    {"details",         0,   FLAG_BOOL,   AT(details),         NULL,
     "print labels and variables that the log driver stores before each line"                           },
};

static bool is_following(const struct logs_options *o)
{
    return o->follow || o->follow_restarts;
}

static int read_tail(const struct logs_options *o, uint64_t *ret, struct error *err)
{
    int r = 0;

    *ret = MAX_TAIL;
    if (o->tail && !str_eq(o->tail, "all"))
        r = args_read_number("tail", o->tail, 0, UINT32_MAX, ret, err);
    if (*ret > MAX_TAIL)
        *ret = MAX_TAIL;
    return r;
}

/* To be freed. */
static char *make_query(const struct logs_options *o, uint64_t tail, struct error *err)
{
    struct buf query = BUF_INIT(1024);
    int r;

    r = buf_printf(&query, "/logs?tail=%ju%s", (uintmax_t)tail, o->details ? "&details=true" : "");
    if (r == 0)
        r = query_add_time(&query, "since", "since", o->since, err);
    if (r == 0)
        r = query_add_time(&query, "until", "until", o->until, err);
    if (r < 0)
        buf_done(&query);
    return r < 0 ? NULL : buf_take(&query);
}

/* A container whose log is shown. */
struct source {
    const json_t *container;
    const char *prefix;
    struct client_request request;
};

/* A line of an answer, to be sorted. Borrowed from the answer. */
struct line {
    const struct source *source;
    const json_t *line;
    const char *timestamp;
    size_t place; /* keeps the order of lines with the same time */
};

struct view {
    struct source *sources;
    size_t n;
    const struct logs_options *options;
    const char *query;
    struct line *lines;
    size_t n_lines, capacity;
};

void logs_print(FILE *to, const struct logs_text *t)
{
    const char *text = t->text;
    size_t size = t->size;
    _cleanup_free_ char *escaped = NULL;

    output_raw_to(to, t->prefix, strlen(t->prefix));
    if (!str_is_empty(t->timestamp)) { /* some agents send no times */
        escaped = text_escape_str(t->timestamp);
        output_raw_to(to, escaped, strlen(escaped));
        output_raw_to(to, " ", 1);
        free(TAKE_PTR(escaped));
    }
    if (isatty(fileno(to))) { /* elsewhere the bytes are kept as they are */
        size -= size > 0 &&
                text[size - 1] == '\r'; /* a container with a TTY ends lines with \r\n */
        escaped = text_escape_log(text, size, output_has_colours());
        output_raw_to(to, escaped, strlen(escaped));
    } else {
        output_raw_to(to, text, size);
    }
}

FILE *logs_file_of(const json_t *line)
{
    return str_eq(member_text(line, "stream"), "stderr") ? stderr : stdout;
}

static void print_line(const struct view *v, const struct line *l)
{
    const json_t *log = json_object_get(l->line, "log");
    FILE *to = logs_file_of(l->line);

    logs_print(to, &(struct logs_text){
                       .prefix = l->source->prefix,
                       .timestamp = v->options->timestamps ? l->timestamp : NULL,
                       .text = json_is_string(log) ? json_string_value(log) : "",
                       .size = json_string_length(log),
                   });
    output_raw_to(to, "\n", 1);
}

static void add_line(struct view *v, const struct source *source, const json_t *line)
{
    if (v->n_lines == v->capacity) {
        v->capacity = v->capacity ? v->capacity * 2 : 64;
        v->lines = xrealloc(v->lines, v->capacity, sizeof(*v->lines));
    }
    v->lines[v->n_lines] = (struct line){source, line, member_text(line, "timestamp"), v->n_lines};
    v->n_lines++;
}

static void collect_lines(struct view *v, const struct source *s)
{
    const json_t *lines = json_object_get(s->request.json, "logs");

    for (size_t i = 0; i < json_array_size(lines); i++)
        add_line(v, s, json_array_get(lines, i));
    if (member_is_true(s->request.json, "truncated")) {
        output_note(
            "(only the end of the log of %s is shown, because it is too long; choose a part "
            "with --since and --until)",
            member_text(s->container, "name"));
    }
}

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->timestamp, y->timestamp);

    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Fetches all logs side by side and prints them in the order of time. Returns the exit code. */
static int print_merged(struct view *v, struct client *c)
{
    _cleanup_free_ struct client_request *requests = xcalloc(v->n, sizeof(*requests));
    int exit_code = 0;

    for (size_t i = 0; i < v->n; i++) {
        requests[i] = (struct client_request){
            .method = "GET", .path = container_path(v->sources[i].container, v->query)};
    }
    client_run(c, requests, v->n);
    for (size_t i = 0; i < v->n; i++) {
        struct source *s = &v->sources[i];

        s->request = requests[i];
        if (s->request.code == 0) {
            collect_lines(v, s);
        } else {
            exit_code = output_failure(v->n > 1 ? member_text(s->container, "name") : NULL,
                                       s->request.error);
        }
    }
    if (v->n_lines)
        qsort(v->lines, v->n_lines, sizeof(*v->lines), compare_lines);
    for (size_t i = 0; i < v->n_lines; i++)
        print_line(v, &v->lines[i]);
    for (size_t i = 0; i < v->n; i++)
        client_request_done(&v->sources[i].request);
    free(v->lines);
    return exit_code;
}

/*
 * "prod-1/web | ", padded to the longest, each in its own colour on a terminal; "" for one
 * container. The array and its strings are to be freed.
 */
static char **make_prefixes(const json_t *const *containers, size_t n)
{
    static const int colours[] = {36, 33, 32, 35, 34, 31};
    char **prefixes = xcalloc(n, sizeof(*prefixes));
    size_t width = 0;

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *name = text_escape_str(member_text(containers[i], "name"));
        _cleanup_free_ char *host = text_escape_str(member_text(containers[i], "host_name"));

        prefixes[i] = n == 1 ? xstrdup("") : xasprintf("%s/%s", host, name);
        if (text_width(prefixes[i]) > width)
            width = text_width(prefixes[i]);
    }
    for (size_t i = 0; i < n && n > 1; i++) {
        _cleanup_free_ char *name = prefixes[i];
        int pad = (int)(width - text_width(name));

        prefixes[i] = output_has_colours()
                          ? xasprintf("\x1b[%dm%s%*s |\x1b[0m ", colours[i % ARRAY_LEN(colours)],
                                      name, pad, "")
                          : xasprintf("%s%*s | ", name, pad, "");
    }
    return prefixes;
}

/* The command line after checks. */
struct request {
    const struct logs_options *options;
    uint64_t tail;
    char *query, *since;
};

static int show_containers(struct client *c,
                           const struct request *q,
                           const json_t *const *containers,
                           size_t n)
{
    char **prefixes = make_prefixes(containers, n);
    struct view v = {.n = n, .options = q->options, .query = q->query};
    int exit_code;

    if (is_following(q->options)) {
        exit_code = logs_follow(&(struct logs_follow){
            .client = c,
            .containers = containers,
            .prefixes = prefixes,
            .n = n,
            .tail = q->options->tail && !str_eq(q->options->tail, "all") ? (int64_t)q->tail : -1,
            .since = q->since,
            .timestamps = q->options->timestamps,
            .has_details = q->options->details,
            .until_exit = !q->options->follow_restarts,
        });
    } else {
        v.sources = xcalloc(n, sizeof(*v.sources));
        for (size_t i = 0; i < n; i++)
            v.sources[i] = (struct source){.container = containers[i], .prefix = prefixes[i]};
        exit_code = print_merged(&v, c);
        free(v.sources);
    }
    for (size_t i = 0; i < n; i++)
        free(prefixes[i]);
    free(prefixes);
    return exit_code;
}

/* Finds the containers; one that does not exist is named, and the others are shown. */
static int find_and_show(const struct request *q, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    _cleanup_free_ const json_t **containers = xcalloc(words->n, sizeof(const json_t *));
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;
    int exit_code = 0, shown = 0;
    size_t n = 0;

    if (!c)
        return 1;
    if (containers_fetch(c, &list, &err) < 0)
        return output_failure(NULL, err.msg);
    for (size_t i = 0; i < words->n; i++) {
        if (containers_find(c, list, words->items[i], &containers[n], &err) < 0) {
            exit_code = output_failure(NULL, err.msg);
        } else {
            n++;
        }
    }
    if (n > 0)
        shown = show_containers(c, q, containers, n);
    return shown ? shown : exit_code;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct logs_options *o = options;
    struct request q = {.options = o};
    struct error err = ERROR_INIT;
    int r, exit_code;

    (void)verb;
    r = read_tail(o, &q.tail, &err);
    exit_code = r < 0 ? EXIT_USAGE : 1;
    if (r == 0 && is_following(o) && o->until)
        r = error_set(&err, -EINVAL, MSG_EXCLUSIVE, "follow", "until");
    if (r == 0 && o->since && text_parse_time(o->since, time_utc_ms(), &q.since, &err) < 0)
        r = error_wrap(&err, -EINVAL, "--since");
    if (r == 0) {
        q.query = make_query(o, q.tail, &err);
        r = q.query ? 0 : -EINVAL;
    }
    if (r < 0) {
        output_error("%s", err.msg);
    } else {
        exit_code = find_and_show(&q, words);
    }
    free(q.query);
    free(q.since);
    return exit_code;
}

const struct verb verb_logs = {
    .name = "logs",
    .operation = OPERATION_GET_LOGS,
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Show the logs of containers, merged by time",
    .examples = "  dockmon logs -n 50 web\n  dockmon logs -t --since 10m prod-1/web\n"
                "  dockmon logs -f -n 0 web db worker\n",
    VERB_FLAGS(flags),
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .options_size = sizeof(struct logs_options),
    .run = run,
};
