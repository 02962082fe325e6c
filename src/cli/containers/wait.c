/*
 * wait: blocks until containers have stopped and prints their exit codes.
 */

#include "base/alloc.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/polling.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"

#include <errno.h>

#define POLL_MS 500

/* Returns when the container has stopped. *ret: its exit code. */
static int await_stop(struct client *c, const json_t *container, json_int_t *ret, struct error *err)
{
    struct polling p = {.client = c};

    for (;;) {
        json_auto_t *v = NULL;
        const json_t *state;
        int r = client_get(c, container_path(container, "/inspect"), &v, err);

        if (r < 0)
            return r;
        state = json_object_get(v, "State");
        if (!member_is_true(state, "Running") && !member_is_true(state, "Restarting")) {
            *ret = member_integer(state, "ExitCode");
            return 0;
        }
        polling_pause(&p, POLL_MS);
    }
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *list = NULL;
    struct error err = ERROR_INIT;
    int exit_code = 0;

    (void)verb;
    (void)options;
    if (!c)
        return 1;
    if (containers_fetch(c, &list, &err) < 0)
        return output_failure(NULL, err.msg);
    for (size_t i = 0; i < words->n; i++) {
        const json_t *container = NULL;
        json_int_t code = 0;
        int r = containers_find(c, list, words->items[i], &container, &err);

        if (r == 0)
            r = await_stop(c, container, &code, &err);
        if (r < 0) {
            exit_code = output_failure(NULL, err.msg);
            continue;
        }
        output_line("%lld", (long long)code);
        (void)output_flush();
    }
    return exit_code;
}

const struct verb verb_wait = {
    .name = "wait",
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Wait until containers stop, then print their exit codes",
    .examples = "  dockmon wait job && echo done\n",
    .words = WORDS_ALIVE,
    .min_words = 1,
    .run = run,
};
