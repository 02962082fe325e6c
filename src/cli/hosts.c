#include "base/alloc.h"
#include "base/str.h"
#include "cli/containers.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"

#define MAX_OUTPUT (SIZE_MAX / 2)

struct hosts_options {
    bool quiet, json;
};

static const struct flag flags[] = {
    {"quiet", 'q', FLAG_BOOL, offsetof(struct hosts_options, quiet), NULL, "show ids only"},
    {"json",  0,   FLAG_BOOL, offsetof(struct hosts_options, json),  NULL,
     "print the server's list as a JSON array"                                            },
};

static const char *const headers[] = {"HOST ID", "NAME",  "STATUS", "CONTAINERS", "OS",
                                      "DOCKER",  "AGENT", "POLICY", "ADDRESS"};

static void add_row(struct table *t, const json_t *h)
{
    bool is_online = str_eq(container_text(h, "status"), "online");
    _cleanup_free_ char *id = xstrndup(container_text(h, "id"), 12);
    _cleanup_free_ char *count = xasprintf(
        "%lld", (long long)json_integer_value(json_object_get(h, "container_count")));

    table_add(t, id);
    table_add(t, container_text(h, "name"));
    table_add_coloured(t, container_text(h, "status"), is_online ? COLOUR_GREEN : COLOUR_RED);
    table_add(t, count);
    table_add(t, container_text(h, "os_version"));
    table_add(t, container_text(h, "docker_version"));
    table_add(t, container_text(json_object_get(h, "agent"), "version"));
    table_add(t, container_text(json_object_get(h, "agent"), "policy"));
    table_add(t, container_text(h, "host_ip"));
}

static void print_table(const json_t *list)
{
    struct buf out = BUF_INIT(MAX_OUTPUT);
    struct table t;

    table_init(&t, ARRAY_LEN(headers), headers);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_row(&t, json_array_get(list, i));
    table_print(&t, output_has_colours(), &out);
    output_raw(buf_str(&out), out.size);
    buf_done(&out);
    table_done(&t);
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct hosts_options *o = options;
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
    if (o->json) {
        output_json(list);
    } else if (o->quiet) {
        for (size_t i = 0; i < json_array_size(list); i++)
            output_line("%s", container_text(json_array_get(list, i), "id"));
    } else {
        print_table(list);
    }
    return 0;
}

const struct verb verb_hosts = {
    .name = "hosts",
    .usage = "[OPTIONS]",
    .summary = "List the Docker hosts",
    .examples = "  dockmon hosts\n  dockmon hosts --json | jq '.[].name'\n",
    .flags = flags,
    .n_flags = ARRAY_LEN(flags),
    .options_size = sizeof(struct hosts_options),
    .run = run,
};
