/*
 * agent update: updates the agents of hosts, which install the program that the server has for them.
 */

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/hosts/hosts.h"
#include "net/loop.h"
#include "proto/release.h"

#include <errno.h>

#define POLL_MS 500
#define GIVE_UP (UINT64_C(15) * MINUTE_MS) /* longer than a download and three trials */

struct agent_update_options {
    bool is_dry_run, wants_end, allow_older;
    const char *url, *description;
};

static const struct flag flags[] = {
    {"dry-run",     0, FLAG_BOOL,   offsetof(struct agent_update_options, is_dry_run),  NULL,
     "print the versions and change nothing"                                           },
    {"wait",        0, FLAG_BOOL,   offsetof(struct agent_update_options, wants_end),   NULL,
     "wait until the new version has connected, or the old one has returned"           },
    {"allow-older", 0, FLAG_BOOL,   offsetof(struct agent_update_options, allow_older), NULL,
     "also install a version that is older than the present one"                       },
    {"url",         0, FLAG_STRING, offsetof(struct agent_update_options, url),         "URL",
     "download the program from there instead of the server; needs --description"      },
    {"description", 0, FLAG_STRING, offsetof(struct agent_update_options, description), "FILE",
     "signed description of the program at the URL: the file NAME.release of a release"},
};

static void on_poll(struct loop_timer *t)
{
    loop_stop(t->loop);
}

static void pause_polling(struct client *c)
{
    struct loop_timer timer = {0};

    loop_timer_start(client_loop(c), &timer, POLL_MS, on_poll);
    loop_run(client_loop(c));
    loop_timer_stop(&timer);
}

/* The end of the update, of which the host may be offline meanwhile. */
static int await_end(struct client *c, const json_t *host, const char *update_id, struct error *err)
{
    uint64_t end_ms = time_monotonic_ms() + GIVE_UP;

    while (time_monotonic_ms() < end_ms) {
        json_auto_t *agent = NULL;
        const json_t *update;
        int r = client_get(c, host_path(host, "agent"), &agent, err);

        if (r < 0)
            return r;
        update = json_object_get(agent, "update");
        if (str_eq(member_text(update, "update_id"), update_id)) {
            if (str_eq(member_text(update, "state"), "done"))
                return 0;
            if (str_eq(member_text(update, "state"), "failed"))
                return error_set(err, -EIO, "%s", member_text(update, "error"));
        } else if (json_is_object(update)) {
            return error_set(err, -EIO, "the update was replaced by another one");
        }
        pause_polling(c);
    }
    return error_set(err, -ETIMEDOUT,
                     "the agent has not reported the end of the update within %u minutes",
                     (unsigned)(GIVE_UP / MINUTE_MS));
}

static json_t *make_body(const struct agent_update_options *o, const char *description)
{
    json_t *body = json_pack("{s:b, s:b}", "dry_run", o->is_dry_run, "allow_older", o->allow_older);

    if (o->url)
        (void)json_object_set_new(body, "url", json_string(o->url));
    if (description)
        (void)json_object_set_new(body, "description", json_string(description));
    return body;
}

/* Returns the exit code. */
static int update_one(struct client *c,
                      const struct agent_update_options *o,
                      const char *description,
                      const json_t *host)
{
    const char *name = member_text(host, "name");
    json_auto_t *answer = NULL;
    struct error err = ERROR_INIT;
    int r = client_send(c, "POST", host_path(host, "agent/update"), make_body(o, description),
                        &answer, &err);

    if (r == 0 && o->wants_end && !o->is_dry_run)
        r = await_end(c, host, member_text(answer, "update_id"), &err);
    if (r < 0)
        return output_failure(name, err.msg);
    output_line("%s: %s -> %s", name, member_text(answer, "current_version"),
                member_text(answer, "target_version"));
    return output_flush() ? 0 : 1;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct agent_update_options *o = options;
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_free_ char *description = NULL;
    json_auto_t *all = NULL;
    struct error err = ERROR_INIT;
    size_t size;
    int exit_code = 0;

    if (!o->url != !o->description) {
        output_error("dockmon %s: --url and --description belong together", verb->name);
        return EXIT_USAGE;
    }
    if (o->description && file_read(o->description, RELEASE_MAX, &description, &size, &err) < 0)
        return output_failure(NULL, err.msg);
    c = client_open_configured();
    if (!c)
        return 1;
    if (client_get(c, xstrdup("/api/hosts"), &all, &err) < 0)
        return output_failure(NULL, err.msg);
    for (size_t i = 0; i < words->n; i++) {
        json_t *host = NULL;

        if (hosts_find(all, words->items[i], &host, &err) < 0) {
            exit_code = output_failure(NULL, err.msg);
        } else {
            exit_code |= update_one(c, o, description, host);
        }
    }
    return exit_code;
}

const struct verb verb_agent_update = {
    .name = "agent update",
    .operation = OPERATION_SELF_UPDATE,
    .usage = "[OPTIONS] HOST [HOST...]",
    .summary = "Update agents to the version that the server has",
    .examples = "  dockmon agent update --dry-run web1\n  dockmon agent update --wait web1 web2\n",
    VERB_FLAGS(flags),
    .words = WORDS_ONE_HOST,
    .min_words = 1,
    .options_size = sizeof(struct agent_update_options),
    .run = run,
};
