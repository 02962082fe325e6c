#pragma once

/*
 * A survey asks the engine for the source of the plan of one container (plan.h), and
 * puts it into one object of JSON, which the journal stores: a comparison is possible after the
 * agent was killed, and after the old image was removed.
 *
 *   INSPECT -> LEGACY -> OLD_IMAGE -> NEW_IMAGE -> INFO -> PROBE -> PROBE_INSPECT -> PROBE_REMOVE
 *
 * The probe is a container of the new image alone, which is never started: what it has, the engine
 * fills in. It carries PROBE_LABEL, so that one that a killed agent left behind is recognised.
 */

#include "agent/update/plan.h"
#include "base/error.h"
#include "docker/engine.h"

#define PROBE_LABEL "dockmon.probe"

struct survey;

struct survey_result {
    int code; /* 0, or a negative errno with its code in `reason` */
    int reason;
    const char *message;
    /* Belongs to the receiver; NULL on failure. Use survey_restore() to read it. */
    json_t *source;
};

struct survey_options {
    struct engine *engine; /* outlives the survey, as do all pointers here */
    const char *container; /* full id */
    /* The reference that is to be used, whose image exists; NULL: the image that it has now. */
    const char *image;
    const json_t *containers; /* inspects of all containers, see inspect_all.h */
    bool has_consent;
    void (*done)(void *owner, const struct survey_result *result);
    void *owner;
};

/* Never calls `done` before it has returned. */
struct survey *survey_start(const struct survey_options *o);
void survey_free(struct survey *s); /* NULL is fine; inside `done` it does nothing */

/* Fills the source of a plan with what `source` holds; everything is borrowed from it. */
void survey_restore(struct plan_source *ret, const json_t *source);
