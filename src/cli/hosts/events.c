/*
 * events: what the server has recorded, oldest first. The server filters by type, category and
 * severity; names of hosts and containers are filtered here, page by page.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/query.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/hosts/event_format.h"

#include <errno.h>
#include <string.h>

#define PAGE        1000
#define MAX_EVENTS  100000
#define DEFAULT_MAX 100

struct events_options {
    const char *since, *until, *last, *format;
    struct args_list filters;
    bool json;
};

#define AT(m) offsetof(struct events_options, m)

static const struct flag flags[] = {
    {"filter", 'f', FLAG_LIST,   AT(filters), "KEY=VALUE",
     "container= host= event= category= severity=; may be given several times"           },
    {"last",   'n', FLAG_STRING, AT(last),    "N",
     "show the last N events (default 100; all with --since)"                            },
    {"since",  0,   FLAG_STRING, AT(since),   "TIME",
     "show events since 2026-01-31T12:00:00Z, or of the last 10m"                        },
    {"until",  0,   FLAG_STRING, AT(until),   "TIME",      "show events before this time"},
    {"json",   0,   FLAG_BOOL,   AT(json),    NULL,        "print a JSON array"          },
    FORMAT_FLAG(AT(format)),
};

/* The events to show: the query for the server, and filters by name, which it does not have. */
struct selection {
    struct buf query; /* parameters after the first: "&event_type=died" */
    const char *host, *container;
    uint64_t max;
};

static int add_filter(struct selection *s, const char *word, struct error *err)
{
    static const struct {
        const char *key, *parameter;
    } map[] = {
        {"event=",    "event_type"},
        {"type=",     "category"  },
        {"category=", "category"  },
        {"severity=", "severity"  },
    };

    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (str_starts_with(word, map[i].key))
            return query_add(&s->query, map[i].parameter, word + strlen(map[i].key));
    }
    if (str_starts_with(word, "container=")) {
        s->container = word + strlen("container=");
        return 0;
    }
    if (str_starts_with(word, "host=")) {
        s->host = word + strlen("host=");
        return 0;
    }
    return error_set(
        err, -EINVAL,
        "--filter: \"%s\" is not one of container=, host=, event=, category= and severity=", word);
}

static int read_selection(const struct events_options *o, struct selection *s, struct error *err)
{
    int r = 0;

    s->max = o->since ? MAX_EVENTS : DEFAULT_MAX;
    if (o->last)
        r = args_read_number("last", o->last, 1, MAX_EVENTS, &s->max, err);
    for (size_t i = 0; i < o->filters.n && r == 0; i++)
        r = add_filter(s, o->filters.items[i], err);
    if (r == 0)
        r = query_add_time(&s->query, "since", "since", o->since, err);
    if (r == 0)
        r = query_add_time(&s->query, "until", "until", o->until, err);
    return r;
}

static bool is_selected(const json_t *e, const struct selection *s)
{
    const char *id = member_text(e, "container_id");

    if (!container_is_on_host(e, s->host))
        return false;
    return !s->container || str_eq(member_text(e, "container_name"), s->container) ||
           (*id && *s->container &&
            (str_starts_with(id, s->container) || str_starts_with(s->container, id)));
}

/* Newest first, page by page, until `found` has enough. */
static int fetch(struct client *c, const struct selection *s, json_t *found, struct error *err)
{
    bool has_more = true;
    int r;

    for (size_t offset = 0; has_more && json_array_size(found) < s->max && offset < MAX_EVENTS;
         offset += PAGE) {
        json_auto_t *answer = NULL;
        const json_t *events;

        r = client_get(
            c, xasprintf("/api/events?limit=%d&offset=%zu%s", PAGE, offset, buf_str(&s->query)),
            &answer, err);
        if (r < 0)
            return r;
        events = json_object_get(answer, "events");
        for (size_t i = 0; i < json_array_size(events) && json_array_size(found) < s->max; i++) {
            if (is_selected(json_array_get(events, i), s))
                (void)json_array_append(found, json_array_get(events, i));
        }
        has_more = member_is_true(answer, "has_more");
    }
    return 0;
}

/* "2026-01-31T12:00:00Z container died prod-1/web (4f1c0a9be7d2): exit code 137" */
static void print_event(const json_t *e)
{
    const char *host = member_text(e, "host_name"), *name = member_text(e, "container_name");
    const char *id = member_text(e, "container_id"), *text = member_text(e, "message");

    if (*text == '\0')
        text = member_text(e, "title");
    output_line("%s %s %s %s%s%s%s%s%s%s%s", member_text(e, "timestamp"),
                member_text(e, "category"), member_text(e, "event_type"), host,
                *host && *name ? "/" : "", name, *id ? " (" : "", id, *id ? ")" : "",
                *text ? ": " : "", text);
}

static void print_oldest_first(const json_t *found)
{
    for (size_t i = json_array_size(found); i > 0; i--)
        print_event(json_array_get(found, i - 1));
}

static int print_format(const struct format *f, const json_t *found)
{
    json_auto_t *rows = json_array();
    struct error err = ERROR_INIT;

    for (size_t i = json_array_size(found); i > 0; i--)
        (void)json_array_append_new(rows, event_describe(json_array_get(found, i - 1)));
    return format_print(f, rows, event_fields, &err) < 0 ? output_failure(NULL, err.msg) : 0;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    const struct events_options *o = options;
    struct selection s = {.query = BUF_INIT(8192)};
    _cleanup_(format_done) struct format format = {0};
    json_auto_t *found = json_array();
    struct error err = ERROR_INIT;
    int exit_code = 0;

    (void)verb;
    (void)words;
    if (read_selection(o, &s, &err) < 0 || format_parse(o->format, &format, &err) < 0) {
        output_error("%s", err.msg);
        exit_code = EXIT_USAGE;
    } else {
        c = client_open_configured();
        exit_code = !c;
    }
    if (c && fetch(c, &s, found, &err) < 0) {
        exit_code = output_failure(NULL, err.msg);
    }
    buf_done(&s.query);
    if (exit_code == 0 && o->json) {
        output_json(found);
    } else if (exit_code == 0 && format.kind != FORMAT_NONE) {
        exit_code = print_format(&format, found);
    } else if (exit_code == 0) {
        print_oldest_first(found);
    }
    return exit_code;
}

const struct verb verb_events = {
    .name = "events",
    .usage = "[OPTIONS]",
    .summary = "Show the events of containers and hosts, and the actions of users",
    .examples = "  dockmon events --since 1h\n"
                "  dockmon events --filter container=web --filter event=died --json\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct events_options),
    .run = run,
};
