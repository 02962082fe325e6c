#include "proto/operation_rule.h"

#include "base/str.h"

/* It waits for a process, which may ignore the signal, for as long as the user has said. */
static bool is_graceful(const struct operation_spec *spec)
{
    return spec->effect == EFFECT_ENDS && spec->arguments & TAKES_TIMEOUT;
}

/* It ends the process without waiting for it. */
static bool is_abrupt(enum operation_id id, bool is_forced)
{
    const struct operation_spec *spec = operation_spec(id);

    if (spec->effect != EFFECT_ENDS || !(spec->arguments & TAKES_CONTAINER) || is_graceful(spec))
        return false;
    return !(spec->arguments & TAKES_REMOVAL) || is_forced || id == OPERATION_DELETE_CONTAINER;
}

enum operation_rule operation_rule(enum operation_id running,
                                   enum operation_id arriving,
                                   bool is_forced)
{
    const struct operation_spec *r = operation_spec(running), *a = operation_spec(arriving);

    if (r->effect == EFFECT_READS || a->effect == EFFECT_READS)
        return RULE_BESIDE;
    if (str_eq(r->word, a->word))
        return RULE_REFUSE;
    if (!is_graceful(r))
        return RULE_WAIT;
    if (is_abrupt(arriving, is_forced))
        return RULE_OVERTAKE;
    return str_eq(a->capability, PAUSE_CAPABILITY) ? RULE_REFUSE : RULE_WAIT;
}
