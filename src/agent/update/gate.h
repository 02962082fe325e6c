#pragma once

/*
 * The health gate of an update: whether a container that was started a moment ago is well. It is
 * pure: the caller inspects the container about once a second and passes each reply with the time.
 *
 *   WAIT   not decided yet: inspect again
 *   PASS   healthy once; without a health check, up for a while without a restart; a one-shot
 *          that has exited with 0; a container that was stopped before, and is not started
 *   FAIL   a crash loop, an exit that is no success, unhealthy after the grace, the deadline
 *
 * Two sources of health exist, the first that applies to a container counts: the engine's health
 * check, else that it stays up. A further kind of check is one more row of their table in gate.c.
 *
 * Time is summed up over the calls, each of which counts GATE_MAX_STEP_MS at most, so neither a
 * jump of the clock nor an agent that was away makes a container fail or pass. Starts differ in
 * StartedAt: one that is repeated begins a new period of staying up.
 */

#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define GATE_HEALTH_TIMEOUT_MS 120000
#define GATE_STAYS_UP_MS       10000
#define GATE_MIN_GRACE_MS      30000
#define GATE_MAX_GRACE_MS      86400000
#define GATE_MAX_STEP_MS       10000
#define GATE_MAX_RESTARTS      3 /* more are a crash loop */

enum gate_verdict { GATE_WAIT, GATE_PASS, GATE_FAIL };

struct gate_options {
    uint64_t health_timeout_ms; /* 0: GATE_HEALTH_TIMEOUT_MS; never less than the grace */
    uint64_t stays_up_ms;       /* 0: GATE_STAYS_UP_MS */
    /* Raises the time in which "unhealthy" is no failure above that of the health check. */
    uint64_t grace_ms;
    bool was_running; /* false: the container was stopped, and stays so */
};

struct gate;

struct gate *gate_new(const struct gate_options *o);
void gate_free(struct gate *g);
DEFINE_CLEANUP(struct gate *, gate_free);

/*
 * `inspect` is a reply to GET /containers/ID/json, NULL: no such container; `now_ms` is in unix ms.
 * With GATE_FAIL *ret_reason is the state that was found, for people, at most 400 bytes, valid
 * until the next call. After a verdict the gate is not asked again.
 */
enum gate_verdict gate_look(struct gate *g,
                            const json_t *inspect,
                            int64_t now_ms,
                            const char **ret_reason);

/*
 * How long "unhealthy" is no failure for the health check of a container, in ms, by the Config of
 * its inspect: max(30 s, StartPeriod + Retries x (Interval + Timeout)).
 */
uint64_t gate_grace_ms(const json_t *config);
