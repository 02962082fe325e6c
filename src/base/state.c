#include "base/state.h"
#include "base/log.h"

#include <assert.h>

const char *state_name(const struct state_machine *m, unsigned state)
{
    assert(state < m->n_rows);
    return m->rows[state].name;
}

void state_check(const struct state_machine *m, const char *id, unsigned from, unsigned to)
{
    const char *old = state_name(m, from);
    const char *new = state_name(m, to);

    if (!(m->rows[from].next & STATE_TO(to)))
        log_error(LOG_FIELDS("id", id), "%s: illegal transition %s -> %s", m->name, old, new);
    assert(m->rows[from].next & STATE_TO(to));
    if (log_get_level() == LOG_LEVEL_DEBUG)
        log_debug(id ? LOG_FIELDS("id", id) : NULL, "%s: %s -> %s", m->name, old, new);
}
