#include "server/session/refusals.h"
#include "base/str.h"

#include <string.h>

/* Returns the index of the entry to replace: the same one, a free one, or the oldest. */
static size_t find_place(struct refusals *r, const struct refusal *new)
{
    for (size_t i = 0; i < r->n; i++) {
        if (str_eq(r->entries[i].peer, new->peer) && str_eq(r->entries[i].text, new->text))
            return i;
    }
    if (r->n == REFUSALS_MAX)
        return r->n - 1;
    r->entries[r->n] = (struct refusal){0};
    return r->n++;
}

void refusals_note(
    struct refusals *r, const char *peer, const char *code, const char *text, int64_t now_ms)
{
    struct refusal new = {.at_ms = now_ms, .count = 1, .code = code};
    size_t i;

    str_copy(new.peer, sizeof(new.peer), peer ? peer : "");
    str_copy(new.text, sizeof(new.text), text);
    i = find_place(r, &new);
    if (str_eq(r->entries[i].peer, new.peer) && str_eq(r->entries[i].text, new.text))
        new.count += r->entries[i].count;
    memmove(r->entries + 1, r->entries, i * sizeof(*r->entries));
    r->entries[0] = new;
}
