#include "proto/operation_rule.h"

#include "base/str.h"

/* It waits for a process, which may ignore the signal, for as long as the user has said. */
static bool is_graceful(const struct operation_spec *spec)
{
    return spec->effect == EFFECT_ENDS && spec->arguments & TAKES_TIMEOUT;
}

/* It ends the process without waiting for it. */
static bool is_abrupt(struct rule_subject o)
{
    const struct operation_spec *spec = operation_spec(o.id);

    if (spec->effect != EFFECT_ENDS || !(spec->arguments & TAKES_CONTAINER) || is_graceful(spec))
        return false;
    return !(spec->arguments & TAKES_REMOVAL) || o.is_forced || o.id == OPERATION_DELETE_CONTAINER;
}

enum operation_rule operation_rule(struct rule_subject running, struct rule_subject arriving)
{
    const struct operation_spec *r = operation_spec(running.id), *a = operation_spec(arriving.id);

    if (r->effect == EFFECT_READS || a->effect == EFFECT_READS)
        return RULE_BESIDE;
    if (str_eq(r->word, a->word))
        return running.is_mild || arriving.is_mild ? RULE_WAIT : RULE_REFUSE;
    if (!is_graceful(r))
        return RULE_WAIT;
    if (arriving.is_mild)
        return RULE_BESIDE;
    if (is_abrupt(arriving))
        return RULE_OVERTAKE;
    return str_eq(a->capability, PAUSE_CAPABILITY) ? RULE_REFUSE : RULE_WAIT;
}
