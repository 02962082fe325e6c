#include "server/rights/scope.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

enum part_kind { PART_HOST, PART_TAG, PART_LABEL, PART_KINDS };

static const struct {
    const char *prefix;
    bool has_value; /* KEY=VALUE is a key and a value */
} kinds[] = {
    [PART_HOST] = {"host=",  false},
    [PART_TAG] = {"tag=",   false},
    [PART_LABEL] = {"label=", true },
};

_Static_assert(ARRAY_LEN(kinds) == PART_KINDS, "every kind has its words");
_Static_assert(SCOPE_MAX_RULES <= 32, "a scope_view has 32 bits");
_Static_assert(SCOPE_MAX_TEXT <= UINT16_MAX, "offsets are 16 bits");

/* --- rules to text and back ------------------------------------------------------------------------- */

/* Copies text into the rules; offset 0 is never used, so that it can mean none. */
static int add_text(struct scope_rules *r, const char *text, uint16_t *ret, struct error *err)
{
    size_t size = strlen(text) + 1;

    if (size == 1 || size > SCOPE_MAX_VALUE + 1)
        return error_set(err, -EDOM, "a value of a scope has 1 to %d bytes", SCOPE_MAX_VALUE);
    if (!str_is_utf8(text, size - 1))
        return error_set(err, -EDOM, "a scope is UTF-8");
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(err, -EDOM, "a scope has no control characters");
    }
    if (r->size == 0)
        r->size = 1;
    if (r->size + size > sizeof(r->text))
        return error_set(err, -EDOM, "the scope is too long: %d bytes at most", SCOPE_MAX_TEXT);
    memcpy(r->text + r->size, text, size);
    *ret = r->size;
    r->size = (uint16_t)(r->size + size);
    return 0;
}

static int add_part(struct scope_rules *r, char *text, struct error *err)
{
    enum part_kind kind = PART_HOST;
    struct scope_part *part = &r->parts[r->n_parts];
    char *key, *value;
    int rc;

    while (kind < PART_KINDS && !str_starts_with(text, kinds[kind].prefix))
        kind++;
    if (kind == PART_KINDS) {
        return error_set(err, -EDOM,
                         "`%.80s` is no scope: host=NAME, tag=TAG, label=KEY or label=KEY=VALUE",
                         text);
    }
    if (r->n_parts == SCOPE_MAX_PARTS)
        return error_set(err, -EDOM, "a scope has at most %d conditions", SCOPE_MAX_PARTS);
    key = text + strlen(kinds[kind].prefix);
    value = kinds[kind].has_value ? strchr(key, '=') : NULL;
    if (value)
        *value++ = '\0';
    part->kind = (uint8_t)kind;
    part->rule = r->n_rules;
    rc = add_text(r, key, &part->key, err);
    if (rc == 0 && value) {
        rc = *value ? add_text(r, value, &part->value, err)
                    : error_set(err, -EDOM, "`label=%.80s=` has no value", key);
    }
    if (rc == 0)
        r->n_parts++;
    return rc;
}

/* A host by its id. Two hosts in one rule could never both match. */
static int resolve_host(
    struct scope_rules *r, uint8_t first, scope_host_fn find, void *arg, struct error *err)
{
    struct scope_part *host = NULL;
    const char *id;

    for (uint8_t i = first; i < r->n_parts; i++) {
        if (r->parts[i].kind != PART_HOST)
            continue;
        if (host)
            return error_set(err, -EDOM, "a rule of a scope has one host; give each its own rule");
        host = &r->parts[i];
    }
    if (!host || !find)
        return 0;
    id = find(arg, r->text + host->key);
    if (!id)
        return error_set(err, -EDOM, "scope: there is no host `%s`", r->text + host->key);
    return str_eq(id, r->text + host->key) ? 0 : add_text(r, id, &host->key, err);
}

int scope_rules_add(
    struct scope_rules *r, const char *rule, scope_host_fn find, void *arg, struct error *err)
{
    _cleanup_free_ char *copy = xstrdup(rule);
    struct scope_rules next = *r;
    char *part = copy;
    int rc = 0;

    if (r->n_rules == SCOPE_MAX_RULES)
        return error_set(err, -EDOM, "a scope has at most %d rules", SCOPE_MAX_RULES);
    while (rc == 0 && part) {
        char *comma = strchr(part, ',');

        if (comma)
            *comma++ = '\0';
        rc = add_part(&next, str_trim(part), err);
        part = comma;
    }
    if (rc == 0)
        rc = resolve_host(&next, r->n_parts, find, arg, err);
    if (rc < 0)
        return rc;
    next.n_rules++;
    *r = next;
    return 0;
}

int scope_rules_parse(const char *text, struct scope_rules *ret, struct error *err)
{
    _cleanup_free_ char *copy = xstrdup(text);
    struct scope_rules rules = {0};
    char *line = str_is_empty(copy) ? NULL : copy;

    while (line) {
        char *end = strchr(line, '\n');
        int r;

        if (end)
            *end++ = '\0';
        r = scope_rules_add(&rules, line, NULL, NULL, err);
        if (r < 0)
            return r;
        line = end;
    }
    *ret = rules;
    return 0;
}

char *scope_rules_text(const struct scope_rules *r)
{
    char *text = NULL;

    for (uint8_t i = 0; i < r->n_parts; i++) {
        const struct scope_part *p = &r->parts[i];
        const char *between = i == 0 ? "" : p->rule == p[-1].rule ? "," : "\n";
        char *next = xasprintf("%s%s%s%s%s%s", text ? text : "", between, kinds[p->kind].prefix,
                               r->text + p->key, p->value ? "=" : "",
                               p->value ? r->text + p->value : "");

        free(text);
        text = next;
    }
    return text;
}

bool scope_is_limited(const struct scope *s)
{
    return s->own.n_rules > 0 || s->ceiling.n_rules > 0;
}

bool scope_equal(const struct scope *a, const struct scope *b)
{
    _cleanup_free_ char *a_own = scope_rules_text(&a->own), *b_own = scope_rules_text(&b->own);
    _cleanup_free_ char *a_ceiling = scope_rules_text(&a->ceiling),
                        *b_ceiling = scope_rules_text(&b->ceiling);

    return str_eq(a_own, b_own) && str_eq(a_ceiling, b_ceiling);
}

/* --- what they allow -------------------------------------------------------------------------------- */

static bool has_tag(const struct fleet_host *h, const char *tag)
{
    json_auto_t *tags = h->row.tags ? json_loads(h->row.tags, 0, NULL) : NULL;

    for (size_t i = 0; i < json_array_size(tags); i++) {
        if (str_eq(json_string_value(json_array_get(tags, i)), tag))
            return true;
    }
    return false;
}

static bool part_matches_host(const struct scope_rules *r,
                              const struct scope_part *p,
                              const struct fleet_host *h)
{
    if (p->kind == PART_HOST)
        return str_eq(r->text + p->key, h->row.id);
    return p->kind != PART_TAG || has_tag(h, r->text + p->key);
}

static bool part_matches_labels(const struct scope_rules *r,
                                const struct scope_part *p,
                                const json_t *labels)
{
    const json_t *label;

    if (p->kind != PART_LABEL)
        return true;
    label = json_object_get(labels, r->text + p->key);
    return json_is_string(label) &&
           (!p->value || str_eq(json_string_value(label), r->text + p->value));
}

static uint32_t all_rules(const struct scope_rules *r)
{
    return (uint32_t)((UINT64_C(1) << r->n_rules) - 1);
}

static uint32_t rules_on_host(const struct scope_rules *r, const struct fleet_host *h)
{
    uint32_t mask = all_rules(r);

    for (uint8_t i = 0; i < r->n_parts; i++) {
        if (!part_matches_host(r, &r->parts[i], h))
            mask &= ~(UINT32_C(1) << r->parts[i].rule);
    }
    return mask;
}

static bool some_whole(const struct scope_rules *r, uint32_t mask)
{
    for (uint8_t i = 0; i < r->n_parts; i++) {
        if (r->parts[i].kind == PART_LABEL)
            mask &= ~(UINT32_C(1) << r->parts[i].rule);
    }
    return r->n_rules == 0 || mask;
}

static bool some_labels(const struct scope_rules *r, uint32_t mask, const json_t *labels)
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
        .own = rules_on_host(&s->own, h),
        .ceiling = rules_on_host(&s->ceiling, h),
    };
}

bool scope_view_any(const struct scope_view *v)
{
    return (v->own || v->scope->own.n_rules == 0) && (v->ceiling || v->scope->ceiling.n_rules == 0);
}

bool scope_view_whole(const struct scope_view *v)
{
    return some_whole(&v->scope->own, v->own) && some_whole(&v->scope->ceiling, v->ceiling);
}

bool scope_view_labels(const struct scope_view *v, const json_t *labels)
{
    return some_labels(&v->scope->own, v->own, labels) &&
           some_labels(&v->scope->ceiling, v->ceiling, labels);
}

bool scope_view_container(const struct scope_view *v, const struct fleet_container *c)
{
    return scope_view_labels(v, c->labels);
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
