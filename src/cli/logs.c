#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/containers.h"
#include "cli/output.h"
#include "cli/text.h"
#include "cli/verbs.h"

#include <string.h>

#define MAX_TAIL 10000

struct logs_options {
    const char *tail, *since, *until;
    bool timestamps;
};

#define AT(m) offsetof(struct logs_options, m)

static const struct flag flags[] = {
    {"tail",       'n', FLAG_STRING, AT(tail),       "N",
     "show the last N lines, or \"all\" (the default, at most 10000)"                       },
    {"since",      0,   FLAG_STRING, AT(since),      "TIME",
     "show lines after 2026-01-31T12:00:00Z, or 10m ago"                                    },
    {"until",      0,   FLAG_STRING, AT(until),      "TIME", "show lines before that time"  },
    {"timestamps", 't', FLAG_BOOL,   AT(timestamps), NULL,   "put the time before each line"},
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

static int make_tail(const struct logs_options *o, struct buf *path, struct error *err)
{
    uint64_t tail = MAX_TAIL;

    if (o->tail && !str_eq(o->tail, "all") && parse_u64(o->tail, UINT32_MAX, &tail) < 0)
        return error_set(err, -1, "--tail: \"%s\" is no number of lines", o->tail);
    return buf_printf(path, "/logs?tail=%ju", (uintmax_t)(tail < MAX_TAIL ? tail : MAX_TAIL));
}

/* On a terminal nothing of a stranger's log may move the cursor; elsewhere the bytes count. */
static void print_line(const json_t *line, bool with_timestamp, bool is_terminal)
{
    const json_t *log = json_object_get(line, "log");
    const char *text = json_is_string(log) ? json_string_value(log) : "";
    size_t size = json_string_length(log);
    _cleanup_free_ char *escaped = NULL;

    if (with_timestamp) {
        escaped = text_escape_str(container_text(line, "timestamp"));
        output_raw(escaped, strlen(escaped));
        output_raw(" ", 1);
        free(TAKE_PTR(escaped));
    }
    if (is_terminal) {
        size -= size > 0 && text[size - 1] == '\r'; /* containers with a TTY end lines so */
        escaped = text_escape_log(text, size, output_has_colours());
        output_raw(escaped, strlen(escaped));
    } else {
        output_raw(text, size);
    }
    output_raw("\n", 1);
}

static void print_logs(const json_t *answer, const struct logs_options *o)
{
    const json_t *lines = json_object_get(answer, "logs");
    bool is_terminal = output_is_terminal();

    for (size_t i = 0; i < json_array_size(lines); i++)
        print_line(json_array_get(lines, i), o->timestamps, is_terminal);
    if (json_is_true(json_object_get(answer, "truncated"))) {
        output_note(
            "(the log is longer: only its last part is shown; narrow it with --since and --until)");
    }
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    const struct logs_options *o = options;
    struct buf query = BUF_INIT(1024);
    _cleanup_free_ char *tail = NULL;
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;
    json_auto_t *answer = NULL;
    const json_t *container;
    int r;

    (void)verb;
    r = make_tail(o, &query, &err);
    if (r == 0)
        r = add_time(&query, "since", o->since, &err);
    if (r == 0)
        r = add_time(&query, "until", o->until, &err);
    tail = buf_take(&query);
    if (r < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (containers_fetch(c, &list, &err) < 0 ||
        containers_resolve(list, words->items[0], &container, &err) < 0 ||
        client_get(c, container_path(container, tail), &answer, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    print_logs(answer, o);
    return 0;
}

const struct verb verb_logs = {
    .name = "logs",
    .usage = "[OPTIONS] CONTAINER",
    .summary = "Show the log of a container",
    .examples = "  dockmon logs -n 50 web\n  dockmon logs -t --since 10m prod-1/web\n",
    .flags = flags,
    .n_flags = ARRAY_LEN(flags),
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(struct logs_options),
    .run = run,
};
