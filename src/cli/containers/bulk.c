#include "cli/containers/bulk.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/containers/containers.h"
#include "net/loop.h"

#include <errno.h>

#define LOOK_MS 250

/* The containers that the words name; `refs` gets the word of each. */
static json_t *resolve(const json_t *list, const struct args_list *words, const char **refs)
{
    json_t *containers = json_array();

    for (size_t i = 0; i < words->n; i++) {
        const json_t *container = NULL;
        struct error err = ERROR_INIT;

        if (containers_resolve(list, words->items[i], &container, &err) < 0) {
            output_error("%s", err.msg);
            continue;
        }
        refs[json_array_size(containers)] = words->items[i];
        (void)json_array_append_new(
            containers, json_pack("{s:s, s:s}", "host_id", member_text(container, "host_id"),
                                  "container_id", member_text(container, "id")));
    }
    return containers;
}

static void on_look(struct loop_timer *t)
{
    loop_stop(t->loop);
}

/* Looks until the job is over. *ret is the caller's. */
static int await(struct client *c, const char *id, json_t **ret, struct error *err)
{
    struct loop_timer timer = {0};
    int r;

    for (;;) {
        json_auto_t *job = NULL;

        r = client_get(c, xasprintf("/api/bulk/%s", id), &job, err);
        if (r < 0)
            return r;
        if (!str_eq(member_text(job, "status"), "running") &&
            !str_eq(member_text(job, "status"), "cancelling")) {
            *ret = json_incref(job);
            return 0;
        }
        loop_timer_start(client_loop(c), &timer, LOOK_MS, on_look);
        loop_run(client_loop(c));
        loop_timer_stop(&timer);
    }
}

static int show(const json_t *job, const char *const *refs, size_t n)
{
    const json_t *items = json_object_get(job, "items");
    int exit_code = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(items, i);

        if (str_eq(member_text(item, "status"), "success")) {
            output_line("%s", refs[i]);
        } else {
            output_error("%s: %s", refs[i],
                         *member_text(item, "error")    ? member_text(item, "error")
                         : *member_text(item, "status") ? member_text(item, "status")
                                                        : "the server's answer does not tell");
            exit_code = 1;
        }
    }
    return exit_code;
}

int bulk_run(struct client *c, const char *action, json_t *options, const struct args_list *words)
{
    _cleanup_free_ const char **refs = xcalloc(words->n, sizeof(*refs));
    json_auto_t *list = NULL, *made = NULL, *job = NULL;
    json_t *containers;
    struct error err = ERROR_INIT;
    size_t n;
    int r;

    r = containers_fetch(c, &list, &err);
    if (r < 0) {
        output_error("%s", err.msg);
        json_decref(options);
        return 1;
    }
    containers = resolve(list, words, refs);
    n = json_array_size(containers);
    if (n == 0) {
        json_decref(containers);
        json_decref(options);
        return 1;
    }
    r = client_send(c, "POST", xstrdup("/api/bulk"),
                    json_pack("{s:s, s:o, s:o}", "action", action, "options", options, "containers",
                              containers),
                    &made, &err);
    if (r == 0)
        r = await(c, member_text(made, "id"), &job, &err);
    if (r < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    return show(job, refs, n) || n < words->n ? 1 : 0;
}
