/*
 * events: what the server has recorded, oldest first. The server filters by type, category and
 * severity; names of hosts and containers are filtered here, page by page.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
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
#define NEW_PAGE    50   /* events that are asked for with --follow */
#define POLL_MS     1000 /* between two requests with --follow */

struct events_options {
    const char *since, *until, *last, *format;
    struct args_list filters;
    bool json, follow;
};

#define AT(m) offsetof(struct events_options, m)

static const struct flag flags[] = {
    {"filter", 'f', FLAG_LIST,   AT(filters), "KEY=VALUE",
     "container= host= event= category= severity=; may be given several times"                                    },
    {"last",   'n', FLAG_STRING, AT(last),    "N",
     "show the last N events (default 100; all with --since)"                                                     },
    {"since",  0,   FLAG_STRING, AT(since),   "TIME",
     "show events since 2026-01-31T12:00:00Z, or of the last 10m"                                                 },
    {"until",  0,   FLAG_STRING, AT(until),   "TIME",      "show events before this time"                         },
    {"tail",   0,   FLAG_STRING, AT(last),    "N",         "the same as --last"                                   },
    {"follow", 0,   FLAG_BOOL,   AT(follow),  NULL,
     "then print new events until interrupted, as `docker events` does"                                           },
    {"json",   0,   FLAG_BOOL,   AT(json),    NULL,        "print a JSON array; with --follow one object per line"},
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

/* The options that docker does not have. */
static int read_own(const struct events_options *o, struct selection *s, struct error *err)
{
    if (o->follow && o->until)
        return error_set(err, -EINVAL, MSG_EXCLUSIVE, "follow", "until");
    s->max = o->since ? MAX_EVENTS : o->follow ? 0 : DEFAULT_MAX;
    return o->last ? args_read_number("last", o->last, o->follow ? 0 : 1, MAX_EVENTS, &s->max, err)
                   : 0;
}

static int read_selection(const struct events_options *o, struct selection *s, struct error *err)
{
    int r = 0;

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

/* "" for what happened by itself. */
static const char *find_user(const json_t *e)
{
    const char *who = member_text(e, "triggered_by");

    return str_eq(who, "docker") || str_eq(who, "agent") ? "" : who;
}

/* "2026-01-31T12:00:00Z container died prod-1/web (4f1c0a9be7d2): exit code 137 by vera" */
static void print_event(const json_t *e)
{
    const char *host = member_text(e, "host_name"), *name = member_text(e, "container_name");
    const char *id = member_text(e, "container_id"), *text = member_text(e, "message");

    const char *who = find_user(e);

    if (*text == '\0')
        text = member_text(e, "title");
    output_line("%s %s %s %s%s%s%s%s%s%s%s%s%s", member_text(e, "timestamp"),
                member_text(e, "category"), member_text(e, "event_type"), host,
                *host && *name ? "/" : "", name, *id ? " (" : "", id, *id ? ")" : "",
                *text ? ": " : "", text, *who ? " by " : "", who);
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

static int print_all(const struct events_options *o, const struct format *format, json_t *found)
{
    if (o->json && !o->follow) {
        output_json(found);
    } else if (o->json) {
        for (size_t i = json_array_size(found); i > 0; i--) {
            char *line = json_dumps(json_array_get(found, i - 1), JSON_COMPACT | JSON_ENSURE_ASCII);

            output_line("%s", line);
            free(line);
        }
    } else if (format->kind != FORMAT_NONE) {
        return print_format(format, found);
    } else {
        print_oldest_first(found);
    }
    return 0;
}

/* --- follow ----------------------------------------------------------------------------------- */

/* The events of the newest pages whose id is larger than *last, which becomes the largest. */
static int fetch_new(
    struct client *c, const struct selection *s, json_int_t *last, json_t *found, struct error *err)
{
    json_int_t newest = *last;
    bool has_new = true;
    int r;

    for (size_t offset = 0; has_new && offset < MAX_EVENTS; offset += NEW_PAGE) {
        json_auto_t *answer = NULL;
        const json_t *events;

        r = client_get(
            c, xasprintf("/api/events?limit=%d&offset=%zu%s", NEW_PAGE, offset, buf_str(&s->query)),
            &answer, err);
        if (r < 0)
            return r;
        events = json_object_get(answer, "events");
        has_new = member_is_true(answer, "has_more");
        for (size_t i = 0; i < json_array_size(events); i++) {
            const json_t *e = json_array_get(events, i);
            json_int_t id = member_integer(e, "id");

            has_new = has_new && id > *last;
            newest = id > newest ? id : newest;
            if (id > *last && is_selected(e, s))
                (void)json_array_append(found, json_array_get(events, i));
        }
    }
    *last = newest;
    return 0;
}

/* The largest id so far: what comes later is new. */
static int find_last(struct client *c, json_int_t *ret, struct error *err)
{
    json_auto_t *answer = NULL;
    const json_t *events;
    int r = client_get(c, xasprintf("/api/events?limit=%d", NEW_PAGE), &answer, err);

    events = json_object_get(answer, "events");
    for (size_t i = 0; i < json_array_size(events); i++) {
        json_int_t id = member_integer(json_array_get(events, i), "id");

        *ret = id > *ret ? id : *ret;
    }
    return r;
}

static void on_poll(struct loop_timer *t)
{
    loop_stop(t->loop);
}

/* Ends when the output cannot be written, or by a signal. A server that is away is asked again. */
static int follow(struct client *c,
                  const struct events_options *o,
                  const struct selection *s,
                  const struct format *format,
                  json_int_t last)
{
    bool was_away = false;
    int exit_code = 0;

    while (exit_code == 0 && output_flush()) {
        json_auto_t *found = json_array();
        struct loop_timer timer = {0};
        struct error err = ERROR_INIT;
        int r;

        loop_timer_start(client_loop(c), &timer, POLL_MS, on_poll);
        loop_run(client_loop(c));
        loop_timer_stop(&timer);
        r = fetch_new(c, s, &last, found, &err);
        if (r < 0 && !was_away)
            output_note(MSG_TRYING_AGAIN, err.msg);
        if (r == -EACCES)
            return 1;
        was_away = r < 0;
        exit_code = print_all(o, format, found);
    }
    return exit_code;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    const struct events_options *o = options;
    struct selection s = {.query = BUF_INIT(8192)};
    _cleanup_(format_done) struct format format = {0};
    json_auto_t *found = json_array();
    json_int_t last = 0;
    struct error err = ERROR_INIT;
    int exit_code = 0;

    (void)verb;
    (void)words;
    if (read_own(o, &s, &err) < 0) {
        output_error("%s", err.msg);
        exit_code = EXIT_USAGE;
    } else if (read_selection(o, &s, &err) < 0 || format_parse(o->format, &format, &err) < 0) {
        exit_code = output_failure(NULL, err.msg);
    } else {
        c = client_open_configured();
        exit_code = !c;
    }
    if (c && ((o->follow && find_last(c, &last, &err) < 0) || fetch(c, &s, found, &err) < 0))
        exit_code = output_failure(NULL, err.msg);
    if (exit_code == 0)
        exit_code = print_all(o, &format, found);
    if (exit_code == 0 && o->follow)
        exit_code = follow(c, o, &s, &format, last);
    buf_done(&s.query);
    return exit_code;
}

const struct verb verb_events = {
    .name = "events",
    .usage = "[OPTIONS]",
    .summary = "Show the events of containers and hosts, and the actions of users",
    .examples = "  dockmon events --since 1h\n"
                "  dockmon events --follow --tail 10\n"
                "  dockmon events --filter container=web --filter event=died --json\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct events_options),
    .run = run,
};
