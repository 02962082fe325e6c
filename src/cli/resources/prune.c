/*
 * image prune, network prune, volume prune. Without --all they remove what docker's verbs remove:
 * images without a name and anonymous volumes. They ask first, because a removal cannot be undone,
 * and the question names the objects.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/prune_question.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/resources/resources.h"

#include <errno.h>

struct prune_options {
    struct args_list hosts;
    bool is_forced, is_dry_run, is_all;
};

#define AT(m) offsetof(struct prune_options, m)

#define COMMON_FLAGS                                                  \
    HOSTS_FLAG(prune_options, hosts),                                 \
        {"force", 'f', FLAG_BOOL, AT(is_forced), NULL, "do not ask"}, \
    {                                                                 \
        "dry-run", 0, FLAG_BOOL, AT(is_dry_run), NULL,                \
            "remove nothing; print what would be removed"             \
    }

static const struct flag image_flags[] = {
    COMMON_FLAGS,
    {"all", 'a', FLAG_BOOL, AT(is_all), NULL,
      "remove every image that no container uses, not only those without a name"},
};
static const struct flag network_flags[] = {COMMON_FLAGS};
static const struct flag volume_flags[] = {
    COMMON_FLAGS,
    {"all", 'a', FLAG_BOOL, AT(is_all), NULL,
      "remove every volume that no container uses, not only anonymous ones"},
};

/* The differences between the three verbs. */
struct prune {
    const char *path;
    const char *what, *what_all; /* object of the question, and with --all */
    bool has_all;                /* knows --all */
    const char *noun;            /* "Images" */
    const char *names;           /* member of the answer with the names */
};

/* To be freed. */
static char *make_path(const struct prune *p, const struct prune_options *o, bool is_dry_run)
{
    bool is_few = p->has_all && !o->is_all;

    return xasprintf("%s%s%s%s%s", p->path, is_few || is_dry_run ? "?" : "",
                     is_few ? "all=false" : "", is_few && is_dry_run ? "&" : "",
                     is_dry_run ? "dry_run=true" : "");
}

static void print_names(const json_t *answer, const char *member)
{
    const json_t *names = json_object_get(answer, member);

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        output_line("%s", name ? name : "");
    }
}

static void print_space(const char *label, const json_t *answer)
{
    const json_t *space = json_object_get(answer, "space_reclaimed");
    _cleanup_free_ char *size = text_size(json_integer_value(space));

    if (json_is_number(space))
        output_line("%s: %s", label, size);
}

static void print_removed(void *owner, const char *host, const json_t *answer)
{
    const struct prune *p = owner;
    const json_t *names = json_object_get(answer, p->names);

    if (host)
        output_line("%s:", host);
    if (!names) {
        output_line("Deleted %s: %lld", p->noun,
                    (long long)member_integer(answer, "removed_count"));
    } else if (json_array_size(names) > 0) {
        output_line("Deleted %s:", p->noun);
    }
    print_names(answer, p->names);
    print_space("Total reclaimed space", answer);
}

static void print_preview(const struct prune *p, const char *host, const json_t *answer)
{
    if (host)
        output_line("%s:", host);
    if (member_integer(answer, "removed_count") > 0)
        output_line("%s that would be deleted:", p->noun);
    print_names(answer, p->names);
    print_space("Space that would be reclaimed", answer);
}

/*
 * Asks each host for what would be removed. Appends {"host", "names"} to `previews`; the names are
 * null if the agent is too old to tell, which `is_lenient` allows.
 * Returns the exit code.
 */
static int preview(struct client *c,
                   const struct prune *p,
                   const struct prune_options *o,
                   const json_t *hosts,
                   json_t *previews)
{
    size_t n = json_array_size(hosts);
    _cleanup_free_ struct client_request *requests = xcalloc(n ? n : 1, sizeof(*requests));
    _cleanup_free_ char *path = make_path(p, o, true);
    bool is_lenient = !o->is_dry_run && (o->is_all || !p->has_all);
    int exit_code = 0;

    for (size_t i = 0; i < n; i++) {
        requests[i].method = "POST";
        requests[i].path = host_path(json_array_get(hosts, i), path);
    }
    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        const char *host = member_text(json_array_get(hosts, i), "name");
        json_t *answer = requests[i].json;

        if (requests[i].code < 0 && !(is_lenient && requests[i].code == -ENOSYS)) {
            exit_code = output_failure(host, requests[i].error);
        } else if (o->is_dry_run) {
            print_preview(p, n > 1 ? host : NULL, answer);
        } else {
            (void)json_array_append_new(previews, json_pack("{s:s, s:O?}", "host", host, "names",
                                                            json_object_get(answer, p->names)));
        }
        client_request_done(&requests[i]);
    }
    return exit_code;
}

static bool is_empty(const json_t *previews)
{
    for (size_t i = 0; i < json_array_size(previews); i++) {
        const json_t *names = json_object_get(json_array_get(previews, i), "names");

        if (!json_is_array(names) || json_array_size(names) > 0)
            return false;
    }
    return true;
}

/* Returns 0 to go on, 1 to end with `*exit_code`. */
static int confirm(struct client *c,
                   const struct prune *p,
                   const struct prune_options *o,
                   const json_t *hosts,
                   int *exit_code)
{
    json_auto_t *previews = json_array();
    struct error err = ERROR_INIT;
    int r;

    *exit_code = preview(c, p, o, hosts, previews);
    if (*exit_code || o->is_dry_run)
        return 1;
    if (is_empty(previews)) {
        output_line("There is nothing to remove.");
        return 1;
    }
    r = prune_ask(o->is_all ? p->what_all : p->what, previews, &err);
    if (r != 0)
        *exit_code = r < 0 ? output_failure(NULL, err.msg) : 1;
    return r != 0;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct prune_options *o = options;
    const struct prune *p = verb->data;
    _cleanup_free_ char *path = make_path(p, o, false);
    json_auto_t *hosts = NULL;
    struct error err = ERROR_INIT;
    int exit_code = 0;

    (void)words;
    if (!c)
        return 1;
    if (hosts_choose(c, &o->hosts, HOSTS_ONLY_ONE, &hosts, &err) < 0)
        return output_failure(NULL, err.msg);
    if ((o->is_dry_run || !o->is_forced) && confirm(c, p, o, hosts, &exit_code))
        return exit_code;
    return resources_post(c, hosts,
                          &(struct resources_batch){
                              .path = path, .show = print_removed, .owner = (void *)(uintptr_t)p});
}

static const struct prune images = {"images/prune",
                                    "all images without a name that no container uses",
                                    "all images that no container uses",
                                    true,
                                    "Images",
                                    "images_removed"};
static const struct prune networks = {
    "networks/prune",   "all networks that no container uses", "", false, "Networks",
    "networks_removed",
};
static const struct prune volumes = {
    "volumes/prune",
    "all anonymous volumes that no container uses",
    "all volumes that no container uses, including named ones",
    true,
    "Volumes",
    "volumes_removed",
};

/* clang-format off: one verb per block */
#define PRUNE(kind, verb_name, id, text, sample)      \
    const struct verb verb_##kind##_prune = {         \
        .name = (verb_name),                          \
        .operation = (id),                            \
        .usage = "[OPTIONS]",                         \
        .summary = (text),                            \
        .examples = (sample),                         \
        VERB_FLAGS(kind##_flags),                     \
        .options_size = sizeof(struct prune_options), \
        .run = run,                                   \
        .data = &kind##s,                             \
    }
/* clang-format on */

PRUNE(image,
      "image prune",
      OPERATION_PRUNE_IMAGES,
      "Remove unused images",
      "  dockmon image prune --dry-run\n  dockmon image prune -a --host prod-1\n"
      "  dockmon image prune --host all -f\n");
PRUNE(network,
      "network prune",
      OPERATION_PRUNE_NETWORKS,
      "Remove unused networks",
      "  dockmon network prune --host prod-1\n  dockmon network prune --host all -f\n");
PRUNE(volume,
      "volume prune",
      OPERATION_PRUNE_VOLUMES,
      "Remove unused volumes",
      "  dockmon volume prune --dry-run\n  dockmon volume prune -a --host prod-1\n"
      "  dockmon volume prune --host all -f\n");
