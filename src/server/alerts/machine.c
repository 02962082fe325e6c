#include "server/alerts/machine.h"
#include "base/state.h"

static const struct state_row rows[] = {
    STATE_ROW(ALERT_INACTIVE, "inactive", STATE_TO(ALERT_PENDING)),
    STATE_ROW(ALERT_PENDING, "pending", STATE_TO(ALERT_INACTIVE) | STATE_TO(ALERT_FIRING)),
    STATE_ROW(ALERT_FIRING, "firing", STATE_TO(ALERT_RESOLVING)),
    STATE_ROW(ALERT_RESOLVING, "resolving", STATE_TO(ALERT_FIRING) | STATE_TO(ALERT_INACTIVE)),
};
static const struct state_machine machine = STATE_MACHINE("alert", rows);

static void set_state(struct alert_clock *c, enum alert_state state)
{
    state_check(&machine, NULL, c->state, state);
    c->state = state;
    c->held_ms = 0;
    c->n_seen = 0;
    c->was_observed = false;
}

/* Counts the time since the last step if it was observed at both ends. */
static void hold(struct alert_clock *c, int64_t elapsed_ms)
{
    if (c->was_observed && elapsed_ms > 0)
        c->held_ms += elapsed_ms;
    c->was_observed = true;
}

static enum alert_outcome step_pending(struct alert_clock *c,
                                       const struct alert_delays *d,
                                       enum alert_condition condition,
                                       int64_t elapsed_ms,
                                       bool is_new)
{
    if (condition != CONDITION_TRUE) {
        set_state(c, ALERT_INACTIVE);
        return ALERT_CHANGED;
    }
    hold(c, elapsed_ms);
    if (is_new)
        c->n_seen++;
    if (c->held_ms < d->active_ms || c->n_seen < d->samples)
        return ALERT_SAME;
    set_state(c, ALERT_FIRING);
    return ALERT_FIRED;
}

static enum alert_outcome step_resolving(struct alert_clock *c,
                                         const struct alert_delays *d,
                                         enum alert_condition condition,
                                         int64_t elapsed_ms)
{
    if (condition != CONDITION_CLEAR) {
        set_state(c, ALERT_FIRING);
        return ALERT_CHANGED;
    }
    hold(c, elapsed_ms);
    if (c->held_ms < d->clear_ms)
        return ALERT_SAME;
    set_state(c, ALERT_INACTIVE);
    return ALERT_RESOLVED;
}

static enum alert_outcome or_changed(enum alert_outcome o)
{
    return o == ALERT_SAME ? ALERT_CHANGED : o;
}

enum alert_outcome alert_step(struct alert_clock *c,
                              const struct alert_delays *d,
                              enum alert_condition condition,
                              int64_t elapsed_ms,
                              bool is_new)
{
    if (condition == CONDITION_NO_DATA) {
        c->was_observed = false;
        return ALERT_SAME;
    }
    switch (c->state) {
    case ALERT_INACTIVE:
        if (condition != CONDITION_TRUE)
            return ALERT_SAME;
        set_state(c, ALERT_PENDING);
        return or_changed(step_pending(c, d, condition, 0, is_new));
    case ALERT_PENDING: return step_pending(c, d, condition, elapsed_ms, is_new);
    case ALERT_FIRING:
        if (condition != CONDITION_CLEAR)
            return ALERT_SAME;
        set_state(c, ALERT_RESOLVING);
        return or_changed(step_resolving(c, d, condition, 0));
    case ALERT_RESOLVING: return step_resolving(c, d, condition, elapsed_ms);
    case ALERT_STATES: break;
    }
    return ALERT_SAME;
}

int64_t alert_wait_ms(const struct alert_clock *c, const struct alert_delays *d)
{
    int64_t whole_ms;

    if (!c->was_observed || (c->state != ALERT_PENDING && c->state != ALERT_RESOLVING))
        return -1;
    whole_ms = c->state == ALERT_PENDING ? d->active_ms : d->clear_ms;
    return whole_ms > c->held_ms ? whole_ms - c->held_ms : -1;
}

const char *alert_state_name(enum alert_state s)
{
    return state_name(&machine, s);
}
