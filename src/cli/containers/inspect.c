#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"

static void fill_request(void *owner, const json_t *container, struct client_request *r)
{
    (void)owner;
    r->method = "GET";
    r->path = container_path(container, "/inspect");
}

static void collect_answer(void *owner, const char *word, const struct client_request *r)
{
    (void)word;
    (void)json_array_append(owner, r->json);
}

/* Prints an array of the containers that were found, even if others were not, as docker does. */
static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *all = json_array();
    int exit_code;

    (void)verb;
    (void)options;
    if (!c)
        return 1;
    exit_code = containers_each(c, words,
                                &(struct containers_batch){fill_request, collect_answer, all});
    output_json(all);
    return exit_code;
}

const struct verb verb_inspect = {
    .name = "inspect",
    .operation = OPERATION_INSPECT,
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Show the engine's complete description of containers, as JSON",
    .examples = "  dockmon inspect web | jq '.[0].State'\n",
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .run = run,
};
