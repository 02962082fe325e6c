#include "agent/update/plan_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <string.h>

#define MIN_SHORT_ID 12

static const char *skip_slash(const char *name)
{
    return name && *name == '/' ? name + 1 : name;
}

const json_t *plan_reference_find(const struct plan_source *s, const char *reference)
{
    const json_t *by_beginning = NULL;
    size_t i, n = strlen(reference);
    json_t *c;

    json_array_foreach(s->containers, i, c)
    {
        const char *id = json_text_get(c, "Id");
        const char *name = skip_slash(json_text_get(c, "Name"));

        if (str_eq(id, reference) || str_eq(name, skip_slash(reference)))
            return c;
        if (n >= MIN_SHORT_ID && id && str_starts_with(id, reference))
            by_beginning = c;
    }
    return by_beginning;
}

static char *copy_without_suffix(const char *name)
{
    size_t n = strlen(name);

    (void)plan_name_is_ours(name, &n);
    return xstrndup(name, n);
}

/*
 * The name that replaces a reference; NULL: the container does not exist. A name with our suffix is
 * that of a container which was set aside for an update, and its successor has the name without.
 */
static char *resolve(const struct plan_source *s, const char *reference)
{
    const json_t *c = plan_reference_find(s, reference);
    const char *id = c ? json_text_get(c, "Id") : reference, *name, *renamed = NULL;

    if (id)
        renamed = json_text_get(s->renamed, id);
    if (renamed)
        return xstrdup(renamed);
    if (!c)
        return s->containers ? NULL : copy_without_suffix(skip_slash(reference));
    name = skip_slash(json_text_get(c, "Name"));
    return copy_without_suffix(str_is_empty(name) ? reference : name);
}

static int refuse_missing(struct plan_work *w, const char *field, const char *reference)
{
    return error_code_set(w->err, CODE_UPDATE_REFUSED,
                          "container %.*s cannot be re-created: its %s names container %.*s, "
                          "which does not exist; re-create it with the tool that made it",
                          STR_CUT(w->name, 128), field, STR_CUT(reference, 128));
}

int plan_reference_mode(struct plan_work *w,
                        const struct plan_field *f,
                        const json_t *value,
                        json_t *to)
{
    static const char prefix[] = "container:";
    const char *mode = json_is_string(value) ? json_string_value(value) : NULL;
    _cleanup_free_ char *name = NULL, *text = NULL;

    if (!mode || !str_starts_with(mode, prefix)) {
        plan_copy(to, f->name, value);
        return 0;
    }
    name = resolve(w->s, mode + strlen(prefix));
    if (!name)
        return refuse_missing(w, f->name, mode + strlen(prefix));
    text = xasprintf("%s%s", prefix, name);
    json_text_set(to, f->name, json_text_str(text));
    return 0;
}

int plan_reference_ipc(struct plan_work *w,
                       const struct plan_field *f,
                       const json_t *value,
                       json_t *to)
{
    if (plan_is_empty(value) || json_equal(value, json_object_get(w->probe_host, f->name)))
        return 0;
    return plan_reference_mode(w, f, value, to);
}

/* "NAME[:MODE]" */
int plan_reference_volumes(struct plan_work *w,
                           const struct plan_field *f,
                           const json_t *value,
                           json_t *to)
{
    json_t *list, *item;
    size_t i;

    if (plan_is_empty(value))
        return 0;
    list = json_array();
    json_text_set(to, f->name, list);
    json_array_foreach(value, i, item)
    {
        const char *entry = json_string_value(item);
        size_t n = entry ? strcspn(entry, ":") : 0;
        _cleanup_free_ char *reference = xstrndup(entry ? entry : "", n);
        _cleanup_free_ char *name = resolve(w->s, reference);
        _cleanup_free_ char *text = NULL;

        if (!name)
            return refuse_missing(w, f->name, reference);
        text = xasprintf("%s%s", name, entry ? entry + n : "");
        plan_array_add(list, json_text_str(text));
    }
    return 0;
}

/* "/PARENT:/SELF/ALIAS", as inspect shows it, or "PARENT:ALIAS". */
static char *make_link(const struct plan_source *s, const char *link, char **ret_parent)
{
    const char *colon = strchr(link, ':');
    _cleanup_free_ char *parent = NULL, *name = NULL;
    const char *alias, *slash;

    parent = xstrndup(skip_slash(link),
                      colon ? (size_t)(colon - skip_slash(link)) : strlen(skip_slash(link)));
    alias = colon ? colon + 1 : parent;
    slash = strrchr(alias, '/');
    if (slash)
        alias = slash + 1;
    name = resolve(s, parent);
    *ret_parent = TAKE_PTR(parent);
    return name ? xasprintf("%s:%s", name, alias) : NULL;
}

static int copy_links(struct plan_work *w, const char *field, const json_t *value, json_t *to)
{
    json_t *list, *item;
    size_t i;

    if (plan_is_empty(value))
        return 0;
    list = json_array();
    json_text_set(to, field, list);
    json_array_foreach(value, i, item)
    {
        const char *entry = json_string_value(item);
        _cleanup_free_ char *parent = NULL, *link = NULL;

        if (!entry)
            continue;
        link = make_link(w->s, entry, &parent);
        if (!link)
            return refuse_missing(w, field, parent);
        plan_array_add(list, json_text_str(link));
    }
    return 0;
}

int plan_reference_links(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    if (plan_network_is_shared(w))
        return 0;
    return copy_links(w, f->name, value, to);
}

int plan_reference_endpoint_links(struct plan_work *w,
                                  const struct plan_field *f,
                                  const json_t *value,
                                  json_t *to)
{
    return copy_links(w, f->name, value, to);
}
