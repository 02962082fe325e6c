#include "agent/engine/health_watch.h"
#include "base/alloc.h"
#include "base/str.h"

#include <string.h>

#define MAX_CONTAINERS 10000
#define MAX_ACTION     64 /* bytes of a result that is remembered */

void health_watch_done(struct health_watch *w)
{
    map_foreach(&w->last, entry)
        free(entry->value);
    map_done(&w->last);
    *w = (struct health_watch){0};
}

bool health_watch_is_change(struct health_watch *w, const struct event *e)
{
    if (str_eq(e->action, "start") || str_eq(e->action, "destroy"))
        free(map_remove(&w->last, e->id));
    if (!str_starts_with(e->action, "health_status:") || strlen(e->action) > MAX_ACTION)
        return true;
    if (str_eq(map_find(&w->last, e->id), e->action))
        return false;
    if (w->last.size >= MAX_CONTAINERS)
        health_watch_done(w);
    free(map_put(&w->last, e->id, xstrdup(e->action)));
    return true;
}
