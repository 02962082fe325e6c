/*
 * images, rmi. An image is named by a tag, where ":latest" is the default, or by the beginning of
 * its id. It is removed by the name that the user gave: removing a tag keeps the image while it has
 * others.
 */

#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/table.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/resources/resources.h"

#include <fnmatch.h>
#include <string.h>

#define NONE "<none>"

static const struct flag ls_flags[] = {
    RESOURCE_LS_FLAGS("ids", "reference= dangling= label= before= since= until=")};

static const char *const headers[] = {"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "HOST"};

/* The tag of "host:5000/web:1" is "1"; "" if there is none. */
static const char *find_tag(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *colon = strrchr(slash ? slash : name, ':');

    return colon ? colon + 1 : "";
}

/* Docker leaves out its own registry in names, and Podman, which does not, has "localhost/" too. */
static const char *strip_default_registry(const char *name)
{
    static const char *const prefixes[] = {"docker.io/library/", "docker.io/", "localhost/"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (str_starts_with(name, prefixes[i]))
            return name + strlen(prefixes[i]);
    }
    return name;
}

/* "two:a" names "localhost/two:a", but "localhost/two:a" does not name "docker.io/library/two:a". */
static bool is_named(const char *own, const char *tag)
{
    return str_eq(own, tag) || str_eq(strip_default_registry(own), tag) ||
           (str_starts_with(tag, "docker.io/") && str_eq(own, strip_default_registry(tag)));
}

/* By a tag, where ":latest" is the default, or by the id. */
static char *find_ref(const json_t *image, const char *word, enum resource_match how)
{
    bool has_tag = *find_tag(word) || strchr(word, '@');
    _cleanup_free_ char *tag = xasprintf("%s%s", word, has_tag ? "" : ":latest");
    const char *id = str_starts_with(word, "sha256:") ? word + strlen("sha256:") : word;
    const json_t *tags = json_object_get(image, "tags");
    const char *own_id = member_text(image, "id");

    for (size_t i = 0; i < json_array_size(tags) && how == RESOURCE_EXACT; i++) {
        const char *own = json_string_value(json_array_get(tags, i));

        if (own && is_named(own, tag))
            return xstrdup(own);
    }
    if (how == RESOURCE_EXACT && strlen(id) >= CONTAINER_SHORT_ID_LEN &&
        str_starts_with(id, own_id) && *own_id)
        return xstrdup(id);
    return how == RESOURCE_PREFIX && *id && str_starts_with(own_id, id) ? xstrdup(own_id) : NULL;
}

static void add_row(struct table *t, const json_t *image, const char *name)
{
    const char *tag = name ? find_tag(name) : NONE;
    size_t size = name ? (size_t)(tag - name) - (*tag ? 1 : 0) : 0;
    _cleanup_free_ char *repository = name ? xstrndup(name, *tag ? size : strlen(name))
                                           : xstrdup(NONE);
    _cleanup_free_ char *age = text_ago(member_text(image, "created"), time_utc_ms(), "N/A");
    _cleanup_free_ char *bytes = text_size(member_integer(image, "size"));

    table_add(t, repository);
    table_add(t, *tag ? tag : NONE);
    table_add(t, member_text(image, "id"));
    table_add(t, age);
    table_add(t, bytes);
    table_add(t, member_text(image, "host_name"));
}

/* One row for each tag, as docker has it. */
static void add_rows(struct table *t, const json_t *image)
{
    const json_t *tags = json_object_get(image, "tags");

    if (json_array_size(tags) == 0)
        add_row(t, image, NULL);
    for (size_t i = 0; i < json_array_size(tags); i++)
        add_row(t, image, json_string_value(json_array_get(tags, i)));
}

static void print_table(const json_t *list)
{
    struct table t;

    table_init(&t, ARRAY_LEN(headers), headers);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_rows(&t, json_array_get(list, i));
    output_table(&t);
}

static bool match_dangling(const json_t *image, const struct filter *f)
{
    return member_is_true(image, "dangling") == (f->number != 0);
}

static bool is_reference(const char *name, const char *pattern)
{
    size_t tag_size = strlen(find_tag(name));
    _cleanup_free_ char *repository = tag_size ? xstrndup(name, strlen(name) - tag_size - 1) : NULL;

    return fnmatch(pattern, name, FNM_PATHNAME) == 0 ||
           (repository && fnmatch(pattern, repository, FNM_PATHNAME) == 0);
}

/* A pattern of the shell, of the name with or without the tag. */
static bool match_reference(const json_t *image, const struct filter *f)
{
    const json_t *tags = json_object_get(image, "tags");

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *name = json_string_value(json_array_get(tags, i));

        if (name && is_reference(name, f->value))
            return true;
    }
    return false;
}

/* Of several tags those that no reference= has chosen are left out, as docker does. */
static void trim_tags(json_t *image, const struct filters *f)
{
    json_t *tags = json_object_get(image, "tags");

    for (size_t i = json_array_size(tags); i > 0 && filters_have(f, "reference"); i--) {
        const char *name = json_string_value(json_array_get(tags, i - 1));
        bool is_chosen = false;

        for (size_t k = 0; k < f->n && name; k++) {
            if (f->items[k].key->matches == match_reference &&
                is_reference(name, f->items[k].value))
                is_chosen = true;
        }
        if (!is_chosen)
            (void)json_array_remove(tags, i - 1);
    }
}

static const struct filter_key filters[] = {
    {"reference",      FILTER_TEXT, NULL, false, match_reference},
    {"dangling",            FILTER_BOOL, NULL, true, match_dangling},
    {"label", FILTER_TEXT, NULL, true, filter_match_label},
    {"before",       FILTER_REF, NULL, false, filter_match_before},
    {"since",            FILTER_REF, NULL, false, filter_match_since},
    {"until",  FILTER_TIME, NULL, false, filter_match_before},
    {0         },
};

static const struct format_field fields[] = {
    {"ID",           "IMAGE ID"},
    {"Repository",              "REPOSITORY"},
    {"Tag","TAG"},
    {"Digest",          "DIGEST"},
    {"CreatedSince",              "CREATED"},
    {"CreatedAt","CREATED AT"},
    {"Size", "SIZE"},
    {"Containers",              "CONTAINERS"},
    {"SharedSize",      "SHARED SIZE"},
    {"UniqueSize",         "UNIQUE SIZE"},
    {"Host",              "HOST"},
    {0},
};

static void describe_tag(const json_t *image, const char *name, json_t *rows)
{
    size_t tag_size = name ? strlen(find_tag(name)) : 0;
    json_t *o = json_object();

    listing_set_field(o, "ID", xstrdup(member_text(image, "id")));
    listing_set_field(o, "Repository",
                      !name      ? xstrdup(NONE)
                      : tag_size ? xstrndup(name, strlen(name) - tag_size - 1)
                                 : xstrdup(name));
    listing_set_field(o, "Tag", xstrdup(tag_size ? find_tag(name) : NONE));
    listing_set_field(o, "Digest", xstrdup(NONE));
    listing_set_field(o, "CreatedSince",
                      text_ago(member_text(image, "created"), time_utc_ms(), "N/A"));
    listing_set_field(o, "CreatedAt", format_time(member_text(image, "created")));
    listing_set_field(o, "Size", text_size(member_integer(image, "size")));
    listing_set_field(o, "Containers", xstrdup("N/A")); /* these as docker without --verbose */
    listing_set_field(o, "SharedSize", xstrdup("N/A"));
    listing_set_field(o, "UniqueSize", xstrdup("N/A"));
    listing_set_field(o, "Host", xstrdup(member_text(image, "host_name")));
    (void)json_object_set(o, FORMAT_LABELS, json_object_get(image, "labels"));
    (void)json_array_append_new(rows, o);
}

static void describe(const json_t *image, json_t *rows)
{
    const json_t *tags = json_object_get(image, "tags");

    if (json_array_size(tags) == 0)
        describe_tag(image, NULL, rows);
    for (size_t i = 0; i < json_array_size(tags); i++)
        describe_tag(image, json_string_value(json_array_get(tags, i)), rows);
}

const struct resource_kind resource_images = {
    .path = "images",
    .noun = "image",
    .order = "id",
    .is_newest_first = true,
    .listing = {.quiet_member = "id", .describe = describe, .fields = fields},
    .filters = filters,
    .trim = trim_tags,
    .print = print_table,
    .find_ref = find_ref,
};

const struct verb verb_images = {
    .name = "images",
    .operation = OPERATION_LIST_IMAGES,
    .summary = "List the images of all hosts",
    .examples = "  dockmon images\n  dockmon images --host prod-1 -q\n",
    RESOURCE_LS(resource_images, ls_flags),
};

static const struct flag rm_flags[] = {
    RESOURCE_RM_FLAGS("remove the image even if it has several names or stopped containers use it"),
};

const struct verb verb_rmi = {
    .name = "rmi",
    .operation = OPERATION_REMOVE_IMAGE,
    .usage = "[OPTIONS] IMAGE [IMAGE...]",
    .summary = "Remove images",
    .examples = "  dockmon rmi web:1.2\n  dockmon rmi --host prod-1 --host prod-2 web:1.2\n"
                "  dockmon rmi --host all 4f1c2b3a4d5e\n",
    .words = WORDS_IMAGES,
    RESOURCE_RM(resource_images, rm_flags),
};
