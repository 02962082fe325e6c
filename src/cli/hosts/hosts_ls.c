/*
 * hosts: the Docker hosts and their agents.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/client.h"
#include "cli/common/listing.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"

struct hosts_options {
    struct listing_options listing;
};

static const struct flag flags[] = {
    LISTING_QUIET(offsetof(struct hosts_options, listing), "ids"),
    LISTING_WIDE(
        offsetof(struct hosts_options, listing),
        "the policy, agent, system and address, the source of the statistics and why it is used, and errors"),
    LISTING_JSON(offsetof(struct hosts_options, listing)),
    LISTING_FORMAT(offsetof(struct hosts_options, listing)),
};

static char *format_id(const json_t *host, const void *owner)
{
    (void)owner;
    return xstrndup(member_text(host, "id"), 12);
}

static bool is_online(const json_t *host)
{
    return str_eq(member_text(host, "status"), "online");
}

/*
 * An agent that is connected may report a failure, mostly of its engine; --wide has the text. A
 * state that is not current has its age, as in "offline 3m".
 */
static char *format_status(const json_t *host, const void *owner)
{
    bool is_down = is_online(host) && container_engine_is_down(host, "error");
    _cleanup_free_ char *age = container_stale_age(host, "last_checked", time_utc_ms());

    (void)owner;
    if (is_down || !is_online(host)) {
        return xasprintf("%s%s%s", is_down ? "engine down" : member_text(host, "status"),
                         age ? " " : "", age ? age : "");
    }
    return xstrdup(*member_text(host, "error") ? "error" : member_text(host, "status"));
}

static enum table_colour choose_status_colour(const json_t *host)
{
    return is_online(host) && !*member_text(host, "error") ? COLOUR_GREEN : COLOUR_RED;
}

/* "3/5": running and all containers. A server that does not count the running ones: all. */
static char *format_containers(const json_t *host, const void *owner)
{
    const json_t *running = json_object_get(host, "running_count");
    long long n = (long long)member_integer(host, "container_count");

    (void)owner;
    if (!json_is_integer(running))
        return xasprintf("%lld", n);
    return xasprintf("%lld/%lld", (long long)json_integer_value(running), n);
}

static char *format_agent(const json_t *host, const void *owner)
{
    (void)owner;
    return xstrdup(member_text(json_object_get(host, "agent"), "version"));
}

static char *format_policy(const json_t *host, const void *owner)
{
    (void)owner;
    return xstrdup(member_text(json_object_get(host, "agent"), "policy"));
}

static const json_t *find_stats(const json_t *host)
{
    return json_object_get(json_object_get(host, "agent"), "stats");
}

/* "cgroup2, netlink": the source of the metrics of containers, and of their networks. */
static char *format_source(const json_t *host, const void *owner)
{
    const json_t *stats = find_stats(host);

    (void)owner;
    if (!stats || json_is_null(stats))
        return xstrdup("--");
    return xasprintf("%s, %s", member_text(stats, "containers"), member_text(stats, "network"));
}

/* The reason why the source is not a better one, and notes on what is missing. */
static char *format_reasons(const json_t *host, const void *owner)
{
    char *text = xstrdup(member_text(find_stats(host), "why"));
    const json_t *note;
    size_t i;

    (void)owner;
    json_array_foreach(json_object_get(find_stats(host), "notes"), i, note)
    {
        char *longer = xasprintf("%s%s%s", text, *text ? "; " : "",
                                 json_is_string(note) ? json_string_value(note) : "");

        free(text);
        text = longer;
    }
    return text;
}

static const struct listing_column columns[] = {
    {"HOST ID",    NULL,             format_id,         NULL                },
    {"NAME",       "name",           NULL,              NULL                },
    {"STATUS",     NULL,             format_status,     choose_status_colour},
    {"CONTAINERS", NULL,             format_containers, NULL                },
    {"DOCKER",     "docker_version", NULL,              NULL                },
    {"POLICY",     NULL,             format_policy,     NULL                },
    {"AGENT",      NULL,             format_agent,      NULL                },
    {"OS",         "os_version",     NULL,              NULL                },
    {"ADDRESS",    "host_ip",        NULL,              NULL                },
    {"STATISTICS", NULL,             format_source,     NULL                },
    {"WHY",        NULL,             format_reasons,    NULL                },
    {"ERROR",      "error",          NULL,              NULL                },
};

static const struct format_field fields[] = {
    {"ID",          "HOST ID"},
    {"Name",             "NAME"},
    {"Status","STATUS"},
    {"Containers",      "CONTAINERS"},
    {"OS",             "OS"},
    {"Docker","DOCKER"},
    {"Agent",          "AGENT"},
    {"Policy",             "POLICY"},
    {"Address",          "ADDRESS"},
    {"Statistics",       "STATISTICS"},
    {"Why",             "WHY"},
    {"Error","ERROR"},
    {0    },
};

/* The columns of --wide, by name. */
static void describe(const json_t *host, json_t *rows)
{
    json_t *o = json_object();

    listing_set_field(o, "ID", format_id(host, NULL));
    listing_set_field(o, "Name", xstrdup(member_text(host, "name")));
    listing_set_field(o, "Status", format_status(host, NULL));
    listing_set_field(o, "Containers", format_containers(host, NULL));
    listing_set_field(o, "OS", xstrdup(member_text(host, "os_version")));
    listing_set_field(o, "Docker", xstrdup(member_text(host, "docker_version")));
    listing_set_field(o, "Agent", format_agent(host, NULL));
    listing_set_field(o, "Policy", format_policy(host, NULL));
    listing_set_field(o, "Address", xstrdup(member_text(host, "host_ip")));
    listing_set_field(o, "Statistics", format_source(host, NULL));
    listing_set_field(o, "Why", format_reasons(host, NULL));
    listing_set_field(o, "Error", xstrdup(member_text(host, "error")));
    (void)json_array_append_new(rows, o);
}

#define NARROW_COLUMNS 5 /* the first ones, shown without --wide */

static const struct listing listing = {
    .columns = columns,
    .n_columns = ARRAY_LEN(columns),
    .n_narrow = NARROW_COLUMNS,
    .quiet_member = "id",
    .describe = describe,
    .fields = fields,
};

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_(format_done) struct format format = {0};
    const struct hosts_options *o = options;
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;

    (void)verb;
    (void)words;
    if (format_parse(o->listing.format, &format, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (client_get(c, xstrdup("/api/hosts"), &list, &err) < 0)
        return output_failure(NULL, err.msg);
    if (format.kind != FORMAT_NONE && !o->listing.json && !o->listing.quiet)
        return listing_print_format(&listing, list, &format);
    listing_print(&listing, list, &o->listing, NULL);
    return 0;
}

const struct verb verb_hosts = {
    .name = "hosts",
    .usage = "[OPTIONS]",
    .summary = "List the Docker hosts",
    .examples = "  dockmon hosts\n  dockmon hosts --wide\n  dockmon hosts --json | jq '.[].name'\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct hosts_options),
    .run = run,
};
