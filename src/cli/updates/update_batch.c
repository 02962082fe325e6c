#include "cli/updates/update_batch.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/polling.h"
#include "cli/containers/containers.h"

#include <errno.h>

#define POLL_MS      250
#define TIMEOUT_MS   10000 /* of a request for the state: bounds how long ^C is delayed */
#define MAX_PARALLEL 32
#define MAX_PAUSE_S  86400
#define BATCH_PATH   "/api/updates/batches"

int update_batch_check(const struct update_batch_options *o, struct error *err)
{
    uint64_t n;
    int r = 0;

    if (!o->rings && (o->parallel || o->pause))
        return error_set(err, -EINVAL, "--%s needs --rings", o->parallel ? "parallel" : "pause");
    if (o->parallel)
        r = args_read_number("parallel", o->parallel, 1, MAX_PARALLEL, &n, err);
    if (r == 0 && o->pause)
        r = args_read_number("pause", o->pause, 0, MAX_PAUSE_S, &n, err);
    return r;
}

/* --- its changes --- */

static bool is_over(const json_t *batch)
{
    const char *state = member_text(batch, "state");

    return str_eq(state, "completed") || str_eq(state, "failed") || str_eq(state, "cancelled");
}

/* Prints the items of these rings whose state has changed since `before`, an answer or NULL. */
static void print_items(const json_t *before,
                        const json_t *batch,
                        json_int_t first,
                        json_int_t last)
{
    const json_t *items = json_object_get(batch, "items");

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *former = json_array_get(json_object_get(before, "items"), i);
        const char *state = member_text(item, "state"), *why = member_text(item, "reason");
        json_int_t ring = member_integer(item, "ring");

        if (ring < first || ring > last || str_eq(state, "queued") ||
            str_eq(state, member_text(former, "state")))
            continue;
        output_line("%s/%s: %s%s%s", member_text(item, "host_name"),
                    member_text(item, "container_name"), state, *why ? ": " : "", why);
    }
}

/* The ends of a ring stand before the beginning of the next one. */
static void print_changes(const json_t *before, const json_t *batch)
{
    json_int_t ring = member_integer(batch, "ring"), n = member_integer(batch, "n_rings");

    print_items(before, batch, 1, ring - 1);
    if (ring > 0 && ring != member_integer(before, "ring"))
        output_line("ring %lld of %lld", (long long)ring, (long long)n);
    print_items(before, batch, ring > 0 ? ring : 1, n);
}

static int print_end(const json_t *batch)
{
    const char *why = member_text(batch, "reason");

    if (str_eq(member_text(batch, "state"), "completed"))
        return 0;
    return output_failure(NULL, *why ? why : "the batch was not completed");
}

int update_batch_follow(struct client *c, const char *id)
{
    struct polling p = {0};
    json_auto_t *before = NULL;
    struct error err = ERROR_INIT;
    bool was_away = false;

    if (polling_start(&p, c, &err) < 0)
        return output_failure(NULL, err.msg);
    client_set_timeout(c, TIMEOUT_MS);
    while (!p.signal) {
        json_auto_t *batch = NULL;
        int r = client_get(c, xasprintf(BATCH_PATH "/%s", id), &batch, &err);

        if (r == -ENOENT || r == -EACCES || r == -EPERM)
            return output_failure(id, err.msg);
        if (r < 0 && !was_away)
            output_note(MSG_TRYING_AGAIN, err.msg);
        was_away = r < 0;
        if (r == 0) {
            print_changes(before, batch);
            json_decref(before);
            before = TAKE_PTR(batch);
        }
        if (is_over(before))
            return print_end(before);
        if (!output_flush())
            return 1;
        polling_pause(&p, POLL_MS);
    }
    output_note("(the batch goes on: `dockmon batch follow %s` follows it, `dockmon batch cancel "
                "%s` cancels it)",
                id, id);
    return polling_exit_code(&p);
}

/* --- its beginning --- */

static void set_number(json_t *body, const char *member, const char *flag, const char *text)
{
    struct error ignored = ERROR_INIT; /* update_batch_check() has read it */
    uint64_t n = 0;

    if (text && args_read_number(flag, text, 0, MAX_PAUSE_S, &n, &ignored) == 0)
        (void)json_object_set_new(body, member, json_integer((json_int_t)n));
}

int update_batch_run(struct client *c,
                     const struct args_list *words,
                     const struct update_batch_options *o,
                     json_t *options)
{
    json_auto_t *body = json_object(), *list = NULL, *containers = NULL, *made = NULL;
    _cleanup_free_ const char **refs = xcalloc(words->n, sizeof(*refs));
    struct error err = ERROR_INIT;

    if (containers_fetch(c, &list, &err) < 0)
        return output_failure(NULL, err.msg);
    containers = containers_find_all(c, list, words, refs);
    if (json_array_size(containers) < words->n)
        return 1; /* the failures were printed */
    (void)json_object_set(body, "containers", containers);
    (void)json_object_set_new(body, "rings", json_string(o->rings));
    (void)json_object_set(body, "options", options);
    set_number(body, "max_parallel", "parallel", o->parallel);
    set_number(body, "pause_s", "pause", o->pause);
    if (client_send(c, "POST", xstrdup(BATCH_PATH), TAKE_PTR(body), &made, &err) < 0)
        return output_failure(NULL, err.msg);
    if (o->wait)
        return update_batch_follow(c, member_text(made, "id"));
    output_line("%s", member_text(made, "id"));
    return 0;
}
