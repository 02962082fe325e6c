#include "cli/containers/ps_filter.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/containers/containers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const key_names[N_PS_KEYS] = {
    [PS_NAME] = "name", [PS_STATUS] = "status", [PS_LABEL] = "label",
    [PS_HOST] = "host", [PS_ID] = "id",         [PS_ANCESTOR] = "ancestor",
};

static int parse_filter(const char *word, struct ps_filter *ret, struct error *err)
{
    size_t size = strcspn(word, "=");

    for (int key = 0; key < N_PS_KEYS; key++) {
        if (word[size] == '=' && strlen(key_names[key]) == size &&
            strncmp(word, key_names[key], size) == 0) {
            *ret = (struct ps_filter){(enum ps_key)key, word + size + 1};
            return 0;
        }
    }
    return error_set(
        err, -EINVAL,
        "--filter: \"%s\" is not one of name=, status=, label=, host=, id= and ancestor=", word);
}

int ps_filters_parse(const struct args_list *words, struct ps_filters *ret, struct error *err)
{
    struct ps_filters f = {0};

    if (words->n > PS_MAX_FILTERS)
        return error_set(err, -EINVAL, "--filter: at most %d filters are possible", PS_MAX_FILTERS);
    for (; f.n < words->n; f.n++) {
        if (parse_filter(words->items[f.n], &f.items[f.n], err) < 0)
            return -EINVAL;
    }
    *ret = f;
    return 0;
}

/* "key" or "key=value". */
static bool has_label(const json_t *c, const char *wanted)
{
    const char *equals = strchr(wanted, '=');
    _cleanup_free_ char *name = equals ? xstrndup(wanted, (size_t)(equals - wanted))
                                       : xstrdup(wanted);
    const json_t *value = json_object_get(json_object_get(c, "labels"), name);

    return value && (!equals || str_eq(json_string_value(value), equals + 1));
}

/* "nginx" matches nginx:1.25 and registry/nginx, but not nginx-exporter. */
static bool is_image(const char *image, const char *wanted)
{
    const char *slash = strrchr(image, '/');
    size_t size = strlen(wanted);

    if (slash && !strchr(wanted, '/'))
        image = slash + 1;
    return strncmp(image, wanted, size) == 0 &&
           (image[size] == '\0' || image[size] == ':' || image[size] == '@');
}

static bool matches_filter(const json_t *c, const struct ps_filter *f)
{
    switch (f->key) {
    case PS_NAME: return strstr(member_text(c, "name"), f->value) != NULL;
    case PS_STATUS: return str_eq(member_text(c, "state"), f->value);
    case PS_LABEL: return has_label(c, f->value);
    case PS_HOST: return container_is_on_host(c, f->value);
    case PS_ID: return str_starts_with(member_text(c, "id"), f->value);
    case PS_ANCESTOR: return is_image(member_text(c, "image"), f->value);
    case N_PS_KEYS: break;
    }
    return false;
}

static bool matches_key(const json_t *c, const struct ps_filters *f, enum ps_key key)
{
    bool is_given = false, matches_one = false, matches_all = true;

    for (size_t i = 0; i < f->n; i++) {
        if (f->items[i].key != key)
            continue;
        is_given = true;
        if (matches_filter(c, &f->items[i])) {
            matches_one = true;
        } else {
            matches_all = false;
        }
    }
    return !is_given || (key == PS_LABEL ? matches_all : matches_one);
}

static bool has_status_filter(const struct ps_filters *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->items[i].key == PS_STATUS)
            return true;
    }
    return false;
}

static bool is_active(const json_t *c)
{
    const char *state = member_text(c, "state");

    return str_eq(state, "running") || str_eq(state, "paused") || str_eq(state, "restarting");
}

static bool is_selected(const json_t *c, const struct ps_selection *s)
{
    if (!s->all && !has_status_filter(&s->filters) && !is_active(c))
        return false;
    for (int key = 0; key < N_PS_KEYS; key++) {
        if (!matches_key(c, &s->filters, (enum ps_key)key))
            return false;
    }
    return true;
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
