/*
 * volume ls, volume create, volume rm. Volumes have no id: they are named by their full name.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/verbs.h"
#include "cli/resources/resources.h"

#include <string.h>

static const struct flag ls_flags[] = {
    RESOURCE_LS_FLAGS("names", "name= driver= label= dangling=")};

static const struct listing_column columns[] = {
    {"DRIVER",      "driver",    NULL, NULL},
    {"VOLUME NAME", "name",      NULL, NULL},
    {"HOST",        "host_name", NULL, NULL},
};

static char *find_ref(const json_t *volume, const char *word, enum resource_match how)
{
    const char *name = member_text(volume, "name");

    return how == RESOURCE_EXACT && str_eq(name, word) ? xstrdup(name) : NULL;
}

static bool match_name(const json_t *volume, const struct filter *f)
{
    return filter_match_text(member_text(volume, "name"), f);
}

static bool match_driver(const json_t *volume, const struct filter *f)
{
    return str_eq(member_text(volume, "driver"), f->value);
}

static bool match_dangling(const json_t *volume, const struct filter *f)
{
    return member_is_true(volume, "in_use") == (f->number == 0);
}

static const struct filter_key filters[] = {
    {"name",      FILTER_PATTERN, NULL, false, match_name},
    {"driver",       FILTER_TEXT, NULL, false, match_driver},
    {"label", FILTER_TEXT, NULL, true, filter_match_label},
    {"dangling",    FILTER_BOOL, NULL, true, match_dangling},
    {0      },
};

static const struct format_field fields[] = {
    {"Name",          "VOLUME NAME"},
    {"Driver",               "DRIVER"},
    {"Scope","SCOPE"},
    {"Mountpoint",         "MOUNTPOINT"},
    {"Labels",               "LABELS"},
    {"Links","LINKS"},
    {"Size",        "SIZE"},
    {"Availability",               "AVAILABILITY"},
    {"Group",              "GROUP"},
    {"Status",          "STATUS"},
    {"Host",               "HOST"},
    {0},
};

static void describe(const json_t *volume, json_t *rows)
{
    static const char *const absent[] = {"Links", "Size", "Availability", "Group", "Status"};
    json_t *o = json_object(), *labels = json_object_get(volume, "labels");
    const char *scope = member_text(volume, "scope");

    listing_set_field(o, "Name", xstrdup(member_text(volume, "name")));
    listing_set_field(o, "Driver", xstrdup(member_text(volume, "driver")));
    listing_set_field(o, "Scope", xstrdup(*scope ? scope : "local"));
    listing_set_field(o, "Mountpoint", xstrdup(member_text(volume, "mountpoint")));
    listing_set_field(o, "Labels", format_labels(labels));
    for (size_t i = 0; i < ARRAY_LEN(absent); i++)
        listing_set_field(o, absent[i], xstrdup("N/A"));
    listing_set_field(o, "Host", xstrdup(member_text(volume, "host_name")));
    (void)json_object_set(o, FORMAT_LABELS, labels);
    (void)json_array_append_new(rows, o);
}

const struct resource_kind resource_volumes = {
    .path = "volumes",
    .noun = "volume",
    .order = "name",
    .listing = {.columns = columns,
                .n_columns = ARRAY_LEN(columns),
                .quiet_member = "name",
                .describe = describe,
                .fields = fields},
    .filters = filters,
    .find_ref = find_ref,
};

const struct verb verb_volume_ls = {
    .name = "volume ls",
    .operation = OPERATION_LIST_VOLUMES,
    .summary = "List the volumes of all hosts",
    .examples = "  dockmon volume ls --host prod-1\n",
    RESOURCE_LS(resource_volumes, ls_flags),
};

struct create_options {
    struct args_list hosts, labels;
    const char *driver;
};

#define AT(m) offsetof(struct create_options, m)

static const struct flag create_flags[] = {
    HOSTS_FLAG(create_options, hosts),
    {"driver", 'd', FLAG_STRING, AT(driver), "DRIVER",    "driver of the volume (default local)"},
    {"label",  0,   FLAG_LIST,   AT(labels), "KEY=VALUE",
                             "label of the volume; may be given several times"                                          },
};

static json_t *make_labels(const struct args_list *labels)
{
    json_t *o = json_object();

    for (size_t i = 0; i < labels->n; i++) {
        const char *label = labels->items[i], *equals = strchr(label, '=');
        size_t size = equals ? (size_t)(equals - label) : strlen(label);
        _cleanup_free_ char *key = xstrndup(label, size);

        (void)json_object_set_new(o, key, json_string(equals ? equals + 1 : ""));
    }
    return o;
}

static int run_create(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct create_options *o = options;
    json_auto_t *body = json_pack("{s:s}", "name", words->n > 0 ? words->items[0] : "");

    (void)verb;
    if (o->driver)
        (void)json_object_set_new(body, "driver", json_string(o->driver));
    if (o->labels.n > 0)
        (void)json_object_set_new(body, "labels", make_labels(&o->labels));
    return resources_create(&resource_volumes, &o->hosts, body, "name");
}

const struct verb verb_volume_create = {
    .name = "volume create",
    .operation = OPERATION_CREATE_VOLUME,
    .usage = "[OPTIONS] [VOLUME]",
    .summary = "Create a volume",
    .examples = "  dockmon volume create --host prod-1 shop-data\n"
                "  dockmon volume create --host prod-1 --label team=shop shop-data\n",
    VERB_FLAGS(create_flags),
    .max_words = 1,
    .options_size = sizeof(struct create_options),
    .run = run_create,
};

static const struct flag rm_flags[] = {
    RESOURCE_RM_FLAGS("remove the volume even if its driver refuses; never one in use")};

const struct verb verb_volume_rm = {
    .name = "volume rm",
    .operation = OPERATION_DELETE_VOLUME,
    .usage = "[OPTIONS] VOLUME [VOLUME...]",
    .summary = "Remove volumes",
    .examples = "  dockmon volume rm shop-data\n",
    .words = WORDS_VOLUMES,
    RESOURCE_RM(resource_volumes, rm_flags),
};
