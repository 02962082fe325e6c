#pragma once

/*
 * GET /metrics: the newest figures of hosts and containers and the server's own health, in the text format of
 * Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/). Written family by family, slice by slice as
 * the client takes it, so that hundreds of thousands of series keep nobody else waiting.
 */

#include "base/buf.h"
#include "base/set.h"
#include "server/api/api.h"
#include "server/rights/scope.h"

/* What is left to write. Hosts that come meanwhile are not in it, those that go are left out from then on. */
struct exposition {
    const struct api *api;
    struct scope scope;
    struct strings hosts; /* ids */
    size_t family, host;  /* the next ones */
    struct set shadowed;  /* "HOST/CONTAINER" ids: another one of the host has its name */
    int64_t now_ms;
};

void exposition_init(struct exposition *e, const struct api *api, const struct scope *scope);
void exposition_done(struct exposition *e);
/* Appends at least `size` bytes, or the rest; false: there is no more. */
bool exposition_write(struct exposition *e, size_t size, struct buf *out);

/* The families about the server itself (server_metrics.c). */
void server_metrics_write(const struct api *api, struct buf *out);
void prometheus_head(struct buf *out, const char *name, const char *type, const char *help);
