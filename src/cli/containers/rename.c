#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL, *target = NULL;
    const json_t *container;

    (void)verb;
    (void)options;
    if (!str_is_container_ref(words->items[1])) {
        output_error("\"%s\" is not a container name; use letters, digits, _ . and -",
                     words->items[1]);
        return 1;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (containers_fetch(c, &list, &err) < 0 ||
        containers_find(c, list, words->items[0], &container, &err) < 0)
        return output_failure(NULL, err.msg);
    target = container_by_ref(container, words->items[0]);
    if (client_send(c, "POST", container_path(target, "/rename"),
                    json_pack("{s:s}", "name", words->items[1]), NULL, &err) < 0)
        return output_failure(NULL, err.msg);
    return 0;
}

const struct verb verb_rename = {
    .name = "rename",
    .operation = OPERATION_RENAME,
    .usage = "CONTAINER NEW_NAME",
    .summary = "Rename a container",
    .examples = "  dockmon rename prod-1/web web-old\n",
    .words = WORDS_CONTAINERS,
    .min_words = 2,
    .max_words = 2,
    .run = run,
};
