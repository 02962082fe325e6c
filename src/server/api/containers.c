#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/api/container_json.h"
#include "server/api/handlers.h"

#include <stdlib.h>
#include <string.h>

/* Running first, then by name, as people look for them. */
static int compare(const void *a, const void *b)
{
    const struct fleet_container *const *x = a, *const *y = b;

    return strcmp((*x)->name ? (*x)->name : "", (*y)->name ? (*y)->name : "");
}

static void append_host(json_t *list, const struct fleet_host *h, const struct identity *who)
{
    _cleanup_free_ const struct fleet_container **sorted = xcalloc(
        h->containers.size, sizeof(struct fleet_container *));
    size_t n = 0;

    map_foreach(&h->containers, e)
        sorted[n++] = e->value;
    qsort(sorted, n, sizeof(struct fleet_container *), compare);
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, container_json(h, sorted[i], who->role >= ROLE_OPERATOR));
}

void containers_list(struct api_call *call)
{
    _cleanup_free_ char *host_id = api_query(call, "host_id");
    json_t *list = json_array();

    map_foreach(fleet_hosts(call->api->o.fleet), e) {
        const struct fleet_host *h = e->value;

        if (str_is_empty(host_id) || str_eq(host_id, h->row.id))
            append_host(list, h, &call->who);
    }
    api_reply(call, 200, list);
}
