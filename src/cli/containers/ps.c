/*
 * ps: the containers of all hosts with the columns and flags of `docker ps`, and a column for the
 * host.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/table.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/containers/ports.h"
#include "cli/containers/ps_filter.h"

#include <string.h>

#define COMMAND_WIDTH 20

struct ps_options {
    bool all, latest, quiet, no_trunc, json;
    const char *last;
    struct args_list filters;
};

#define AT(m) offsetof(struct ps_options, m)

static const struct flag flags[] = {
    {"all",      'a', FLAG_BOOL,   AT(all),      NULL, "also show stopped containers"                    },
    PS_FILTER_FLAG(ps_options, filters),
    {"last",     'n', FLAG_STRING, AT(last),     "N",  "show the N last created containers, in any state"},
    {"latest",   'l', FLAG_BOOL,   AT(latest),   NULL, "show the last created container, in any state"   },
    {"no-trunc", 0,   FLAG_BOOL,   AT(no_trunc), NULL, "show full ids and commands"                      },
    {"quiet",    'q', FLAG_BOOL,   AT(quiet),    NULL, "show ids only"                                   },
    {"json",     0,   FLAG_BOOL,   AT(json),     NULL, "print the server's list as a JSON array"         },
};

static const char *const headers[] = {"CONTAINER ID", "HOST",   "IMAGE", "COMMAND",
                                      "CREATED",      "STATUS", "PORTS", "NAMES"};

/* Cut first, then quotes and backslashes are escaped, as docker does it. */
static char *format_command(const json_t *c, bool no_trunc)
{
    const char *text = member_text(c, "command"); /* null for viewers */
    _cleanup_free_ char *cut = no_trunc ? xstrdup(text) : text_cut(text, COMMAND_WIDTH);
    _cleanup_free_ char *quoted = xmalloc(2 * strlen(cut) + 3);
    char *end = quoted;

    *end++ = '"';
    for (const char *p = cut; *p; p++) {
        if (*p == '"' || *p == '\\')
            *end++ = '\\';
        *end++ = *p;
    }
    *end++ = '"';
    *end = '\0';
    return text_escape_str(quoted);
}

/* A bare image id is cut like other ids; the digest after a name is omitted. */
static char *format_image(const json_t *c, bool no_trunc)
{
    const char *image = member_text(c, "image");
    const char *digest = strstr(image, "@sha256:");

    if (no_trunc)
        return xstrdup(image);
    if (str_starts_with(image, "sha256:"))
        return xstrndup(image + strlen("sha256:"), 12);
    return digest ? xstrndup(image, (size_t)(digest - image)) : xstrdup(image);
}

static bool is_host_offline(const json_t *c)
{
    return json_is_false(json_object_get(c, "host_online"));
}

static char *format_status(const json_t *c)
{
    const char *text = member_text(c, "status_text");

    return xasprintf("%s%s", *text ? text : member_text(c, "state"),
                     is_host_offline(c) ? " (host offline)" : "");
}

static enum table_colour choose_state_colour(const json_t *c)
{
    static const struct {
        const char *state;
        enum table_colour colour;
    } map[] = {
        {"running",    COLOUR_GREEN },
        {"paused",     COLOUR_YELLOW},
        {"restarting", COLOUR_RED   },
        {"exited",     COLOUR_DIM   },
    };

    for (size_t i = 0; i < ARRAY_LEN(map) && !is_host_offline(c); i++) {
        if (str_eq(member_text(c, "state"), map[i].state))
            return map[i].colour;
    }
    return COLOUR_DIM;
}

static void add_row(struct table *t, const json_t *c, bool no_trunc, int64_t now_ms)
{
    _cleanup_free_ char *id = xstrndup(member_text(c, "id"), no_trunc ? 64 : 12);
    _cleanup_free_ char *image = format_image(c, no_trunc);
    _cleanup_free_ char *command = format_command(c, no_trunc);
    _cleanup_free_ char *created = text_ago(member_text(c, "created"), now_ms, "");
    _cleanup_free_ char *status = format_status(c);
    _cleanup_free_ char *ports = ports_text(json_object_get(c, "ports_raw"));

    table_add(t, id);
    table_add(t, member_text(c, "host_name"));
    table_add(t, image);
    table_add(t, command);
    table_add(t, created);
    table_add_coloured(t, status, choose_state_colour(c));
    table_add(t, ports);
    table_add(t, member_text(c, "name"));
}

static void print_table(const json_t *list, bool no_trunc)
{
    int64_t now_ms = time_utc_ms();
    struct table t;

    table_init(&t, ARRAY_LEN(headers), headers);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_row(&t, json_array_get(list, i), no_trunc, now_ms);
    output_table(&t);
}

static void print_ids(const json_t *list, bool no_trunc)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        output_line("%.*s", no_trunc ? 64 : 12, member_text(json_array_get(list, i), "id"));
}

static int read_selection(const struct ps_options *o, struct ps_selection *ret, struct error *err)
{
    int r = 0;

    *ret = (struct ps_selection){.all = o->all || o->latest || o->last, .last = o->latest};
    if (o->last)
        r = args_read_number("last", o->last, 1, UINT32_MAX, &ret->last, err);
    return r < 0 ? r : ps_filters_parse(&o->filters, &ret->filters, err);
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    const struct ps_options *o = options;
    _cleanup_(ps_selection_done) struct ps_selection selection = {0};
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;
    json_auto_t *chosen = NULL;

    (void)verb;
    (void)words;
    if (read_selection(o, &selection, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (containers_fetch(c, &list, &err) < 0 ||
        ps_filters_resolve(&selection.filters, c, list, &err) < 0) {
        return output_failure(NULL, err.msg);
    }
    chosen = ps_select(list, &selection);
    if (o->json) {
        output_json(chosen);
    } else if (o->quiet) {
        print_ids(chosen, o->no_trunc);
    } else {
        print_table(chosen, o->no_trunc);
    }
    return 0;
}

const struct verb verb_ps = {
    .name = "ps",
    .usage = "[OPTIONS]",
    .summary = "List the containers of all hosts",
    .examples = "  dockmon ps -a\n"
                "  dockmon ps --filter host=prod-1 --filter status=exited\n"
                "  dockmon ps -q --filter label=com.docker.compose.project=shop\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct ps_options),
    .run = run,
};
