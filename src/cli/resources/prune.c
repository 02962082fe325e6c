/*
 * image prune, network prune, volume prune. They ask first, because a removal cannot be undone.
 */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/prompt.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/resources/resources.h"

#include <errno.h>
#include <strings.h>

#define MAX_QUESTION 4096
#define MAX_NAMED    20 /* hosts in the question */

struct prune_options {
    struct args_list hosts;
    bool is_forced;
    bool is_all; /* accepted for docker's -a, see below */
};

#define AT(m) offsetof(struct prune_options, m)

/* -a has no effect: the engines are always asked to remove everything that is unused. */
static const struct flag flags[] = {
    HOSTS_FLAG(prune_options, hosts),
    {"force", 'f', FLAG_BOOL, AT(is_forced), NULL, "do not ask"              },
    {"all",   'a', FLAG_BOOL, AT(is_all),    NULL,
                            "accepted as in docker; everything unused is removed with or without it"},
};

/* The differences between the three verbs. */
struct prune {
    const char *path;
    const char *what;    /* object of the question */
    const char *heading; /* of the list of names; NULL: the answer has only a count */
    const char *names;   /* member with the names */
};

/* To be freed. */
static char *make_question(const struct prune *p, const json_t *hosts)
{
    struct buf b = BUF_INIT(MAX_QUESTION);
    size_t n = json_array_size(hosts);

    (void)buf_printf(&b, "WARNING! This will remove %s on ", p->what);
    for (size_t i = 0; i < n && i < MAX_NAMED; i++) {
        _cleanup_free_ char *name = text_escape_str(member_text(json_array_get(hosts, i), "name"));

        (void)buf_printf(&b, "%s%s", i ? ", " : "", name);
    }
    if (n > MAX_NAMED)
        (void)buf_printf(&b, " and %zu more hosts", n - MAX_NAMED);
    (void)buf_append_str(&b, ".\nAre you sure you want to continue? [y/N] ");
    return buf_take(&b);
}

/* Returns 0 for yes, 1 for no, or a negative errno if there is nobody to ask. */
static int confirm(const struct prune *p, const json_t *hosts, struct error *err)
{
    _cleanup_free_ char *question = make_question(p, hosts);
    _cleanup_free_ char *answer = NULL;
    int r = prompt_line(question, false, &answer, err);

    if (r == -ENOTTY) {
        return error_set(err, r,
                         "there is no terminal to ask on; use --force to remove without asking");
    }
    if (r < 0)
        return r;
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0 ? 0 : 1;
}

static void print_removed(void *owner, const char *host, const json_t *answer)
{
    const struct prune *p = owner;
    const json_t *names = p->names ? json_object_get(answer, p->names) : NULL;
    const json_t *space = json_object_get(answer, "space_reclaimed");
    _cleanup_free_ char *size = text_size(json_integer_value(space));

    if (host)
        output_line("%s:", host);
    if (!p->names) {
        output_line("Deleted Images: %lld", (long long)member_integer(answer, "removed_count"));
    } else if (json_array_size(names) > 0) {
        output_line("%s", p->heading);
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        output_line("%s", name ? name : "");
    }
    if (space)
        output_line("Total reclaimed space: %s", size);
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct prune_options *o = options;
    const struct prune *p = verb->data;
    json_auto_t *hosts = NULL;
    struct error err = ERROR_INIT;
    int r;

    (void)words;
    if (!c)
        return 1;
    r = hosts_choose(c, &o->hosts, HOSTS_ONLY_ONE, &hosts, &err);
    if (r == 0 && !o->is_forced)
        r = confirm(p, hosts, &err);
    if (r != 0)
        return r < 0 ? output_failure(NULL, err.msg) : 1;
    return resources_post(c, hosts,
                          &(struct resources_batch){.path = p->path,
                                                    .show = print_removed,
                                                    .owner = (void *)(uintptr_t)p});
}

static const struct prune images = {"images/prune", "all images that no container uses", NULL,
                                    NULL};
static const struct prune networks = {"networks/prune", "all networks that no container uses",
                                      "Deleted Networks:", "networks_removed"};
static const struct prune volumes = {"volumes/prune",
                                     "all volumes that no container uses, including named ones,",
                                     "Deleted Volumes:", "volumes_removed"};

/* clang-format off: one verb per block */
#define PRUNE(kind, verb_name, id, text, sample)      \
    const struct verb verb_##kind##_prune = {         \
        .name = (verb_name),                          \
        .operation = (id),                            \
        .usage = "[OPTIONS]",                         \
        .summary = (text),                            \
        .examples = (sample),                         \
        VERB_FLAGS(flags),                            \
        .options_size = sizeof(struct prune_options), \
        .run = run,                                   \
        .data = &kind##s,                             \
    }
/* clang-format on */

PRUNE(image,
      "image prune",
      OPERATION_PRUNE_IMAGES,
      "Remove unused images",
      "  dockmon image prune --host prod-1\n  dockmon image prune --host all -f\n");
PRUNE(network,
      "network prune",
      OPERATION_PRUNE_NETWORKS,
      "Remove unused networks",
      "  dockmon network prune --host prod-1\n  dockmon network prune --host all -f\n");
PRUNE(volume,
      "volume prune",
      OPERATION_PRUNE_VOLUMES,
      "Remove unused volumes",
      "  dockmon volume prune --host prod-1\n  dockmon volume prune --host all -f\n");
