/*
 * top, diff, port: what the engine says about one container, as docker prints it.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"

#include <errno.h>
#include <string.h>

/* Fetches `tail` of the container that the word names; prints errors and returns NULL. */
static json_t *fetch(const char *word, const char *tail)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *list = NULL;
    const json_t *container = NULL;
    struct error err = ERROR_INIT;
    json_t *answer = NULL;
    int r;

    if (!c)
        return NULL;
    r = containers_fetch(c, &list, &err);
    if (r == 0)
        r = containers_find(c, list, word, &container, &err);
    if (r < 0) {
        (void)output_failure(NULL, err.msg);
        return NULL;
    }
    if (client_get(c, container_path(container, tail), &answer, &err) < 0)
        (void)output_failure(word, err.msg);
    return answer;
}

/* --- top --- */

static int run_top(const struct verb *verb, void *options, const struct args_list *words)
{
    json_auto_t *top = fetch(words->items[0], "/top");
    const json_t *titles = json_object_get(top, "Titles");
    const json_t *processes = json_object_get(top, "Processes");
    const char *headers[TABLE_MAX_COLUMNS];
    size_t n = json_array_size(titles);
    struct table t;

    (void)verb;
    (void)options;
    if (!top)
        return 1;
    n = n < TABLE_MAX_COLUMNS ? n : TABLE_MAX_COLUMNS;
    for (size_t i = 0; i < n; i++) {
        const char *title = json_string_value(json_array_get(titles, i));

        headers[i] = title ? title : "";
    }
    if (n == 0)
        return 0;
    table_init(&t, n, headers);
    for (size_t i = 0; i < json_array_size(processes); i++) {
        const json_t *process = json_array_get(processes, i);

        for (size_t k = 0; k < n; k++)
            table_add(&t, json_string_value(json_array_get(process, k)));
    }
    output_table(&t);
    return 0;
}

const struct verb verb_top = {
    .name = "top",
    .operation = OPERATION_TOP,
    .usage = "CONTAINER",
    .summary = "Show the processes of a container",
    .examples = "  dockmon top prod-1/web\n",
    .words = WORDS_RUNNING,
    .min_words = 1,
    .max_words = 1,
    .run = run_top,
};

/* --- diff --- */

static int run_diff(const struct verb *verb, void *options, const struct args_list *words)
{
    static const char *const kinds[] = {"C", "A", "D"}; /* changed, added, deleted */
    json_auto_t *changes = fetch(words->items[0], "/changes");

    (void)verb;
    (void)options;
    for (size_t i = 0; i < json_array_size(changes); i++) {
        const json_t *change = json_array_get(changes, i);
        json_int_t kind = member_integer(change, "Kind");

        output_line("%s %s", kind >= 0 && kind < 3 ? kinds[kind] : "?",
                    member_text(change, "Path"));
    }
    return changes ? 0 : 1;
}

const struct verb verb_diff = {
    .name = "diff",
    .operation = OPERATION_DIFF,
    .usage = "CONTAINER",
    .summary = "Show which files of a container differ from those of its image",
    .examples = "  dockmon diff web\n",
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .max_words = 1,
    .run = run_diff,
};

/* --- port --- */

/* "80/tcp" for the user's "80" or "80/tcp". */
static bool is_port(const char *key, const char *wanted)
{
    _cleanup_free_ char *tcp = wanted ? xasprintf("%s/tcp", wanted) : NULL;

    return !wanted || str_eq(key, wanted) || str_eq(key, tcp);
}

static size_t print_bindings(const char *key, const json_t *bindings, bool is_alone)
{
    size_t n = json_array_size(bindings);

    for (size_t i = 0; i < n; i++) {
        const char *ip = member_text(json_array_get(bindings, i), "HostIp");
        const char *port = member_text(json_array_get(bindings, i), "HostPort");
        bool is_v6 = strchr(ip, ':');

        output_line("%s%s%s%s%s:%s", is_alone ? "" : key, is_alone ? "" : " -> ", is_v6 ? "[" : "",
                    ip, is_v6 ? "]" : "", port);
    }
    return n;
}

static int run_port(const struct verb *verb, void *options, const struct args_list *words)
{
    json_auto_t *container = fetch(words->items[0], "/inspect");
    const char *wanted = words->n > 1 ? words->items[1] : NULL;
    json_t *ports = json_object_get(json_object_get(container, "NetworkSettings"), "Ports");
    const char *key;
    json_t *bindings;
    size_t n = 0;

    (void)verb;
    (void)options;
    if (!container)
        return 1;
    json_object_foreach(ports, key, bindings)
    {
        if (is_port(key, wanted))
            n += print_bindings(key, bindings, wanted != NULL);
    }
    if (wanted && n == 0) {
        output_error("no public port \"%s\" published for %s", wanted, words->items[0]);
        return 1;
    }
    return 0;
}

const struct verb verb_port = {
    .name = "port",
    .usage = "CONTAINER [PORT[/PROTOCOL]]",
    .summary = "Show the published ports of a container",
    .examples = "  dockmon port web\n  dockmon port web 80\n",
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .max_words = 2,
    .run = run_port,
};
