#include "base/alloc.h"
#include "base/str.h"
#include "cli/containers.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/verbs.h"

static const struct flag flags[] = {
    LISTING_QUIET(0, "ids"),
    LISTING_JSON(0),
};

static char *id_text(const json_t *host, const void *owner)
{
    (void)owner;
    return xstrndup(container_text(host, "id"), 12);
}

static enum table_colour status_colour(const json_t *host)
{
    return str_eq(container_text(host, "status"), "online") ? COLOUR_GREEN : COLOUR_RED;
}

static char *agent_text(const json_t *host, const void *owner)
{
    (void)owner;
    return xstrdup(container_text(json_object_get(host, "agent"), "version"));
}

static char *policy_text(const json_t *host, const void *owner)
{
    (void)owner;
    return xstrdup(container_text(json_object_get(host, "agent"), "policy"));
}

static const struct listing_column columns[] = {
    {"HOST ID",    NULL,              id_text,     NULL         },
    {"NAME",       "name",            NULL,        NULL         },
    {"STATUS",     "status",          NULL,        status_colour},
    {"CONTAINERS", "container_count", NULL,        NULL         },
    {"OS",         "os_version",      NULL,        NULL         },
    {"DOCKER",     "docker_version",  NULL,        NULL         },
    {"AGENT",      NULL,              agent_text,  NULL         },
    {"POLICY",     NULL,              policy_text, NULL         },
    {"ADDRESS",    "host_ip",         NULL,        NULL         },
};

static const struct listing listing = {columns, ARRAY_LEN(columns), "id"};

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;

    (void)verb;
    (void)words;
    if (!c)
        return 1;
    if (client_get(c, xstrdup("/api/hosts"), &list, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    listing_print(&listing, list, options, NULL);
    return 0;
}

const struct verb verb_hosts = {
    .name = "hosts",
    .usage = "[OPTIONS]",
    .summary = "List the Docker hosts",
    .examples = "  dockmon hosts\n  dockmon hosts --json | jq '.[].name'\n",
    .flags = flags,
    .n_flags = ARRAY_LEN(flags),
    .options_size = sizeof(struct listing_options),
    .run = run,
};
