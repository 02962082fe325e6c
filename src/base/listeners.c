#include "base/listeners.h"

#include <assert.h>

void listeners_add(struct listeners *list, struct listener *l)
{
    assert(!l->list);
    *l = (struct listener){.list = list, .prev = list->last, .number = ++list->n_added};
    if (list->last) {
        list->last->next = l;
    } else {
        list->first = l;
    }
    list->last = l;
}

void listeners_remove(struct listener *l)
{
    struct listeners *list = l->list;

    if (!list)
        return;
    for (struct listeners_walk *w = list->walk; w; w = w->outer) {
        if (w->next == l)
            w->next = l->next;
    }
    *(l->prev ? &l->prev->next : &list->first) = l->next;
    *(l->next ? &l->next->prev : &list->last) = l->prev;
    *l = (struct listener){0};
}

bool listeners_is_empty(const struct listeners *list)
{
    return !list->first;
}

void listeners_done(struct listeners *list)
{
    while (list->first)
        listeners_remove(list->first);
    for (struct listeners_walk *w = list->walk; w; w = w->outer)
        w->list = NULL;
    *list = (struct listeners){0};
}

void listeners_walk_start(struct listeners_walk *w, struct listeners *list)
{
    *w = (struct listeners_walk){
        .list = list, .next = list->first, .last = list->n_added, .outer = list->walk};
    list->walk = w;
}

struct listener *listeners_walk_next(struct listeners_walk *w)
{
    struct listener *l = w->list ? w->next : NULL;

    if (l && l->number <= w->last) {
        w->next = l->next;
        return l;
    }
    if (w->list) {
        assert(w->list->walk == w); /* inner walks have ended */
        w->list->walk = w->outer;
        w->list = NULL;
    }
    return NULL;
}
