/*
 * network ls, network create, network rm. A network is named by its name or the beginning of its
 * id, and is removed by its id, because names need not be unique.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/verbs.h"
#include "cli/resources/resources.h"

static const struct flag ls_flags[] = {
    RESOURCE_LS_FLAGS("ids", "name= id= driver= scope= type= label= dangling=")};

static const struct listing_column columns[] = {
    {"NETWORK ID", "id",        NULL, NULL},
    {"NAME",       "name",      NULL, NULL},
    {"DRIVER",     "driver",    NULL, NULL},
    {"SCOPE",      "scope",     NULL, NULL},
    {"HOST",       "host_name", NULL, NULL},
};

static char *find_ref(const json_t *network, const char *word, enum resource_match how)
{
    const char *id = member_text(network, "id");
    bool is_match = false;

    switch (how) {
    case RESOURCE_EXACT:
        is_match = str_eq(id, word) || str_eq(member_text(network, "name"), word) ||
                   (str_is_hex(word, 64) && str_starts_with(word, id));
        break;
    case RESOURCE_PREFIX: is_match = *word && str_starts_with(id, word); break;
    case N_RESOURCE_MATCHES: break;
    }
    return is_match ? xstrdup(id) : NULL;
}

static bool match_name(const json_t *network, const struct filter *f)
{
    return filter_match_text(member_text(network, "name"), f);
}

static bool match_id(const json_t *network, const struct filter *f)
{
    return str_starts_with(member_text(network, "id"), f->value) ||
           str_starts_with(f->value, member_text(network, "id"));
}

static bool match_driver(const json_t *network, const struct filter *f)
{
    return str_eq(member_text(network, "driver"), f->value);
}

static bool match_scope(const json_t *network, const struct filter *f)
{
    return str_eq(member_text(network, "scope"), f->value);
}

static bool match_type(const json_t *network, const struct filter *f)
{
    return member_is_true(network, "is_builtin") == str_eq(f->value, "builtin");
}

/* As docker: a network that is not builtin and has no container. */
static bool match_dangling(const json_t *network, const struct filter *f)
{
    bool is_dangling = !member_is_true(network, "is_builtin") &&
                       member_integer(network, "container_count") == 0;

    return is_dangling == (f->number != 0);
}

static const struct filter_key filters[] = {
    {"name",      FILTER_PATTERN, NULL, false, match_name},
    {"id",       FILTER_TEXT, NULL, false, match_id},
    {"driver", FILTER_TEXT, NULL, false, match_driver},
    {"scope",        FILTER_TEXT, "local global swarm", false, match_scope},
    {"type",       FILTER_TEXT, "custom builtin", false, match_type},
    {"label",   FILTER_TEXT, NULL, true, filter_match_label},
    {"dangling",    FILTER_BOOL, NULL, true, match_dangling},
    {0      },
};

static const struct format_field fields[] = {
    {"ID",       "NETWORK ID"},
    {"Name",          "NAME"},
    {"Driver","DRIVER"},
    {"Scope",   "SCOPE"},
    {"Internal",          "INTERNAL"},
    {"Labels", "LABELS"},
    {"CreatedAt", "CREATED AT"},
    {"Host",          "HOST"},
    {0 },
};

static void describe(const json_t *network, json_t *rows)
{
    json_t *o = json_object(), *labels = json_object_get(network, "labels");

    listing_set_field(o, "ID", xstrdup(member_text(network, "id")));
    listing_set_field(o, "Name", xstrdup(member_text(network, "name")));
    listing_set_field(o, "Driver", xstrdup(member_text(network, "driver")));
    listing_set_field(o, "Scope", xstrdup(member_text(network, "scope")));
    (void)json_object_set_new(o, "Internal", format_bool(member_is_true(network, "internal")));
    listing_set_field(o, "Labels", format_labels(labels));
    listing_set_field(o, "CreatedAt", format_time(member_text(network, "created")));
    listing_set_field(o, "Host", xstrdup(member_text(network, "host_name")));
    (void)json_object_set(o, FORMAT_LABELS, labels);
    (void)json_array_append_new(rows, o);
}

const struct resource_kind resource_networks = {
    .path = "networks",
    .noun = "network",
    .order = "name",
    .listing = {.columns = columns,
                .n_columns = ARRAY_LEN(columns),
                .quiet_member = "id",
                .describe = describe,
                .fields = fields},
    .filters = filters,
    .find_ref = find_ref,
};

const struct verb verb_network_ls = {
    .name = "network ls",
    .operation = OPERATION_LIST_NETWORKS,
    .summary = "List the networks of all hosts",
    .examples = "  dockmon network ls --host prod-1\n",
    RESOURCE_LS(resource_networks, ls_flags),
};

struct create_options {
    struct args_list hosts;
    const char *driver, *subnet, *gateway;
    bool is_internal;
};

#define AT(m) offsetof(struct create_options, m)

static const struct flag create_flags[] = {
    HOSTS_FLAG(create_options, hosts),
    {"driver",   'd', FLAG_STRING, AT(driver),      "DRIVER",  "driver of the network (default bridge)"    },
    {"subnet",   0,   FLAG_STRING, AT(subnet),      "CIDR",    "subnet of the network, such as 10.5.0.0/16"},
    {"gateway",  0,   FLAG_STRING, AT(gateway),     "ADDRESS", "gateway in the subnet"                     },
    {"internal", 0,   FLAG_BOOL,   AT(is_internal), NULL,      "restrict external access to the network"   },
};

static int run_create(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct create_options *o = options;
    json_auto_t *body = json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", words->items[0], "driver",
                                  o->driver ? o->driver : "bridge", "subnet",
                                  o->subnet ? o->subnet : "", "gateway",
                                  o->gateway ? o->gateway : "", "internal", o->is_internal);

    (void)verb;
    return resources_create(&resource_networks, &o->hosts, body, "id");
}

const struct verb verb_network_create = {
    .name = "network create",
    .operation = OPERATION_CREATE_NETWORK,
    .usage = "[OPTIONS] NETWORK",
    .summary = "Create a network",
    .examples = "  dockmon network create --host prod-1 --subnet 10.5.0.0/16 shop\n"
                "  dockmon network create --host prod-1 --host prod-2 shop\n",
    VERB_FLAGS(create_flags),
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(struct create_options),
    .run = run_create,
};

static const struct flag rm_flags[] = {
    RESOURCE_RM_FLAGS("disconnect the containers that use the network")};

const struct verb verb_network_rm = {
    .name = "network rm",
    .operation = OPERATION_DELETE_NETWORK,
    .usage = "[OPTIONS] NETWORK [NETWORK...]",
    .summary = "Remove networks",
    .examples = "  dockmon network rm shop\n  dockmon network rm -f --host prod-1 shop\n",
    .words = WORDS_NETWORKS,
    RESOURCE_RM(resource_networks, rm_flags),
};
