/*
 * GET /api/hosts/tags/suggest and /api/tags/suggest: the tags in use that contain a text, for the
 * fields of DockMon's web UI. Only tags of what the caller may see.
 */

#include "base/alloc.h"
#include "base/set.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/fleet/host_settings.h"
#include "server/fleet/scope_view.h"
#include "server/view/container_json.h"
#include "server/view/json_values.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT 20
#define MAX_LIMIT     100

struct suggestion {
    const char *text; /* that a tag has to contain, in any case */
    struct set found;
};

static void suggest(struct suggestion *s, const char *tag)
{
    if (tag && strcasestr(tag, s->text))
        (void)set_add(&s->found, tag);
}

static void suggest_all(struct suggestion *s, const json_t *tags)
{
    for (size_t i = 0; i < json_array_size(tags); i++)
        suggest(s, json_string_value(json_array_get(tags, i)));
}

static void suggest_of_host(struct suggestion *s, const struct fleet_host *h)
{
    json_auto_t *tags = json_value_column(h->row.tags, json_array());

    suggest_all(s, tags);
}

static void suggest_of_containers(struct suggestion *s,
                                  const struct fleet_host *h,
                                  const struct scope_view *view,
                                  bool with_derived)
{
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;
        json_auto_t *tags = NULL;

        if (!scope_view_container(view, c))
            continue;
        if (!with_derived) {
            suggest_all(s, host_settings_find(h, c, CONTAINER_TAGS));
            continue;
        }
        tags = container_tags(h, c);
        suggest_all(s, tags);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *sort_found(const struct suggestion *s, size_t limit)
{
    _cleanup_free_ const char **sorted = xcalloc(set_size(&s->found) + 1, sizeof(char *));
    json_t *tags = json_array();
    size_t n = 0;

    set_foreach(&s->found, e) sorted[n++] = e->key;
    qsort(sorted, n, sizeof(char *), compare);
    for (size_t i = 0; i < n && i < limit; i++)
        (void)json_array_append_new(tags, json_text_str(sorted[i]));
    return tags;
}

static void reply(struct api_call *call, bool with_containers, bool with_derived)
{
    static const struct api_number number = {"limit", DEFAULT_LIMIT, 1, MAX_LIMIT};
    _cleanup_free_ char *text = api_query(call, "q");
    struct suggestion s = {.text = text ? text : ""};
    struct error err = ERROR_INIT;
    uint64_t limit = 0;

    if (api_query_u64(call, &number, &limit, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    map_foreach(fleet_hosts(call->api->o.fleet), e) {
        const struct fleet_host *h = e->value;
        struct scope_view view;

        scope_view_host(&call->who.scope, h, &view);
        if (!scope_view_any(&view))
            continue;
        suggest_of_host(&s, h);
        if (with_containers)
            suggest_of_containers(&s, h, &view, with_derived);
    }
    api_reply(call, 200, json_pack("{s:o}", "tags", sort_found(&s, (size_t)limit)));
    set_done(&s.found);
}

void host_tags_suggest(struct api_call *call)
{
    reply(call, false, false);
}

/* With tags of containers that users have set; if wanted, also with those derived from labels. */
void tags_suggest(struct api_call *call)
{
    struct error err = ERROR_INIT;
    bool with_derived = false;

    if (api_query_bool(call, "include_derived", false, &with_derived, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    reply(call, true, with_derived);
}
