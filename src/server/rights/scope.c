#include "server/rights/scope.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *prefix;
    bool has_value; /* the text is KEY=VALUE */
} kinds[] = {
    [SCOPE_HOST] = {"host=",  false},
    [SCOPE_TAG] = {"tag=",   false},
    [SCOPE_LABEL] = {"label=", true },
};

_Static_assert(ARRAY_LEN(kinds) == SCOPE_KINDS, "every kind has a prefix");
_Static_assert(SCOPE_MAX_TEXT <= UINT16_MAX, "offsets are 16 bits");

/* Copies text into the rules. Offset 0 is never used: it means "none". */
static int add_text(struct scope_rules *r, const char *text, uint16_t *ret, struct error *err)
{
    size_t size = strlen(text) + 1;

    if (size == 1 || size > SCOPE_MAX_VALUE + 1) {
        return error_set(err, -EDOM, "each value of a scope must have 1 to %d bytes",
                         SCOPE_MAX_VALUE);
    }
    if (!str_is_utf8(text, size - 1))
        return error_set(err, -EDOM, "a scope must be valid UTF-8");
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(err, -EDOM, "a scope must not contain control characters");
    }
    if (r->size == 0)
        r->size = 1;
    if (r->size + size > sizeof(r->text)) {
        return error_set(err, -EDOM, "the scope is too long: at most %d bytes are allowed",
                         SCOPE_MAX_TEXT);
    }
    memcpy(r->text + r->size, text, size);
    *ret = r->size;
    r->size = (uint16_t)(r->size + size);
    return 0;
}

static int add_part(struct scope_rules *r, char *text, struct error *err)
{
    enum scope_part_kind kind = SCOPE_HOST;
    struct scope_part *part = &r->parts[r->n_parts];
    char *key, *value;
    int rc;

    while (kind < SCOPE_KINDS && !str_starts_with(text, kinds[kind].prefix))
        kind++;
    if (kind == SCOPE_KINDS) {
        return error_set(
            err, -EDOM,
            "`%.*s` is not a rule: use host=NAME, tag=TAG, label=KEY or label=KEY=VALUE",
            STR_CUT(text, 80));
    }
    if (r->n_parts == SCOPE_MAX_PARTS)
        return error_set(err, -EDOM, "a scope can have at most %d conditions", SCOPE_MAX_PARTS);
    key = text + strlen(kinds[kind].prefix);
    value = kinds[kind].has_value ? strchr(key, '=') : NULL;
    if (value)
        *value++ = '\0';
    part->kind = (uint8_t)kind;
    part->rule = r->n_rules;
    rc = add_text(r, key, &part->key, err);
    if (rc == 0 && value) {
        rc = *value ? add_text(r, value, &part->value, err)
                    : error_set(err, -EDOM, "`label=%.*s=` has no value", STR_CUT(key, 80));
    }
    if (rc == 0)
        r->n_parts++;
    return rc;
}

/* Replaces the reference to a host by its id. Two hosts in one rule could never both match. */
static int resolve_host(
    struct scope_rules *r, uint8_t first, scope_host_fn find, void *arg, struct error *err)
{
    struct scope_part *host = NULL;
    const char *id;

    for (uint8_t i = first; i < r->n_parts; i++) {
        if (r->parts[i].kind != SCOPE_HOST)
            continue;
        if (host) {
            return error_set(err, -EDOM,
                             "a rule can name one host only; use one rule for each host");
        }
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
        return error_set(err, -EDOM, "a scope can have at most %d rules", SCOPE_MAX_RULES);
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
