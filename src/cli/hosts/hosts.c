#include "cli/hosts/hosts.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/match.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/text.h"

#include <errno.h>

static bool is_online(const json_t *host)
{
    return str_eq(member_text(host, "status"), "online");
}

static bool matches(const json_t *host, const void *ref, enum match how)
{
    const char *word = ref;

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
    json_auto_t *found = match_best(all, matches, word, word);
    size_t n = json_array_size(found);

    if (n == 0)
        return error_set(err, -ENOENT, MSG_NOT_FOUND, "host", word);
    if (n > 1)
        return error_set(err, -EEXIST, MSG_AMBIGUOUS "see `dockmon hosts`", word, n, "hosts");
    *ret = json_array_get(found, 0);
    return 0;
}

/* Adds the host unless the list has it. */
static void add_host(json_t *list, json_t *host)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_array_get(list, i) == host)
            return;
    }
    if (json_array_append(list, host) < 0)
        abort(); /* out of memory */
}

/* Adds the hosts that are online; on request a note names each of the others. */
static void add_online(json_t *list, const json_t *all, bool notes_others)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *host = json_array_get(all, i);

        if (is_online(host)) {
            add_host(list, host);
        } else if (notes_others) {
            output_note(MSG_HOST_OFFLINE, member_text(host, "name"));
        }
    }
}

/* Such a name is refused now, but older servers took it. */
static bool is_named_all(const json_t *all)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        if (str_eq(member_text(json_array_get(all, i), "name"), "all"))
            return true;
    }
    return false;
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
        if (str_eq(wanted->items[i], "all") && is_named_all(all)) {
            return error_set(err, -EEXIST,
                             "all is ambiguous: a host has this name; rename it, or "
                             "name the hosts, this one by its id");
        }
        if (str_eq(wanted->items[i], "all")) {
            add_online(list, all, true);
            continue;
        }
        r = hosts_find(all, wanted->items[i], &host, err);
        if (r < 0)
            return r;
        add_host(list, host);
    }
    if (wanted->n == 0)
        add_online(list, all, by_default == HOSTS_ALL_ONLINE);
    if (wanted->n == 0 && by_default == HOSTS_ONLY_ONE && json_array_size(all) > 1) {
        return error_set(err, -EINVAL, "there are %zu hosts: " MSG_CHOOSE_HOST,
                         json_array_size(all));
    }
    if (json_array_size(list) == 0)
        return error_set(err, -ENOENT, "no host is online; see `dockmon hosts`");
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
        return error_set(err, -EPROTO, MSG_INVALID_LIST, "hosts");
    return hosts_select(all, wanted, by_default, ret, err);
}

char *host_path(const json_t *host, const char *tail)
{
    _cleanup_free_ char *id = text_url_encode(member_text(host, "id"));

    return xasprintf("/api/hosts/%s%s%s", id, *tail ? "/" : "", tail);
}
