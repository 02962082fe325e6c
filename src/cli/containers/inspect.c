#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/template.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"

#include <string.h>

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

struct inspect_options {
    const char *format;
};

static const struct flag flags[] = {
    {"format", 'f', FLAG_STRING, offsetof(struct inspect_options, format), "FORMAT",
     "json, or a template such as '{{.State.Status}}'"},
};

/* One line for each container, as docker; of several that fail each is reported. */
static int print_template(const struct template *t, const json_t *all)
{
    int exit_code = 0;

    for (size_t i = 0; i < json_array_size(all); i++) {
        const struct template_data data = {.dot = json_array_get(all, i)};
        struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
        struct error err = ERROR_INIT;

        if (template_run(t, &data, &out, &err) < 0) {
            exit_code = output_failure(NULL, err.msg);
        } else {
            output_raw(buf_str(&out), out.size);
            output_raw("\n", 1);
        }
        buf_done(&out);
    }
    return exit_code;
}

static int fetch_all(const struct args_list *words, json_t *all)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();

    return c ? containers_each(c, words,
                               &(struct containers_batch){
                                   .fill = fill_request, .show = collect_answer, .owner = all})
             : 1;
}

/* Prints an array of the containers that were found, even if others were not, as docker does. */
static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct inspect_options *o = options;
    _cleanup_(template_freep) struct template *t = NULL;
    _cleanup_free_ char *line = NULL;
    bool is_line = str_eq(o->format, "json");
    struct error err = ERROR_INIT;
    json_auto_t *all = json_array();
    int exit_code;

    (void)verb;
    if (!str_is_empty(o->format) && !is_line && template_parse(&t, o->format, &err) < 0) {
        output_error("--format: %s", err.msg);
        return 1;
    }
    exit_code = fetch_all(words, all);
    if (t) {
        if (print_template(t, all))
            exit_code = 1;
    } else if (is_line) {
        line = template_json(all, false);
        output_raw(line, strlen(line));
        output_raw("\n", 1);
    } else {
        output_json(all);
    }
    return exit_code;
}

const struct verb verb_inspect = {
    .name = "inspect",
    .operation = OPERATION_INSPECT,
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Show the engine's complete description of containers, as JSON",
    .examples = "  dockmon inspect web | jq '.[0].State'\n"
                "  dockmon inspect -f '{{.State.Status}} {{json .Config.Labels}}' web\n",
    VERB_FLAGS(flags),
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .options_size = sizeof(struct inspect_options),
    .run = run,
};
