#pragma once

/*
 * One sample of a container from the Engine API, one-shot. It costs the engine some milliseconds of CPU and up to
 * two seconds of time, so it is the fallback, and the yardstick for the other sources.
 */

#include "docker/engine.h"
#include "docker/json_scan.h"
#include "proto/metric.h"

struct api_sample {
    int64_t values[CONTAINER_METRICS]; /* without CONTAINER_CPU, name and times */
    int64_t mem_usage;                 /* bytes, before anything is subtracted */
    int64_t cpu_ns, system_ns;         /* since the start; since boot, over all CPUs */
    int64_t n_cpus;
};

/* The answer of /containers/{id}/stats; what it does not say is METRIC_NONE. */
void api_sample_read(struct json_span stats, struct api_sample *ret);

/* CPU between two samples in hundredths of a percent; METRIC_NONE when they do not say. */
int64_t api_sample_cpu(const struct api_sample *before, const struct api_sample *now);

/* `sample` is NULL when there is none, and gone after the call. */
typedef void (*api_stats_fn)(void *owner, int code, const struct api_sample *sample);

struct api_stats_call;

int api_stats_start(struct api_stats_call **ret,
                    struct engine *engine,
                    const char *id,
                    api_stats_fn done,
                    void *owner) _nodiscard_;
void api_stats_cancel(struct api_stats_call *call); /* NULL is fine */
DEFINE_CLEANUP(struct api_stats_call *, api_stats_cancel);
