#include "base/reentry.h"

void reentry_leave(struct reentry *r, bool is_freed, void (*destroy)(void *object), void *object)
{
    assert(r->depth > 0);
    r->depth--;
    if (r->depth == 0 && is_freed)
        destroy(object);
}
