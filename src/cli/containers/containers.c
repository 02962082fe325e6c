#include "cli/containers/containers.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/text.h"

#include <errno.h>
#include <string.h>

#define MAX_LISTED 8

int containers_fetch(struct client *c, json_t **ret, struct error *err)
{
    json_auto_t *list = NULL;
    int r;

    r = client_get(c, xstrdup("/api/containers"), &list, err);
    if (r < 0)
        return r;
    if (!json_is_array(list))
        return error_set(err, -EPROTO, "the server's container list cannot be read");
    *ret = TAKE_PTR(list);
    return 0;
}

/* How well a reference fits; better ones are tried first. */
enum match { MATCH_ID, MATCH_NAME, MATCH_PREFIX, N_MATCHES };

static bool fits(const json_t *c, const char *ref, enum match how)
{
    switch (how) {
    case MATCH_ID: return str_eq(member_text(c, "id"), ref);
    case MATCH_NAME: return str_eq(member_text(c, "name"), ref);
    case MATCH_PREFIX: return str_starts_with(member_text(c, "id"), ref);
    case N_MATCHES: break;
    }
    return false;
}

bool container_is_on_host(const json_t *c, const char *host)
{
    return !host || str_eq(member_text(c, "host_name"), host) ||
           (*host && str_starts_with(member_text(c, "host_id"), host));
}

struct search {
    const json_t *list;
    const char *host, *ref;
    struct buf found; /* "web1/db, web2/db" */
    size_t n_found;
    const json_t *first;
};

static void search_run(struct search *s, enum match how)
{
    for (size_t i = 0; i < json_array_size(s->list); i++) {
        const json_t *c = json_array_get(s->list, i);

        if (!container_is_on_host(c, s->host) || !fits(c, s->ref, how))
            continue;
        if (s->n_found++ == 0)
            s->first = c;
        if (s->n_found <= MAX_LISTED) {
            (void)buf_printf(&s->found, "%s%s/%s (%.12s)", s->n_found > 1 ? ", " : "",
                             member_text(c, "host_name"), member_text(c, "name"),
                             member_text(c, "id"));
        }
    }
}

static int search_verdict(const struct search *s,
                          const char *ref,
                          const json_t **ret,
                          struct error *err)
{
    if (s->n_found == 1) {
        *ret = s->first;
        return 0;
    }
    if (s->n_found > MAX_LISTED) {
        return error_set(err, -EEXIST, "%s is ambiguous: %s and %zu more; say HOST/CONTAINER", ref,
                         buf_str(&s->found), s->n_found - MAX_LISTED);
    }
    if (s->n_found > 1) {
        return error_set(err, -EEXIST, "%s is ambiguous: %s; say HOST/CONTAINER", ref,
                         buf_str(&s->found));
    }
    return error_set(err, -ENOENT, "No such container: %s", ref);
}

int containers_resolve(const json_t *list, const char *ref, const json_t **ret, struct error *err)
{
    const char *slash = strrchr(ref, '/');
    _cleanup_free_ char *host = slash ? xstrndup(ref, (size_t)(slash - ref)) : NULL;
    struct search s = {
        .list = list,
        .host = host,
        .ref = slash ? slash + 1 : ref,
        .found = BUF_INIT(400),
    };
    int r;

    for (int how = 0; how < N_MATCHES && s.n_found == 0 && *s.ref; how++)
        search_run(&s, (enum match)how);
    r = search_verdict(&s, ref, ret, err);
    buf_done(&s.found);
    return r;
}

char *container_path(const json_t *container, const char *tail)
{
    _cleanup_free_ char *host = text_url_encode(member_text(container, "host_id"));
    _cleanup_free_ char *id = text_url_encode(member_text(container, "id"));

    return xasprintf("/api/hosts/%s/containers/%s%s", host, id, tail);
}

static size_t fill_requests(const json_t *list,
                            const struct args_list *words,
                            const struct containers_batch *batch,
                            struct client_request *requests,
                            const char **refs)
{
    struct error err = ERROR_INIT;
    const json_t *container = NULL;
    size_t n = 0;

    for (size_t i = 0; i < words->n; i++) {
        if (containers_resolve(list, words->items[i], &container, &err) < 0) {
            output_error("%s", err.msg);
            continue;
        }
        refs[n] = words->items[i];
        batch->fill(batch->owner, container, &requests[n++]);
    }
    return n;
}

int containers_each(struct client *c,
                    const struct args_list *words,
                    const struct containers_batch *batch)
{
    _cleanup_free_ struct client_request *requests = xcalloc(words->n, sizeof(*requests));
    _cleanup_free_ const char **refs = xcalloc(words->n, sizeof(*refs));
    json_auto_t *list = NULL;
    struct error err = ERROR_INIT;
    int exit_code;
    size_t n;

    if (containers_fetch(c, &list, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    n = fill_requests(list, words, batch, requests, refs);
    exit_code = n < words->n;
    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        if (requests[i].code < 0) {
            output_error("%s: %s", refs[i], requests[i].error);
            exit_code = 1;
        } else {
            batch->show(batch->owner, refs[i], &requests[i]);
        }
        client_request_done(&requests[i]);
    }
    return exit_code;
}
