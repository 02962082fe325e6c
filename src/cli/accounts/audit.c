/*
 * audit: what users did through the API, oldest first; for administrators.
 */

#include "base/alloc.h"
#include "cli/common/client.h"
#include "cli/common/listing.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/query.h"
#include "cli/common/verbs.h"

#define DEFAULT_MAX 100
#define MAX_ENTRIES 1000 /* one page of the server */

struct audit_options {
    const char *since, *until, *last, *user, *action;
    struct listing_options listing;
};

#define AT(m) offsetof(struct audit_options, m)

static const struct flag flags[] = {
    {"last",   'n', FLAG_STRING, AT(last),   "N",
     "show the last N entries (default 100, at most 1000)"                                      },
    {"tail",   0,   FLAG_STRING, AT(last),   "N",      "the same as --last"                     },
    {"since",  0,   FLAG_STRING, AT(since),  "TIME",
     "show entries since this time, or of the last 10m"                                         },
    {"until",  0,   FLAG_STRING, AT(until),  "TIME",   "show entries before this time"          },
    {"user",   'u', FLAG_STRING, AT(user),   "USER",   "show what this user did"                },
    {"action", 0,   FLAG_STRING, AT(action), "ACTION", "show one action, such as container_stop"},
    LISTING_JSON(AT(listing)),
};

static const struct listing_column columns[] = {
    {"TIME",   "timestamp", NULL, NULL},
    {"WHO",    "who",       NULL, NULL},
    {"FROM",   "peer",      NULL, NULL},
    {"ACTION", "action",    NULL, NULL},
    {"TARGET", "target",    NULL, NULL},
    {"RESULT", "result",    NULL, NULL},
};

static const struct listing listing = {.columns = columns, .n_columns = ARRAY_LEN(columns)};

static int make_query(const struct audit_options *o, struct buf *query, struct error *err)
{
    uint64_t n = DEFAULT_MAX;
    int r = o->last ? args_read_number("last", o->last, 1, MAX_ENTRIES, &n, err) : 0;

    if (r == 0)
        r = buf_printf(query, "/api/audit?limit=%ju", (uintmax_t)n);
    if (r == 0 && o->user)
        r = query_add(query, "who", o->user);
    if (r == 0 && o->action)
        r = query_add(query, "action", o->action);
    if (r == 0)
        r = query_add_time(query, "since", "since", o->since, err);
    if (r == 0)
        r = query_add_time(query, "until", "until", o->until, err);
    return r;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_(buf_done) struct buf query = BUF_INIT(8192);
    const struct audit_options *o = options;
    json_auto_t *answer = NULL, *sorted = json_array();
    const json_t *entries;
    struct error err = ERROR_INIT;

    (void)verb;
    (void)words;
    if (make_query(o, &query, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (client_get(c, xstrdup(buf_str(&query)), &answer, &err) < 0)
        return output_failure(NULL, err.msg);
    entries = json_object_get(answer, "entries");
    for (size_t i = json_array_size(entries); i > 0; i--)
        (void)json_array_append(sorted, json_array_get(entries, i - 1));
    listing_print(&listing, sorted, &o->listing, NULL);
    return 0;
}

const struct verb verb_audit = {
    .name = "audit",
    .usage = "[OPTIONS]",
    .summary = "Show what users did: the audit log of the server",
    .examples =
        "  dockmon audit --since 1d --user vera\n  dockmon audit --action container_remove\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct audit_options),
    .run = run,
};
