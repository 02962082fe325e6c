/*
 * updates: those in progress or with a container to roll back to, those of the past, and containers
 * whose image is outdated.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/listing.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/query.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/updates/update_follow.h"

#include <errno.h>

#define MAX_QUERY 1024
#define DEFAULT_N "50"

struct updates_options {
    bool history, check, follow;
    const char *last, *host;
    struct listing_options listing;
};

#define AT(m)   offsetof(struct updates_options, m)
#define LISTING offsetof(struct updates_options, listing)

static const struct flag flags[] = {
    {"history", 0,   FLAG_BOOL,   AT(history), NULL,   "show the last updates, newest first"        },
    {"last",    'n', FLAG_STRING, AT(last),    "N",    "with --history: show N updates (default 50)"},
    {"check",   0,   FLAG_BOOL,   AT(check),   NULL,
     "ask the registries, and show the containers whose image is outdated"                          },
    {"follow",  0,   FLAG_BOOL,   AT(follow),  NULL,
     "show the progress of the updates until all are over"                                          },
    {"host",    0,   FLAG_STRING, AT(host),    "HOST", "only those of this host"                    },
    LISTING_QUIET(LISTING, "the ids of the updates"),
    LISTING_JSON(LISTING),
    LISTING_WIDE(LISTING, "ids and who has asked for the update"),
};

static char *make_started(const json_t *element, const void *owner)
{
    (void)owner;
    return text_ago(member_text(element, "started_at"), time_utc_ms(), "");
}

/* The step of an update in progress, or the reason of a failure. */
static char *make_detail(const json_t *element, const void *owner)
{
    const char *why = member_text(json_object_get(element, "error"), "text");

    (void)owner;
    if (str_eq(member_text(element, "state"), "running"))
        return xstrdup(member_text(element, "step"));
    return xstrdup(member_is_true(element, "probation_failed") ? "probation failed" : why);
}

static enum table_colour pick_colour(const json_t *element)
{
    const char *state = member_text(element, "state");

    if (str_eq(state, "failed") || str_eq(state, "rolled_back"))
        return COLOUR_RED;
    return str_eq(state, "running") ? COLOUR_YELLOW : COLOUR_GREEN;
}

static const struct listing_column columns[] = {
    {"HOST",      "host_name",      NULL,         NULL       },
    {"CONTAINER", "container_name", NULL,         NULL       },
    {"IMAGE",     "image",          NULL,         NULL       },
    {"NEW IMAGE", "new_image",      NULL,         NULL       },
    {"STATE",     "state",          NULL,         pick_colour},
    {"STARTED",   NULL,             make_started, NULL       },
    {"DETAIL",    NULL,             make_detail,  NULL       },
    {"UPDATE ID", "update_id",      NULL,         NULL       },
    {"BY",        "triggered_by",   NULL,         NULL       },
};

#define N_NARROW 7

static const struct listing listing = {
    .columns = columns,
    .n_columns = ARRAY_LEN(columns),
    .quiet_member = "update_id",
    .n_narrow = N_NARROW,
};

/* --- outdated containers --- */

/* "1.28.1 1.29 2.0": the newer tags. To be freed. */
static char *make_newer(const json_t *element, const void *owner)
{
    static const char *const names[] = {"patch", "minor", "major"};
    const json_t *tags = json_object_get(element, "newer_tags");
    struct buf out = BUF_INIT(MAX_QUERY);

    (void)owner;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *tag = member_text(tags, names[i]);

        if (*tag)
            (void)buf_printf(&out, "%s%s", out.size > 0 ? " " : "", tag);
    }
    return buf_take(&out);
}

static char *make_age(const json_t *element, const void *owner)
{
    (void)owner;
    return text_ago(member_text(element, "latest_created"), time_utc_ms(), "");
}

static const struct listing_column outdated_columns[] = {
    {"HOST",       "host_name",      NULL,       NULL},
    {"CONTAINER",  "name",           NULL,       NULL},
    {"IMAGE",      "current_image",  NULL,       NULL},
    {"VERSION",    "latest_version", NULL,       NULL},
    {"NEW IMAGE",  NULL,             make_age,   NULL},
    {"NEWER TAGS", NULL,             make_newer, NULL},
    {"OLD DIGEST", "current_digest", NULL,       NULL},
    {"NEW DIGEST", "latest_digest",  NULL,       NULL},
};

#define N_NARROW_OUTDATED 6

static const struct listing outdated_listing = {
    .columns = outdated_columns,
    .n_columns = ARRAY_LEN(outdated_columns),
    .quiet_member = "name",
    .n_narrow = N_NARROW_OUTDATED,
};

/* Whether the summary has the container: "HOST_ID:ID". */
static bool is_outdated(const json_t *summary, const json_t *container)
{
    const json_t *keys = json_object_get(summary, "containers_with_updates");
    _cleanup_free_ char *key = xasprintf("%s:%.12s", member_text(container, "host_id"),
                                         member_full_id(container));

    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (str_eq(json_string_value(json_array_get(keys, i)), key))
            return true;
    }
    return false;
}

/* Appends the states of the containers, with their names and hosts, to `found`. */
static int fetch_states(struct client *c, const json_t *containers, json_t *found)
{
    size_t n = json_array_size(containers);
    _cleanup_free_ struct client_request *requests = xcalloc(n, sizeof(*requests));
    int exit_code = 0;

    for (size_t i = 0; i < n; i++) {
        requests[i].method = "GET";
        requests[i].path = container_path(json_array_get(containers, i), "/update-status");
    }
    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *container = json_array_get(containers, i);

        if (requests[i].code < 0) {
            exit_code = output_failure(member_text(container, "name"), requests[i].error);
        } else {
            (void)json_object_set(requests[i].json, "name", json_object_get(container, "name"));
            (void)json_object_set(requests[i].json, "host_name",
                                  json_object_get(container, "host_name"));
            (void)json_array_append(found, requests[i].json);
        }
        client_request_done(&requests[i]);
    }
    return exit_code;
}

static int run_check(struct client *c, const struct updates_options *o)
{
    json_auto_t *round = NULL, *summary = NULL, *list = NULL;
    json_auto_t *wanted = json_array(), *found = json_array();
    struct error err = ERROR_INIT;
    json_int_t n_errors;
    int exit_code;

    if (client_send(c, "POST", xstrdup("/api/updates/check-all"), NULL, &round, &err) < 0 ||
        client_get(c, xstrdup("/api/updates/summary"), &summary, &err) < 0 ||
        containers_fetch(c, &list, &err) < 0)
        return output_failure(NULL, err.msg);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *container = json_array_get(list, i);

        if (container_is_on_host(container, o->host) && is_outdated(summary, container))
            (void)json_array_append(wanted, container);
    }
    exit_code = fetch_states(c, wanted, found);
    listing_print(&outdated_listing, found, &o->listing, NULL);
    n_errors = member_integer(round, "errors");
    if (n_errors > 0) {
        output_note("(%lld of %lld containers: their registry has not answered)",
                    (long long)n_errors, (long long)member_integer(round, "total"));
        exit_code = 1;
    }
    return exit_code;
}

/* --- lists --- */

/* *ret: the array of updates, the caller's. */
static int fetch(struct client *c, const struct updates_options *o, json_t **ret, struct error *err)
{
    struct buf path = BUF_INIT(MAX_QUERY);
    json_auto_t *answer = NULL;
    int r = o->history
                ? buf_printf(&path, "/api/updates/history?limit=%s", o->last ? o->last : DEFAULT_N)
                : buf_append_str(&path, "/api/updates?");

    if (r == 0 && o->host)
        r = query_add(&path, "host_id", o->host);
    if (r < 0) {
        buf_done(&path);
        return error_set(err, r, "--host: the name is too long");
    }
    r = client_get(c, buf_take(&path), &answer, err);
    if (r < 0)
        return r;
    *ret = json_incref(json_object_get(answer, "updates"));
    return json_is_array(*ret) ? 0 : error_set(err, -EPROTO, MSG_INVALID_LIST, "updates");
}

static int follow(struct client *c, const json_t *list)
{
    struct update_follow f = {.watches = xcalloc(json_array_size(list), sizeof(*f.watches))};
    struct error err = ERROR_INIT;
    int exit_code;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *u = json_array_get(list, i);

        if (str_eq(member_text(u, "state"), "running")) {
            f.watches[f.n++] = (struct update_watch){
                .word = xasprintf("%s/%s", member_text(u, "host_name"),
                                  member_text(u, "container_name")),
                .update_id = xstrdup(member_text(u, "update_id")),
            };
        }
    }
    exit_code = update_follow_start(&f, c, &err) < 0 ? output_failure(NULL, err.msg)
                                                     : update_follow_run(&f);
    for (size_t i = 0; i < f.n; i++)
        update_watch_done(&f.watches[i]);
    free(f.watches);
    return exit_code;
}

static int check_options(const struct updates_options *o, struct error *err)
{
    uint64_t n;

    if (o->history + o->check + o->follow > 1) {
        return error_set(err, -EINVAL, MSG_EXCLUSIVE, o->check ? "check" : "history",
                         o->follow ? "follow" : "history");
    }
    if (o->last && !o->history)
        return error_set(err, -EINVAL, "--last needs --history");
    return o->last ? args_read_number("last", o->last, 1, 1000, &n, err) : 0;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    const struct updates_options *o = options;
    json_auto_t *list = NULL;
    struct error err = ERROR_INIT;

    (void)verb;
    (void)words;
    if (check_options(o, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (o->check)
        return run_check(c, o);
    if (fetch(c, o, &list, &err) < 0)
        return output_failure(NULL, err.msg);
    if (o->follow)
        return follow(c, list);
    listing_print(&listing, list, &o->listing, NULL);
    return 0;
}

const struct verb verb_updates = {
    .name = "updates",
    .usage = "[OPTIONS]",
    .summary = "Show updates, their progress and history, and outdated containers",
    .examples = "  dockmon updates --check\n"
                "  dockmon updates --follow\n"
                "  dockmon updates --history -n 10\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct updates_options),
    .run = run,
};
