/*
 * system df: the disk space that images, containers, volumes and build cache take on each host.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/resources/resources.h"

#include <string.h>

/* The first so many columns of the tables of -v are texts and sizes of an item, in this order. */
enum item_column { ITEM_ID, ITEM_NAME, ITEM_CREATED, ITEM_SIZE, ITEM_SHARED, ITEM_LINKS };

#define MAX_ITEM_COLUMNS 6

static const struct disk_type {
    const char *type, *title, *heading;
    struct item {
        const char *header;
        enum item_column column;
    } items[MAX_ITEM_COLUMNS + 1]; /* ends with one without a header */
} types[] = {
    {"images",
     "Images",        "Images",
     {{"IMAGE", ITEM_NAME},
      {"IMAGE ID", ITEM_ID},
      {"CREATED", ITEM_CREATED},
      {"SIZE", ITEM_SIZE},
      {"SHARED SIZE", ITEM_SHARED},
      {"CONTAINERS", ITEM_LINKS}}                                            },
    {"containers",
     "Containers",    "Containers",
     {{"CONTAINER ID", ITEM_ID},
      {"NAMES", ITEM_NAME},
      {"LOCAL VOLUMES", ITEM_LINKS},
      {"SIZE", ITEM_SIZE},
      {"CREATED", ITEM_CREATED}}                                             },
    {"volumes",
     "Local Volumes", "Local Volumes",
     {{"VOLUME NAME", ITEM_NAME}, {"LINKS", ITEM_LINKS}, {"SIZE", ITEM_SIZE}}},
    {"build_cache",
     "Build Cache",   "Build cache",
     {{"CACHE ID", ITEM_ID},
      {"CACHE TYPE", ITEM_NAME},
      {"SIZE", ITEM_SIZE},
      {"SHARED SIZE", ITEM_SHARED},
      {"CREATED", ITEM_CREATED},
      {"USAGE", ITEM_LINKS}}                                                 },
};

/* The index in `types`, or their number for a type that is not known. */
static size_t find_type(const json_t *element)
{
    size_t i = 0;

    while (i < ARRAY_LEN(types) && !str_eq(types[i].type, member_text(element, "type")))
        i++;
    return i;
}

static int compare_types(const json_t *a, const json_t *b)
{
    size_t x = find_type(a), y = find_type(b);

    return (x > y) - (x < y);
}

static char *make_title(const json_t *element, const void *owner)
{
    size_t i = find_type(element);

    (void)owner;
    return xstrdup(i < ARRAY_LEN(types) ? types[i].title : member_text(element, "type"));
}

static char *make_size(const json_t *element, const void *owner)
{
    (void)owner;
    return text_size(member_integer(element, "size"));
}

/* As docker: "1.2GB (60%)", without a share for the build cache. */
static char *make_reclaimable(const json_t *element, const void *owner)
{
    int64_t size = member_integer(element, "size");
    int64_t reclaimable = member_integer(element, "reclaimable");
    _cleanup_free_ char *text = text_size(reclaimable);

    (void)owner;
    if (size <= 0 || str_eq(member_text(element, "type"), "build_cache"))
        return xstrdup(text);
    return xasprintf("%s (%d%%)", text, (int)(100.0 * (double)reclaimable / (double)size));
}

static const struct listing_column columns[] = {
    {"TYPE",        NULL,        make_title,       NULL},
    {"TOTAL",       "total",     NULL,             NULL},
    {"ACTIVE",      "active",    NULL,             NULL},
    {"SIZE",        NULL,        make_size,        NULL},
    {"RECLAIMABLE", NULL,        make_reclaimable, NULL},
    {"HOST",        "host_name", NULL,             NULL},
};

static const struct format_field fields[] = {
    {"Type",        "TYPE"},
    {"TotalCount",             "TOTAL"},
    {"Active","ACTIVE"},
    {"Size",      "SIZE"},
    {"Reclaimable",             "RECLAIMABLE"},
    {"Host",  "HOST"},
    {0},
};

static void describe(const json_t *element, json_t *rows)
{
    json_t *o = json_object();

    listing_set_field(o, "Type", make_title(element, NULL));
    listing_set_field(o, "TotalCount",
                      xasprintf("%lld", (long long)member_integer(element, "total")));
    listing_set_field(o, "Active", xasprintf("%lld", (long long)member_integer(element, "active")));
    listing_set_field(o, "Size", make_size(element, NULL));
    listing_set_field(o, "Reclaimable", make_reclaimable(element, NULL));
    listing_set_field(o, "Host", xstrdup(member_text(element, "host_name")));
    (void)json_array_append_new(rows, o);
}

/* --- -v --- */

static char *make_cell(const json_t *item, enum item_column column)
{
    const char *name = member_text(item, "name");

    switch (column) {
    case ITEM_ID: return xstrdup(member_text(item, "id"));
    case ITEM_NAME: return xstrdup(str_is_empty(name) ? "<none>" : name);
    case ITEM_CREATED: return text_ago(member_text(item, "created"), time_utc_ms(), "N/A");
    case ITEM_SIZE: return text_size(member_integer(item, "size"));
    case ITEM_SHARED: return text_size(member_integer(item, "shared_size"));
    case ITEM_LINKS: return xasprintf("%lld", (long long)member_integer(item, "links"));
    }
    return xstrdup("");
}

static void add_items(struct table *t, const struct disk_type *type, const json_t *element)
{
    const json_t *items = json_object_get(element, "items");

    for (size_t i = 0; i < json_array_size(items); i++) {
        for (const struct item *c = type->items; c->header; c++) {
            _cleanup_free_ char *cell = make_cell(json_array_get(items, i), c->column);

            table_add(t, cell);
        }
        table_add(t, member_text(element, "host_name"));
    }
}

static void print_type(const struct disk_type *type, const json_t *list)
{
    const char *headers[MAX_ITEM_COLUMNS + 1];
    struct table t;
    size_t n = 0;

    for (; type->items[n].header; n++)
        headers[n] = type->items[n].header;
    headers[n++] = "HOST";
    table_init(&t, n, headers);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);

        if (str_eq(member_text(element, "type"), type->type))
            add_items(&t, type, element);
    }
    output_line("%s space usage:", type->heading);
    output_raw("\n", 1);
    output_table(&t);
}

static void print_items(const json_t *list)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (i > 0)
            output_raw("\n", 1);
        print_type(&types[i], list);
    }
}

/* --- the verb --- */

static const struct filter_key no_filters[] = {{0}};

#define KIND                                                                         \
    .path = "disk-usage", .noun = "type", .order = "type", .compare = compare_types, \
    .listing = {columns, ARRAY_LEN(columns), NULL, describe, fields, 0}, .filters = no_filters

static const struct resource_kind sums = {KIND};
static const struct resource_kind items = {KIND, .print = print_items};

struct df_options {
    struct resource_ls_options ls;
    bool verbose;
};

#define AT(m) offsetof(struct df_options, m)

static const struct flag flags[] = {
    HOSTS_FLAG(df_options, ls.hosts),
    {"verbose", 'v', FLAG_BOOL, AT(verbose), NULL, "show each image, container and volume"},
    LISTING_FORMAT(AT(ls.listing)),
    LISTING_JSON(AT(ls.listing)),
};

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct df_options *o = options;

    (void)verb;
    (void)words;
    return resources_list(o->verbose ? &items : &sums, &o->ls);
}

const struct verb verb_system_df = {
    .name = "system df",
    .operation = OPERATION_DISK_USAGE,
    .usage = "[OPTIONS]",
    .summary = "Show the disk space that images, containers and volumes take",
    .examples = "  dockmon system df\n  dockmon system df -v --host prod-1\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct df_options),
    .run = run,
};
