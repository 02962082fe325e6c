/*
 * container prune: removes the stopped containers of hosts. The server has no such operation: each
 * container is removed by itself and without force, so that policies, labels and scopes decide
 * about each, and one that was started meanwhile stays.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/prune_question.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/hosts/hosts.h"

#include <errno.h>

struct prune_options {
    struct args_list hosts;
    bool is_forced, is_dry_run;
};

#define AT(m) offsetof(struct prune_options, m)

static const struct flag flags[] = {
    HOSTS_FLAG(prune_options, hosts),
    {"force",   'f', FLAG_BOOL, AT(is_forced),  NULL, "do not ask"                                 },
    {"dry-run", 0,   FLAG_BOOL, AT(is_dry_run), NULL, "remove nothing; print what would be removed"},
};

static bool is_stopped(const json_t *container)
{
    const char *state = member_state(container);

    return str_eq(state, "exited") || str_eq(state, "created") || str_eq(state, "dead");
}

/* The stopped containers of the hosts, in the order of the hosts; the caller's. */
static json_t *find_stopped(const json_t *list, const json_t *hosts)
{
    json_t *found = json_array();

    for (size_t h = 0; h < json_array_size(hosts); h++) {
        const char *id = member_text(json_array_get(hosts, h), "id");

        for (size_t i = 0; i < json_array_size(list); i++) {
            json_t *container = json_array_get(list, i);

            if (str_eq(member_text(container, "host_id"), id) && is_stopped(container))
                (void)json_array_append(found, container);
        }
    }
    return found;
}

static json_t *make_previews(const json_t *found, const json_t *hosts)
{
    json_t *previews = json_array();

    for (size_t h = 0; h < json_array_size(hosts); h++) {
        const json_t *host = json_array_get(hosts, h);
        json_t *names = json_array();

        for (size_t i = 0; i < json_array_size(found); i++) {
            const json_t *container = json_array_get(found, i);

            if (str_eq(member_text(container, "host_id"), member_text(host, "id")))
                (void)json_array_append(names, json_object_get(container, "name"));
        }
        (void)json_array_append_new(
            previews,
            json_pack("{s:O?, s:o}", "host", json_object_get(host, "name"), "names", names));
    }
    return previews;
}

static void print_name(const json_t *container, bool has_hosts)
{
    if (has_hosts) {
        output_line("%s/%s", member_text(container, "host_name"), member_text(container, "name"));
    } else {
        output_line("%s", member_text(container, "name"));
    }
}

static int remove_all(struct client *c, const json_t *found, bool has_hosts)
{
    size_t n = json_array_size(found);
    _cleanup_free_ struct client_request *requests = xcalloc(n ? n : 1, sizeof(*requests));
    bool has_heading = false;
    int exit_code = 0;

    for (size_t i = 0; i < n; i++) {
        requests[i].method = "DELETE";
        requests[i].path = container_path(json_array_get(found, i),
                                          "?force=false&removeVolumes=false");
    }
    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *container = json_array_get(found, i);

        if (requests[i].code < 0 && requests[i].code != -ENOENT) {
            exit_code = output_failure(member_text(container, "name"), requests[i].error);
        } else if (requests[i].code == 0) {
            if (!has_heading)
                output_line("Deleted Containers:");
            has_heading = true;
            print_name(container, has_hosts);
        }
        client_request_done(&requests[i]);
    }
    return exit_code;
}

/* Returns 0 to go on, or 1 to end with `*exit_code`. */
static int confirm(const json_t *found, const json_t *hosts, int *exit_code)
{
    json_auto_t *previews = make_previews(found, hosts);
    struct error err = ERROR_INIT;
    int r;

    if (json_array_size(found) == 0) {
        output_line("There is nothing to remove.");
        return 1;
    }
    r = prune_ask("all stopped containers", previews, &err);
    if (r != 0)
        *exit_code = r < 0 ? output_failure(NULL, err.msg) : 1;
    return r != 0;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct prune_options *o = options;
    json_auto_t *hosts = NULL, *list = NULL, *found = NULL;
    struct error err = ERROR_INIT;
    int exit_code = 0, r;

    (void)verb;
    (void)words;
    if (!c)
        return 1;
    r = hosts_choose(c, &o->hosts, HOSTS_ONLY_ONE, &hosts, &err);
    if (r == 0)
        r = containers_fetch(c, &list, &err);
    if (r < 0)
        return output_failure(NULL, err.msg);
    found = find_stopped(list, hosts);
    if (o->is_dry_run) {
        if (json_array_size(found) > 0)
            output_line("Containers that would be deleted:");
        for (size_t i = 0; i < json_array_size(found); i++)
            print_name(json_array_get(found, i), json_array_size(hosts) > 1);
        return 0;
    }
    if (!o->is_forced && confirm(found, hosts, &exit_code))
        return exit_code;
    return remove_all(c, found, json_array_size(hosts) > 1);
}

const struct verb verb_container_prune = {
    .name = "container prune",
    .usage = "[OPTIONS]",
    .summary = "Remove all stopped containers",
    .examples = "  dockmon container prune --dry-run\n  dockmon container prune --host prod-1\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct prune_options),
    .run = run,
};
