#include "server/fleet/scope_view.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

_Static_assert(SCOPE_MAX_RULES <= 32, "a scope_view has 32 bits");

/* Tags are kept in lower case; rules and tags of earlier versions may have capitals. */
static bool has_tag(const struct fleet_host *h, const char *tag)
{
    json_auto_t *tags = h->row.tags ? json_loads(h->row.tags, 0, NULL) : NULL;

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *own = json_string_value(json_array_get(tags, i));

        if (own && strcasecmp(own, tag) == 0)
            return true;
    }
    return false;
}

static bool part_matches_host(const struct scope_rules *r,
                              const struct scope_part *p,
                              const struct fleet_host *h)
{
    if (p->kind == SCOPE_HOST)
        return str_eq(r->text + p->key, h->row.id);
    return p->kind != SCOPE_TAG || has_tag(h, r->text + p->key);
}

static bool part_matches_labels(const struct scope_rules *r,
                                const struct scope_part *p,
                                const json_t *labels)
{
    const json_t *label;

    if (p->kind != SCOPE_LABEL)
        return true;
    label = json_object_get(labels, r->text + p->key);
    return json_is_string(label) &&
           (!p->value || str_eq(json_string_value(label), r->text + p->value));
}

static uint32_t get_all_rules(const struct scope_rules *r)
{
    return (uint32_t)((UINT64_C(1) << r->n_rules) - 1);
}

static uint32_t match_host(const struct scope_rules *r, const struct fleet_host *h)
{
    uint32_t mask = get_all_rules(r);

    for (uint8_t i = 0; i < r->n_parts; i++) {
        if (!part_matches_host(r, &r->parts[i], h))
            mask &= ~(UINT32_C(1) << r->parts[i].rule);
    }
    return mask;
}

/* True: a rule of the mask has no condition on labels, or there are no rules. */
static bool has_rule_without_labels(const struct scope_rules *r, uint32_t mask)
{
    for (uint8_t i = 0; i < r->n_parts; i++) {
        if (r->parts[i].kind == SCOPE_LABEL)
            mask &= ~(UINT32_C(1) << r->parts[i].rule);
    }
    return r->n_rules == 0 || mask;
}

/* True: the labels match a rule of the mask, or there are no rules. */
static bool match_labels(const struct scope_rules *r, uint32_t mask, const json_t *labels)
{
    for (uint8_t i = 0; i < r->n_parts && mask; i++) {
        if (!part_matches_labels(r, &r->parts[i], labels))
            mask &= ~(UINT32_C(1) << r->parts[i].rule);
    }
    return r->n_rules == 0 || mask;
}

void scope_view_host(const struct scope *s, const struct fleet_host *h, struct scope_view *ret)
{
    *ret = (struct scope_view){
        .scope = s,
        .own = match_host(&s->own, h),
        .ceiling = match_host(&s->ceiling, h),
    };
}

bool scope_view_any(const struct scope_view *v)
{
    return (v->own || v->scope->own.n_rules == 0) && (v->ceiling || v->scope->ceiling.n_rules == 0);
}

bool scope_view_whole(const struct scope_view *v)
{
    return has_rule_without_labels(&v->scope->own, v->own) &&
           has_rule_without_labels(&v->scope->ceiling, v->ceiling);
}

bool scope_view_labels(const struct scope_view *v, const json_t *labels)
{
    return match_labels(&v->scope->own, v->own, labels) &&
           match_labels(&v->scope->ceiling, v->ceiling, labels);
}

bool scope_view_container(const struct scope_view *v, const struct fleet_container *c)
{
    return scope_view_labels(v, c->labels);
}

bool scope_view_host_samples(const struct scope_view *v)
{
    return scope_view_whole(v);
}

size_t scope_view_count(const struct scope_view *v, const struct fleet_host *h, bool only_running)
{
    size_t n = 0;

    if (!only_running && scope_view_whole(v))
        return h->containers.size;
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;

        n += scope_view_container(v, c) && (!only_running || str_eq(c->state, "running"));
    }
    return n;
}

bool scope_allows_host(const struct scope *s, const struct fleet_host *h)
{
    struct scope_view v;

    scope_view_host(s, h, &v);
    return scope_view_any(&v);
}

bool scope_allows_whole_host(const struct scope *s, const struct fleet_host *h)
{
    struct scope_view v;

    scope_view_host(s, h, &v);
    return scope_view_whole(&v);
}

bool scope_allows_container(const struct scope *s,
                            const struct fleet_host *h,
                            const struct fleet_container *c)
{
    struct scope_view v;

    scope_view_host(s, h, &v);
    return scope_view_container(&v, c);
}

int scope_find_host(const struct scope *s,
                    const struct fleet *f,
                    const char *ref,
                    struct fleet_host **ret)
{
    struct fleet_host *by_id = fleet_find_host(f, ref), *by_name = NULL, *by_prefix = NULL;
    unsigned n_names = 0, n_prefixes = 0;

    if (by_id && scope_allows_host(s, by_id)) {
        *ret = by_id;
        return 0;
    }
    map_foreach(fleet_hosts(f), e) {
        struct fleet_host *h = e->value;
        bool is_prefix = strlen(ref) >= SCOPE_LEAST_PREFIX && str_starts_with(h->row.id, ref);
        bool is_name = str_eq(h->row.name, ref);

        if ((!is_name && !is_prefix) || !scope_allows_host(s, h))
            continue;
        if (is_name) {
            by_name = h;
            n_names++;
        } else {
            by_prefix = h;
            n_prefixes++;
        }
    }
    if (n_names > 1 || (n_names == 0 && n_prefixes > 1))
        return -EEXIST;
    if (!by_name && !by_prefix)
        return -ENOENT;
    *ret = by_name ? by_name : by_prefix;
    return 0;
}
