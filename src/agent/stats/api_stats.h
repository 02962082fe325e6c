#pragma once

/*
 * One sample of a container from the Engine API (one-shot). It takes the engine some milliseconds
 * of CPU time and up to two seconds, so it is the fallback, and the reference for the other
 * sources.
 */

#include "docker/engine.h"
#include "docker/json_scan.h"
#include "proto/metric.h"

struct api_sample {
    int64_t values[CONTAINER_METRICS]; /* without CONTAINER_CPU, name and times */
    int64_t mem_usage;                 /* bytes, before anything is subtracted */
    /* cpu_ns: since the start of the container; system_ns: since boot, over all CPUs */
    int64_t cpu_ns, system_ns;
    int64_t n_cpus;
};

/* Reads the answer of /containers/{id}/stats; values that are missing become METRIC_NONE. */
void api_sample_read(struct json_span stats, struct api_sample *ret);

/* The CPU usage between two samples in hundredths of a percent; METRIC_NONE if it is unknown. */
int64_t api_sample_cpu(const struct api_sample *before, const struct api_sample *now);

/* `sample` is NULL on failure; it is valid during the call only. */
typedef void (*api_stats_fn)(void *owner, int code, const struct api_sample *sample);

struct api_stats_call;

int api_stats_start(struct api_stats_call **ret,
                    struct engine *engine,
                    const char *id,
                    api_stats_fn done,
                    void *owner) _nodiscard_;
void api_stats_cancel(struct api_stats_call *call); /* NULL is fine */
DEFINE_CLEANUP(struct api_stats_call *, api_stats_cancel);
