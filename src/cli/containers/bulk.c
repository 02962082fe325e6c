#include "cli/containers/bulk.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/api_error.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/polling.h"
#include "cli/containers/containers.h"

#include <errno.h>

#define POLL_MS 250

/* Polls until the job has ended. *ret is the caller's. */
static int await_end(struct client *c, const char *id, json_t **ret, struct error *err)
{
    struct polling p = {.client = c};
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
        polling_pause(&p, POLL_MS);
    }
}

static int print_results(const json_t *job, const char *const *refs, size_t n)
{
    const json_t *items = json_object_get(job, "items");
    int exit_code = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(items, i);

        if (str_eq(member_text(item, "status"), "success")) {
            output_line("%s", refs[i]);
        } else {
            _cleanup_free_ char *why = api_error_item_text(item);

            exit_code = output_failure(refs[i], why);
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
        json_decref(options);
        return output_failure(NULL, err.msg);
    }
    containers = containers_find_all(c, list, words, refs);
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
        r = await_end(c, member_text(made, "id"), &job, &err);
    if (r < 0)
        return output_failure(NULL, err.msg);
    return print_results(job, refs, n) || n < words->n ? 1 : 0;
}
