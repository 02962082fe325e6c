#include "cli/hosts/hosts.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/text.h"

#include <errno.h>

static bool is_online(const json_t *host)
{
    return str_eq(member_text(host, "status"), "online");
}

/* Better matches are tried first, as for containers. */
enum match { MATCH_ID, MATCH_NAME, MATCH_PREFIX, N_MATCHES };

static bool fits(const json_t *host, const char *word, enum match how)
{
    switch (how) {
    case MATCH_ID: return str_eq(member_text(host, "id"), word);
    case MATCH_NAME: return str_eq(member_text(host, "name"), word);
    case MATCH_PREFIX: return *word && str_starts_with(member_text(host, "id"), word);
    case N_MATCHES: break;
    }
    return false;
}

int hosts_find(const json_t *all, const char *word, json_t **ret, struct error *err)
{
    size_t n = 0;

    for (int how = 0; how < N_MATCHES && n == 0; how++) {
        for (size_t i = 0; i < json_array_size(all); i++) {
            json_t *host = json_array_get(all, i);

            if (fits(host, word, (enum match)how) && n++ == 0)
                *ret = host;
        }
    }
    if (n > 1)
        return error_set(err, -EEXIST, "%zu hosts match %s; see `dockmon hosts`", n, word);
    return n == 0 ? error_set(err, -ENOENT, "No such host: %s", word) : 0;
}

static void add(json_t *list, json_t *host)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_array_get(list, i) == host)
            return;
    }
    if (json_array_append(list, host) < 0)
        abort(); /* out of memory */
}

static void add_online(json_t *list, const json_t *all, bool mentions_others)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *host = json_array_get(all, i);

        if (is_online(host)) {
            add(list, host);
        } else if (mentions_others) {
            output_note("%s is offline and left out", member_text(host, "name"));
        }
    }
}

int hosts_select(const json_t *all,
                 const struct args_list *wanted,
                 enum hosts_default by_default,
                 json_t **ret,
                 struct error *err)
{
    json_auto_t *list = json_array();
    json_t *host = NULL;
    int r;

    for (size_t i = 0; i < wanted->n; i++) {
        if (str_eq(wanted->items[i], "all")) {
            add_online(list, all, true);
            continue;
        }
        r = hosts_find(all, wanted->items[i], &host, err);
        if (r < 0)
            return r;
        add(list, host);
    }
    if (wanted->n == 0)
        add_online(list, all, by_default == HOSTS_ALL_ONLINE);
    if (wanted->n == 0 && by_default == HOSTS_ONLY_ONE && json_array_size(all) > 1) {
        return error_set(err, -EINVAL,
                         "there are %zu hosts: say which one with --host NAME, or --host all",
                         json_array_size(all));
    }
    if (json_array_size(list) == 0)
        return error_set(err, -ENOENT, "no host is online");
    *ret = TAKE_PTR(list);
    return 0;
}

int hosts_choose(struct client *c,
                 const struct args_list *wanted,
                 enum hosts_default by_default,
                 json_t **ret,
                 struct error *err)
{
    json_auto_t *all = NULL;
    int r;

    r = client_get(c, xstrdup("/api/hosts"), &all, err);
    if (r < 0)
        return r;
    if (!json_is_array(all))
        return error_set(err, -EPROTO, "the server's list of hosts cannot be read");
    return hosts_select(all, wanted, by_default, ret, err);
}

char *host_path(const json_t *host, const char *tail)
{
    _cleanup_free_ char *id = text_url_encode(member_text(host, "id"));

    return xasprintf("/api/hosts/%s/%s", id, tail);
}
