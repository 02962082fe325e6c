#include "base/alloc.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"

struct rm_options {
    bool is_forced, with_volumes;
};

static const struct flag flags[] = {
    {"force",   'f', FLAG_BOOL, offsetof(struct rm_options, is_forced),    NULL,
     "remove the container even if it is running"},
    {"volumes", 'v', FLAG_BOOL, offsetof(struct rm_options, with_volumes), NULL,
     "also remove its anonymous volumes"         },
};

static void fill_request(void *owner, const json_t *container, struct client_request *r)
{
    const struct rm_options *o = owner;
    _cleanup_free_ char *tail = xasprintf("?force=%s&removeVolumes=%s",
                                          o->is_forced ? "true" : "false",
                                          o->with_volumes ? "true" : "false");

    r->method = "DELETE";
    r->path = container_path(container, tail);
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct rm_options *o = options;

    (void)verb;
    return c ? containers_each(c, words,
                               &(struct containers_batch){.fill = fill_request,
                                                          .owner = options,
                                                          .may_be_absent = o->is_forced})
             : 1;
}

const struct verb verb_rm = {
    .name = "rm",
    .operation = OPERATION_REMOVE,
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Remove containers",
    .examples = "  dockmon rm old-web\n  dockmon rm -f -v prod-1/web\n",
    VERB_FLAGS(flags),
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .options_size = sizeof(struct rm_options),
    .run = run,
};
