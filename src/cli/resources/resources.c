#include "cli/resources/resources.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/text.h"

#include <errno.h>
#include <string.h>

static void append(json_t *list, json_t *element)
{
    if (json_array_append(list, element) < 0)
        abort(); /* out of memory */
}

/*
 * Sends the requests and prints the failures; returns the exit code. `is_lenient` as below.
 */
static int run_all(struct client *c,
                   struct client_request *requests,
                   size_t n,
                   const json_t *hosts,
                   bool is_lenient)
{
    int exit_code = 0;

    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        const char *host = member_text(json_array_get(hosts, i), "name");

        if (requests[i].code == 0)
            continue;
        if (is_lenient && requests[i].code == -ENOSYS) {
            output_note(MSG_AGENT_TOO_OLD, host);
            continue;
        }
        exit_code = output_failure(host, requests[i].error);
    }
    return exit_code;
}

struct sorted_item {
    json_t *element; /* borrowed */
};

static int compare(const void *a, const void *b, void *owner)
{
    const struct resource_kind *kind = owner;
    const json_t *x = ((const struct sorted_item *)a)->element;
    const json_t *y = ((const struct sorted_item *)b)->element;
    int r = strcmp(member_text(x, "host_name"), member_text(y, "host_name"));

    if (r == 0)
        r = strcmp(member_text(x, "host_id"), member_text(y, "host_id"));
    if (r == 0 && kind->is_newest_first)
        r = strcmp(member_text(y, "created"), member_text(x, "created"));
    if (r == 0 && kind->compare)
        return kind->compare(x, y);
    return r ? r : strcmp(member_text(x, kind->order), member_text(y, kind->order));
}

static json_t *sort_elements(const json_t *list, const struct resource_kind *kind)
{
    size_t n = json_array_size(list);
    _cleanup_free_ struct sorted_item *items = xcalloc(n ? n : 1, sizeof(*items));
    json_t *result = json_array();

    for (size_t i = 0; i < n; i++)
        items[i].element = json_array_get(list, i);
    qsort_r(items, n, sizeof(*items), compare, (void *)(uintptr_t)kind);
    for (size_t i = 0; i < n; i++)
        append(result, items[i].element);
    return result;
}

static void add_elements(json_t *list, const json_t *elements, const json_t *host)
{
    for (size_t i = 0; i < json_array_size(elements); i++) {
        json_t *element = json_array_get(elements, i);

        if (!json_is_object(element))
            continue;
        (void)json_object_set(element, "host_id", json_object_get(host, "id"));
        (void)json_object_set(element, "host_name", json_object_get(host, "name"));
        append(list, element);
    }
}

/*
 * *ret: all elements, each with host_id and host_name, sorted by host; the caller's. Prints the
 * failures of hosts and returns the exit code. `is_lenient`: hosts with an agent that is too old
 * are skipped.
 */
static int fetch_elements(struct client *c,
                          const struct resource_kind *kind,
                          const json_t *hosts,
                          bool is_lenient,
                          json_t **ret)
{
    size_t n = json_array_size(hosts);
    _cleanup_free_ struct client_request *requests = xcalloc(n, sizeof(*requests));
    json_auto_t *list = json_array();
    int exit_code;

    for (size_t i = 0; i < n; i++) {
        requests[i].method = "GET";
        requests[i].path = host_path(json_array_get(hosts, i), kind->path);
    }
    exit_code = run_all(c, requests, n, hosts, is_lenient);
    for (size_t i = 0; i < n; i++) {
        add_elements(list, requests[i].json, json_array_get(hosts, i));
        client_request_done(&requests[i]);
    }
    *ret = sort_elements(list, kind);
    return exit_code;
}

/* Collects the elements that match in this way; returns their number. */
static size_t collect(const struct resource_kind *kind,
                      const json_t *list,
                      const char *word,
                      enum resource_match how,
                      struct resource_target *to)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);
        char *ref = kind->find_ref(element, word, how);

        if (ref)
            to[n++] = (struct resource_target){word, element, ref};
    }
    return n;
}

/* The list is sorted by host, so matches on one host are neighbours. */
static int check_unique(const struct resource_kind *kind,
                        const struct resource_target *found,
                        size_t n,
                        bool is_many,
                        struct error *err)
{
    for (size_t i = 1; i < n; i++) {
        const char *a = member_text(found[i - 1].element, "host_id");
        const char *b = member_text(found[i].element, "host_id");

        if (str_eq(a, b)) {
            return error_set(err, -EEXIST, "%s is ambiguous: more than one %s on %s matches",
                             found[i].word, kind->noun, member_text(found[i].element, "host_name"));
        }
        if (!is_many) {
            return error_set(err, -EEXIST, "%s %s is on %s and %s: " MSG_CHOOSE_HOST, kind->noun,
                             found[i].word, member_text(found[i - 1].element, "host_name"),
                             member_text(found[i].element, "host_name"));
        }
    }
    return 0;
}

int resources_resolve(const struct resource_kind *kind,
                      const json_t *list,
                      const char *word,
                      bool is_many,
                      struct resource_targets *targets,
                      struct error *err)
{
    size_t size = json_array_size(list), n_found = 0;
    _cleanup_free_ struct resource_target *found = xcalloc(size ? size : 1, sizeof(*found));
    int r;

    for (int how = 0; how < N_RESOURCE_MATCHES && n_found == 0; how++)
        n_found = collect(kind, list, word, (enum resource_match)how, found);
    r = n_found == 0 ? error_set(err, -ENOENT, MSG_NOT_FOUND, kind->noun, word)
                     : check_unique(kind, found, n_found, is_many, err);
    if (r < 0) {
        for (size_t i = 0; i < n_found; i++)
            free(found[i].ref);
        return r;
    }
    targets->items = xrealloc(targets->items, targets->n + n_found, sizeof(*targets->items));
    memcpy(targets->items + targets->n, found, n_found * sizeof(*found));
    targets->n += n_found;
    return 0;
}

void resource_targets_done(struct resource_targets *targets)
{
    for (size_t i = 0; i < targets->n; i++)
        free(targets->items[i].ref);
    free(TAKE_PTR(targets->items));
    targets->n = 0;
}

static int send_removals(struct client *c,
                         const struct resource_kind *kind,
                         const struct resource_targets *targets,
                         bool is_forced)
{
    size_t n = targets->n;
    _cleanup_free_ struct client_request *requests = xcalloc(n ? n : 1, sizeof(*requests));
    int exit_code = 0;

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *host = text_url_encode(
            member_text(targets->items[i].element, "host_id"));
        _cleanup_free_ char *ref = text_url_encode(targets->items[i].ref);

        requests[i].method = "DELETE";
        requests[i].path = xasprintf("/api/hosts/%s/%s/%s%s", host, kind->path, ref,
                                     is_forced ? "?force=true" : "");
    }
    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        if (requests[i].code < 0) {
            _cleanup_free_ char *subject = xasprintf(
                "%s: %s", member_text(targets->items[i].element, "host_name"),
                targets->items[i].word);

            exit_code = output_failure(subject, requests[i].error);
        } else {
            output_line("%s", targets->items[i].word);
        }
        client_request_done(&requests[i]);
    }
    return exit_code;
}

static int remove_words(struct client *c,
                        const struct resource_kind *kind,
                        const json_t *list,
                        const struct args_list *words,
                        bool is_many,
                        bool is_forced)
{
    struct resource_targets targets = {0};
    struct error err = ERROR_INIT;
    int exit_code = 0;

    for (size_t i = 0; i < words->n; i++) {
        int r = resources_resolve(kind, list, words->items[i], is_many, &targets, &err);

        if (r < 0)
            (void)output_failure(NULL, err.msg);
        if (r < 0 && !(is_forced && r == -ENOENT)) /* as docker: force does not mind absence */
            exit_code = 1;
    }
    if (send_removals(c, kind, &targets, is_forced))
        exit_code = 1;
    resource_targets_done(&targets);
    return exit_code;
}

/* Opens a client and chooses the hosts; prints errors and returns NULL. */
static struct client *open_hosts(const struct args_list *hosts,
                                 enum hosts_default by_default,
                                 json_t **ret)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    struct error err = ERROR_INIT;

    if (!c)
        return NULL;
    if (hosts_choose(c, hosts, by_default, ret, &err) < 0) {
        (void)output_failure(NULL, err.msg);
        return NULL;
    }
    return TAKE_PTR(c);
}

int resources_run_rm(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct resource_kind *kind = verb->data;
    const struct resource_rm_options *o = options;
    json_auto_t *hosts = NULL, *list = NULL;
    _cleanup_(client_closep) struct client *c = open_hosts(&o->hosts, HOSTS_ALL_ONLINE, &hosts);
    int exit_code;

    if (!c)
        return 1;
    exit_code = fetch_elements(c, kind, hosts, o->hosts.n == 0, &list);
    if (remove_words(c, kind, list, words, o->hosts.n > 0, o->is_forced))
        exit_code = 1;
    return exit_code;
}

/* The element that before= or since= names; on several hosts the first. */
static int resolve_filters(const struct resource_kind *kind,
                           const json_t *list,
                           struct filters *f,
                           struct error *err)
{
    for (size_t i = 0; i < f->n; i++) {
        struct resource_targets found = {0};
        int r = 0;

        if (f->items[i].key->type != FILTER_REF)
            continue;
        r = resources_resolve(kind, list, f->items[i].value, true, &found, err);
        if (r == 0)
            f->items[i].number = filter_created_ns(found.items[0].element);
        resource_targets_done(&found);
        if (r < 0)
            return error_wrap(err, r, "--filter %s", f->items[i].key->name);
    }
    return 0;
}

static json_t *choose_elements(const struct resource_kind *kind,
                               const json_t *list,
                               const struct filters *f)
{
    json_t *chosen = json_array();

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *element = json_array_get(list, i);

        if (!filters_match(f, element))
            continue;
        if (kind->trim)
            kind->trim(element, f);
        append(chosen, element);
    }
    return chosen;
}

static int print_elements(const struct resource_kind *kind,
                          const json_t *list,
                          const struct listing_options *o,
                          const struct format *format)
{
    bool is_table = !o->json && !o->quiet;

    if (is_table && format->kind != FORMAT_NONE)
        return listing_print_format(&kind->listing, list, format);
    if (is_table && kind->print) {
        kind->print(list);
    } else {
        listing_print(&kind->listing, list, o, NULL);
    }
    return 0;
}

int resources_list(const struct resource_kind *kind, const struct resource_ls_options *o)
{
    json_auto_t *hosts = NULL, *list = NULL, *chosen = NULL;
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_(filters_done) struct filters filters = {0};
    _cleanup_(format_done) struct format format = {0};
    struct error err = ERROR_INIT;
    int exit_code;

    if (filters_parse(kind->filters, &o->filters, &filters, &err) < 0 ||
        format_parse(o->listing.format, &format, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    c = open_hosts(&o->hosts, HOSTS_ALL_ONLINE, &hosts);
    if (!c)
        return 1;
    exit_code = fetch_elements(c, kind, hosts, o->hosts.n == 0, &list);
    if (resolve_filters(kind, list, &filters, &err) < 0)
        return output_failure(NULL, err.msg);
    chosen = choose_elements(kind, list, &filters);
    return print_elements(kind, chosen, &o->listing, &format) ? 1 : exit_code;
}

int resources_run_ls(const struct verb *verb, void *options, const struct args_list *words)
{
    (void)words;
    return resources_list(verb->data, options);
}

int resources_post(struct client *c, const json_t *hosts, const struct resources_batch *batch)
{
    size_t n = json_array_size(hosts);
    _cleanup_free_ struct client_request *requests = xcalloc(n, sizeof(*requests));
    int exit_code;

    for (size_t i = 0; i < n; i++) {
        requests[i].method = "POST";
        requests[i].path = host_path(json_array_get(hosts, i), batch->path);
        requests[i].body = json_deep_copy(batch->body);
    }
    exit_code = run_all(c, requests, n, hosts, false);
    for (size_t i = 0; i < n; i++) {
        if (requests[i].code == 0) {
            batch->show(batch->owner, n > 1 ? member_text(json_array_get(hosts, i), "name") : NULL,
                        requests[i].json);
        }
        client_request_done(&requests[i]);
    }
    return exit_code;
}

static void print_created(void *owner, const char *host, const json_t *answer)
{
    const char *member = owner;

    if (host) {
        output_line("%s/%s", host, member_text(answer, member));
    } else {
        output_line("%s", member_text(answer, member));
    }
}

int resources_create(const struct resource_kind *kind,
                     const struct args_list *hosts,
                     const json_t *body,
                     const char *member)
{
    json_auto_t *chosen = NULL;
    _cleanup_(client_closep) struct client *c = open_hosts(hosts, HOSTS_ONLY_ONE, &chosen);

    if (!c)
        return 1;
    return resources_post(c, chosen,
                          &(struct resources_batch){.path = kind->path,
                                                    .body = body,
                                                    .show = print_created,
                                                    .owner = (void *)(uintptr_t)member});
}
