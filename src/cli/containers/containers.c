#include "cli/containers/containers.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/match.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/text.h"
#include "proto/notice.h"

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
        return error_set(err, -EPROTO, MSG_INVALID_LIST, "containers");
    *ret = TAKE_PTR(list);
    return 0;
}

bool container_is_on_host(const json_t *c, const char *host)
{
    return !host || str_eq(member_text(c, "host_name"), host) ||
           (*host && str_starts_with(member_text(c, "host_id"), host));
}

bool container_engine_is_down(const json_t *o, const char *member)
{
    return str_starts_with(member_text(o, member), NOTICE_NO_ANSWER);
}

char *container_stale_age(const json_t *o, const char *listed_at, int64_t now_ms)
{
    const char *since = member_text(o, "stale_since");

    return text_short_age(*since ? since : member_text(o, listed_at), now_ms);
}

char *container_stale_mark(const json_t *c, int64_t now_ms)
{
    bool is_offline = json_is_false(json_object_get(c, "host_online"));
    _cleanup_free_ char *age = container_stale_age(c, "confirmed_at", now_ms);

    if (!is_offline && !container_engine_is_down(c, "host_error"))
        return xstrdup("");
    return xasprintf(" (%s%s%s)", is_offline ? "host offline" : "engine down",
                     age ? ", stale " : "", age ? age : "");
}

/* The server has never had a list of it: its containers are unknown. */
static bool is_unlisted(const json_t *host)
{
    return str_eq(member_text(host, "status"), "offline") && !*member_text(host, "last_checked");
}

void containers_note_unlisted(struct client *c)
{
    json_auto_t *hosts = NULL;
    const json_t *host;
    size_t i;

    if (client_get(c, xstrdup("/api/hosts"), &hosts, NULL) < 0)
        return;
    json_array_foreach(hosts, i, host)
    {
        if (is_unlisted(host))
            output_note(MSG_HOST_LEFT_OUT, member_text(host, "name"));
    }
}

/* A container may be on a host whose containers are unknown; `host` NULL: on any of them. */
static int refuse_unlisted(struct client *c, const char *ref, const char *host, struct error *err)
{
    json_auto_t *hosts = NULL;
    const json_t *h;
    size_t i;

    if (client_get(c, xstrdup("/api/hosts"), &hosts, NULL) < 0)
        return 0;
    json_array_foreach(hosts, i, h)
    {
        if (is_unlisted(h) && (!host || str_eq(member_text(h, "name"), host) ||
                               str_starts_with(member_text(h, "id"), host)))
            return error_set(err, -ENOTCONN, MSG_CONTAINER_UNLISTED, ref, member_text(h, "name"));
    }
    return 0;
}

struct reference {
    const char *host;  /* NULL: any */
    const char *word;  /* name, id or the beginning of an id */
    bool is_host_name; /* a host has this name, which hides the beginnings of ids */
};

/* Whether the host part of the reference is the name of a host, rather than the start of an id. */
static bool is_host_name(const json_t *list, const char *host)
{
    for (size_t i = 0; host && i < json_array_size(list); i++) {
        if (str_eq(member_text(json_array_get(list, i), "host_name"), host))
            return true;
    }
    return false;
}

static bool matches(const json_t *c, const void *ref, enum match how)
{
    const struct reference *r = ref;

    if (*r->word == '\0' || !container_is_on_host(c, r->host))
        return false;
    if (r->is_host_name && !str_eq(member_text(c, "host_name"), r->host))
        return false;
    switch (how) {
    case MATCH_ID: return str_eq(member_full_id(c), r->word);
    case MATCH_NAME: return str_eq(member_text(c, "name"), r->word);
    case MATCH_PREFIX: return str_starts_with(member_full_id(c), r->word);
    case N_MATCHES: break;
    }
    return false;
}

/* "web is ambiguous: web1/web (4f1c0a9be7d2), web2/web (0a9be7d24f1c); say HOST/CONTAINER" */
static int refuse_ambiguous(const json_t *found, const char *ref, struct error *err)
{
    struct buf text = BUF_INIT(400);
    size_t n = json_array_size(found);
    int r;

    for (size_t i = 0; i < n && i < MAX_LISTED; i++) {
        const json_t *c = json_array_get(found, i);

        (void)buf_printf(&text, "%s%s/%s (%.12s)", i > 0 ? ", " : "", member_text(c, "host_name"),
                         member_text(c, "name"), member_text(c, "id"));
    }
    r = n > MAX_LISTED
            ? error_set(err, -EEXIST, "%s is ambiguous: %s and %zu more; say HOST/CONTAINER", ref,
                        buf_str(&text), n - MAX_LISTED)
            : error_set(err, -EEXIST, "%s is ambiguous: %s; say HOST/CONTAINER", ref,
                        buf_str(&text));
    buf_done(&text);
    return r;
}

/*
 * Two containers of one host never have the same name: one of them was renamed, and the list does
 * not show that yet.
 */
static bool is_contradiction(const json_t *found)
{
    const json_t *first = json_array_get(found, 0);

    for (size_t i = 1; i < json_array_size(found); i++) {
        const json_t *c = json_array_get(found, i);

        if (!str_eq(member_text(c, "host_id"), member_text(first, "host_id")) ||
            !str_eq(member_text(c, "name"), member_text(first, "name")))
            return false;
    }
    return json_array_size(found) > 1;
}

/* The word behind the last slash, and the host before it, or NULL; the caller frees the host. */
static const char *split_ref(const char *ref, char **ret_host)
{
    const char *slash = strrchr(ref, '/');

    *ret_host = slash ? xstrndup(ref, (size_t)(slash - ref)) : NULL;
    return slash ? slash + 1 : ref;
}

int containers_resolve(const json_t *list, const char *ref, const json_t **ret, struct error *err)
{
    _cleanup_free_ char *host = NULL;
    const char *word = split_ref(ref, &host);
    struct reference r = {host, word, is_host_name(list, host)};
    json_auto_t *found = match_best(list, matches, &r, r.word);

    if (json_array_size(found) == 0)
        return error_set(err, -ENOENT, MSG_NOT_FOUND, "container", ref);
    if (is_contradiction(found))
        return error_set(err, -ESTALE, MSG_NOT_FOUND, "container", ref);
    if (json_array_size(found) > 1)
        return refuse_ambiguous(found, ref, err);
    *ret = json_array_get(found, 0);
    return 0;
}

/* Asks the engines for the containers of that name. The answer is kept alive by `list`. */
static const json_t *ask_engines(struct client *c, json_t *list, const char *ref)
{
    _cleanup_free_ char *host = NULL, *word = text_url_encode(split_ref(ref, &host));
    json_t *found = NULL;

    /* A server that does not know the route has nothing to add. */
    if (client_get(c, xasprintf("/api/containers/resolve?ref=%s", word), &found, NULL) < 0)
        return NULL;
    (void)json_array_append_new(list, found);
    return found;
}

int containers_find(
    struct client *c, json_t *list, const char *ref, const json_t **ret, struct error *err)
{
    int r = containers_resolve(list, ref, ret, err);
    _cleanup_free_ char *host = NULL;
    const json_t *found;
    int refused;

    if (r != -ENOENT && r != -ESTALE)
        return r;
    found = ask_engines(c, list, ref);
    r = found ? containers_resolve(found, ref, ret, err) : r;
    if (r != -ENOENT)
        return r;
    (void)split_ref(ref, &host);
    refused = refuse_unlisted(c, ref, host, err);
    return refused < 0 ? refused : r;
}

json_t *containers_find_all(struct client *c,
                            json_t *list,
                            const struct args_list *words,
                            const char **refs)
{
    json_t *containers = json_array();

    for (size_t i = 0; i < words->n; i++) {
        const json_t *container = NULL;
        json_auto_t *target = NULL;
        struct error err = ERROR_INIT;

        if (containers_find(c, list, words->items[i], &container, &err) < 0) {
            (void)output_failure(NULL, err.msg);
            continue;
        }
        refs[json_array_size(containers)] = words->items[i];
        target = container_by_ref(container, words->items[i]);
        (void)json_array_append_new(containers, json_pack("{s:s, s:s}", "host_id",
                                                          member_text(target, "host_id"),
                                                          "container_id", member_full_id(target)));
    }
    return containers;
}

json_t *container_by_ref(const json_t *container, const char *ref)
{
    _cleanup_free_ char *host = NULL;
    const char *word = split_ref(ref, &host);
    json_t *copy = json_copy((json_t *)(uintptr_t)container);

    if (str_eq(member_text(container, "name"), word))
        (void)json_object_set_new(copy, "full_id", json_string(word));
    return copy;
}

char *container_path(const json_t *container, const char *tail)
{
    _cleanup_free_ char *host = text_url_encode(member_text(container, "host_id"));
    _cleanup_free_ char *id = text_url_encode(member_full_id(container));

    return xasprintf("/api/hosts/%s/containers/%s%s", host, id, tail);
}

struct prepared {
    struct client_request *requests;
    const char **refs; /* the word of each */
    size_t n;
};

/* Fills the requests; returns the exit code. */
static int fill_requests(struct client *c,
                         json_t *list,
                         const struct args_list *words,
                         const struct containers_batch *batch,
                         struct prepared *p)
{
    struct error err = ERROR_INIT;
    const json_t *container = NULL;
    int exit_code = 0;

    for (size_t i = 0; i < words->n; i++) {
        json_auto_t *target = NULL;

        int r = containers_find(c, list, words->items[i], &container, &err);

        if (r < 0) {
            (void)output_failure(NULL, err.msg);
            exit_code = r == -ENOENT && batch->may_be_absent ? exit_code : 1;
            continue;
        }
        p->refs[p->n] = words->items[i];
        target = container_by_ref(container, words->items[i]);
        batch->fill(batch->owner, target, &p->requests[p->n++]);
    }
    return exit_code;
}

int containers_each(struct client *c,
                    const struct args_list *words,
                    const struct containers_batch *batch)
{
    _cleanup_free_ struct client_request *requests = xcalloc(words->n, sizeof(*requests));
    _cleanup_free_ const char **refs = xcalloc(words->n, sizeof(*refs));
    json_auto_t *list = NULL;
    struct error err = ERROR_INIT;
    struct prepared p = {requests, refs, 0};
    int exit_code;

    if (containers_fetch(c, &list, &err) < 0)
        return output_failure(NULL, err.msg);
    exit_code = fill_requests(c, list, words, batch, &p);
    client_run(c, requests, p.n);
    for (size_t i = 0; i < p.n; i++) {
        if (requests[i].code < 0) {
            (void)output_failure(refs[i], requests[i].error);
            exit_code = requests[i].code == -ENOENT && batch->may_be_absent ? exit_code : 1;
        } else if (batch->show) {
            batch->show(batch->owner, refs[i], &requests[i]);
        } else {
            output_line("%s", refs[i]);
        }
        client_request_done(&requests[i]);
    }
    return exit_code;
}
