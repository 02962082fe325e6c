#include "cli/containers/ps_filter.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/containers/containers.h"
#include "cli/containers/ps_ancestor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* docker's names begin with a slash, and patterns are tried with and without it. */
static bool match_name(const json_t *c, const struct filter *f)
{
    const char *name = member_text(c, "name");
    _cleanup_free_ char *with_slash = xasprintf("/%s", name);

    return filter_match_text(name, f) || filter_match_text(with_slash, f);
}

static bool match_id(const json_t *c, const struct filter *f)
{
    return filter_match_text(member_full_id(c), f);
}

static bool match_status(const json_t *c, const struct filter *f)
{
    const char *state = member_text(c, "engine_state");

    return str_eq(*state ? state : member_state(c), f->value);
}

/* The engine shows the health in the text of the status only. */
static bool match_health(const json_t *c, const struct filter *f)
{
    static const char *const marks[][2] = {
        {"starting",  "(health: starting)"},
        {"healthy",   "(healthy)"         },
        {"unhealthy", "(unhealthy)"       }
    };
    const char *status = member_text(c, "status_text");
    const char *health = "none";

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (strstr(status, marks[i][1]))
            health = marks[i][0];
    }
    return str_eq(health, f->value);
}

/* "Exited (137) 5 minutes ago". */
static bool match_exited(const json_t *c, const struct filter *f)
{
    static const char before[] = "Exited (";
    const char *status = member_text(c, "status_text");
    _cleanup_free_ char *code = NULL;
    int64_t number;

    if (!str_starts_with(status, before))
        return false;
    status += strlen(before);
    code = xstrndup(status, strcspn(status, ")"));
    return parse_i64(code, &number) == 0 && number == f->number;
}

static bool match_host(const json_t *c, const struct filter *f)
{
    return container_is_on_host(c, f->value);
}

static bool match_network(const json_t *c, const struct filter *f)
{
    json_t *networks = json_object_get(c, "networks"), *id;
    const char *name;

    json_object_foreach(networks, name, id)
    {
        if (str_eq(name, f->value) || str_starts_with(json_string_value(id), f->value))
            return true;
    }
    return false;
}

static bool match_volume(const json_t *c, const struct filter *f)
{
    const json_t *mounts = json_object_get(c, "mounts");

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *m = json_array_get(mounts, i);

        if (str_eq(member_text(m, "name"), f->value) ||
            str_eq(member_text(m, "destination"), f->value))
            return true;
    }
    return false;
}

static bool has_port(const json_t *c, const struct filter *f, const char *member)
{
    const json_t *ports = json_object_get(c, "ports_raw");

    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *p = json_array_get(ports, i);
        json_int_t port = member_integer(p, member);

        if (port > 0 && port >= f->first_port && port <= f->last_port &&
            str_eq(member_text(p, "Type"), f->protocol))
            return true;
    }
    return false;
}

static bool match_publish(const json_t *c, const struct filter *f)
{
    return has_port(c, f, "PublicPort");
}

static bool match_expose(const json_t *c, const struct filter *f)
{
    return has_port(c, f, "PrivatePort");
}

static const struct filter_key keys[] = {
    {"name",                                                    FILTER_PATTERN, NULL, false, match_name},
    {"id",                                                     FILTER_PATTERN, NULL, false, match_id},
    {"status",                                               FILTER_TEXT, "created running paused restarting removing exited dead", false,
     match_status},
    {"health",                                                      FILTER_TEXT, "starting healthy unhealthy none", false, match_health},
    {"exited",                                                     FILTER_NUMBER, NULL, false, match_exited},
    {"label",                                                 FILTER_TEXT, NULL, true, filter_match_label},
    {"ancestor",                                                  FILTER_TEXT, NULL, false, ps_ancestor_match},
    {"network", FILTER_TEXT, NULL, false, match_network},
    {"volume",                                              FILTER_TEXT, NULL, false, match_volume},
    {"publish",                                                  FILTER_PORT, NULL, false, match_publish},
    {"expose",                        FILTER_PORT, NULL, false, match_expose},
    {"before",                                             FILTER_REF, NULL, false, filter_match_before},
    {"since",                                                  FILTER_REF, NULL, false, filter_match_since},
    {"host",                                                     FILTER_TEXT, NULL, false, match_host},
    {0                                            },
};

int ps_filters_parse(const struct args_list *words, struct filters *ret, struct error *err)
{
    return filters_parse(keys, words, ret, err);
}

static int resolve_container(struct filter *f, const json_t *list, struct error *err)
{
    const json_t *found = NULL;
    int r = containers_resolve(list, f->value, &found, err);

    if (r < 0)
        return error_wrap(err, r, "--filter %s", f->key->name);
    f->number = filter_created_ns(found);
    return 0;
}

static int check_host(struct filter *f, struct client *c, struct error *err)
{
    json_auto_t *hosts = NULL;
    int r = client_get(c, xstrdup("/api/hosts"), &hosts, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i);

        if (str_eq(member_text(host, "name"), f->value) ||
            str_starts_with(member_text(host, "id"), f->value))
            return 0;
    }
    return error_set(err, -ENOENT, "--filter host: " MSG_NOT_FOUND, "host", f->value);
}

int ps_filters_resolve(struct filters *f, struct client *c, const json_t *list, struct error *err)
{
    json_auto_t *fetched = NULL;
    int r = 0;

    for (size_t i = 0; i < f->n && r == 0; i++) {
        struct filter *item = &f->items[i];

        if (item->key->type == FILTER_REF) {
            if (!list)
                r = containers_fetch(c, &fetched, err);
            list = list ? list : fetched;
            r = r < 0 ? r : resolve_container(item, list, err);
        } else if (item->key->matches == match_host) {
            r = check_host(item, c, err);
        } else if (item->key->matches == ps_ancestor_match && c) {
            r = ps_ancestor_resolve(item, c, err);
        }
    }
    return r;
}

static bool is_active(const json_t *c)
{
    const char *state = member_state(c);

    return str_eq(state, "running") || str_eq(state, "paused") || str_eq(state, "restarting");
}

static bool is_selected(const json_t *c, const struct ps_selection *s)
{
    if (!s->all && !filters_have(&s->filters, "status") && !is_active(c))
        return false;
    return filters_match(&s->filters, c);
}

/* The server writes all times in one form, so text order is time order. Ids break ties. */
static int compare_newest_first(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
    int r = strcmp(member_text(y, "created"), member_text(x, "created"));

    return r ? r : strcmp(member_text(x, "id"), member_text(y, "id"));
}

json_t *ps_select(const json_t *list, const struct ps_selection *s)
{
    _cleanup_free_ json_t **sorted = xcalloc(json_array_size(list), sizeof(json_t *));
    json_t *chosen = json_array();
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *c = json_array_get(list, i);

        if (is_selected(c, s))
            sorted[n++] = c;
    }
    qsort(sorted, n, sizeof(json_t *), compare_newest_first);
    for (size_t i = 0; i < n && (s->last == 0 || i < s->last); i++)
        (void)json_array_append(chosen, sorted[i]);
    return chosen;
}

void ps_selection_done(struct ps_selection *s)
{
    filters_done(&s->filters);
}
