/*
 * ps: the containers of all hosts with the columns and flags of `docker ps`, and a column for the
 * host.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/listing.h"
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
#define MOUNT_WIDTH   15
#define MAX_MOUNTS    65536 /* bytes of a list of mounts or networks */

struct ps_options {
    bool all, latest, quiet, no_trunc, json;
    const char *last, *format;
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
    FORMAT_FLAG(AT(format)),
};

static const char *const headers[] = {"CONTAINER ID", "HOST",   "IMAGE", "COMMAND",
                                      "CREATED",      "STATUS", "PORTS", "NAMES"};

/* Cut first, then quotes and backslashes are escaped, as docker does it. */
static char *quote_command(const json_t *c, bool no_trunc)
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
    return TAKE_PTR(quoted);
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

/*
 * The engine's words, with the uptime of now: a list is read once a minute, and not at all while
 * the engine is down. To be freed.
 */
static char *format_state(const json_t *c, int64_t now_ms)
{
    const char *text = member_text(c, "status_text"), *suffix = strstr(text, " (");
    _cleanup_free_ char *uptime = NULL;
    int64_t ns;

    if (!str_starts_with(text, "Up ") || time_parse_ns(member_text(c, "started_at"), &ns) < 0 ||
        now_ms < ns / 1000000)
        return xstrdup(*text ? text : member_state(c));
    uptime = text_duration((now_ms - ns / 1000000) / 1000);
    return xasprintf("Up %s%s", uptime, suffix ? suffix : "");
}

static char *format_status(const json_t *c)
{
    int64_t now_ms = time_utc_ms();
    _cleanup_free_ char *state = format_state(c, now_ms);
    _cleanup_free_ char *mark = container_stale_mark(c, now_ms);

    return xasprintf("%s%s", state, mark);
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
        if (str_eq(member_state(c), map[i].state))
            return map[i].colour;
    }
    return COLOUR_DIM;
}

static void add_row(struct table *t, const json_t *c, bool no_trunc, int64_t now_ms)
{
    _cleanup_free_ char *id = xstrndup(member_full_id(c), no_trunc ? 64 : 12);
    _cleanup_free_ char *image = format_image(c, no_trunc);
    _cleanup_free_ char *command = quote_command(c, no_trunc);
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

static const struct format_field fields[] = {
    {"ID",        "CONTAINER ID"},
    {"Names",           "NAMES"},
    {"Image","IMAGE"},
    {"Command",     "COMMAND"},
    {"CreatedAt",           "CREATED AT"},
    {"RunningFor","CREATED"},
    {"Ports", "PORTS"},
    {"State",           "STATE"},
    {"Status",     "STATUS"},
    {"Size",     "SIZE"},
    {"Labels",           "LABELS"},
    {"Mounts","MOUNTS"},
    {"Networks",    "NETWORKS"},
    {"LocalVolumes",           "LOCAL VOLUMES"},
    {"Host", "HOST"},
    {0   },
};

/* "data,/srv/www": names of volumes, else paths, cut as docker cuts them. */
static char *format_mounts(const json_t *c, bool no_trunc)
{
    const json_t *mounts = json_object_get(c, "mounts");
    struct buf out = BUF_INIT(MAX_MOUNTS);

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *m = json_array_get(mounts, i);
        const char *name = member_text(m, "name");
        _cleanup_free_ char *text = no_trunc ? xstrdup(*name ? name : member_text(m, "source"))
                                             : text_cut(*name ? name : member_text(m, "source"),
                                                        MOUNT_WIDTH);

        (void)buf_printf(&out, "%s%s", i ? "," : "", text);
    }
    return out.data ? buf_take(&out) : xstrdup("");
}

static char *format_networks(const json_t *c)
{
    json_t *networks = json_object_get(c, "networks"), *id;
    struct buf out = BUF_INIT(MAX_MOUNTS);
    const char *name;

    json_object_foreach(networks, name, id)(void)
        buf_printf(&out, "%s%s", out.size ? "," : "", name);
    return out.data ? buf_take(&out) : xstrdup("");
}

static json_int_t count_volumes(const json_t *c)
{
    const json_t *mounts = json_object_get(c, "mounts");
    json_int_t n = 0;

    for (size_t i = 0; i < json_array_size(mounts); i++)
        n += str_eq(member_text(json_array_get(mounts, i), "type"), "volume");
    return n;
}

/* The container with docker's names of fields. */
static json_t *describe(const json_t *c, bool no_trunc, int64_t now_ms)
{
    json_t *o = json_object(), *labels = json_object_get(c, "labels");
    const char *state = member_text(c, "engine_state");

    listing_set_field(o, "ID", xstrndup(member_full_id(c), no_trunc ? 64 : 12));
    listing_set_field(o, "Names", xstrdup(member_text(c, "name")));
    listing_set_field(o, "Image", format_image(c, no_trunc));
    listing_set_field(o, "Command", quote_command(c, no_trunc));
    listing_set_field(o, "CreatedAt", format_time(member_text(c, "created")));
    listing_set_field(o, "RunningFor", text_ago(member_text(c, "created"), now_ms, ""));
    listing_set_field(o, "Ports", ports_text(json_object_get(c, "ports_raw")));
    listing_set_field(o, "State", xstrdup(*state ? state : member_state(c)));
    listing_set_field(o, "Status", format_status(c));
    listing_set_field(o, "Size", xstrdup("0B")); /* as docker without --size */
    listing_set_field(o, "Labels", format_labels(labels));
    listing_set_field(o, "Mounts", format_mounts(c, no_trunc));
    listing_set_field(o, "Networks", format_networks(c));
    listing_set_field(o, "LocalVolumes", xasprintf("%lld", (long long)count_volumes(c)));
    listing_set_field(o, "Host", xstrdup(member_text(c, "host_name")));
    (void)json_object_set(o, FORMAT_LABELS, labels);
    return o;
}

static int print_format(const struct format *f, const json_t *list, bool no_trunc)
{
    json_auto_t *rows = json_array();
    int64_t now_ms = time_utc_ms();
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < json_array_size(list); i++)
        (void)json_array_append_new(rows, describe(json_array_get(list, i), no_trunc, now_ms));
    return format_print(f, rows, fields, &err) < 0 ? output_failure(NULL, err.msg) : 0;
}

static void print_ids(const json_t *list, bool no_trunc)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        output_line("%.*s", no_trunc ? 64 : 12, member_full_id(json_array_get(list, i)));
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
    _cleanup_(format_done) struct format format = {0};
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;
    json_auto_t *chosen = NULL;

    (void)verb;
    (void)words;
    if (read_selection(o, &selection, &err) < 0 || format_parse(o->format, &format, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (containers_fetch(c, &list, &err) < 0 ||
        ps_filters_resolve(&selection.filters, c, list, &err) < 0) {
        return output_failure(NULL, err.msg);
    }
    chosen = ps_select(list, &selection);
    containers_note_unlisted(c);
    if (o->json) {
        output_json(chosen);
    } else if (o->quiet) {
        print_ids(chosen, o->no_trunc);
    } else if (format.kind != FORMAT_NONE) {
        return print_format(&format, chosen, o->no_trunc);
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
                "  dockmon ps -q --filter label=com.docker.compose.project=shop\n"
                "  dockmon ps --format 'table {{.Host}}\\t{{.Names}}\\t{{.Status}}'\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct ps_options),
    .run = run,
};
