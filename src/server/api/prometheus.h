#pragma once

/*
 * GET /metrics: the latest metrics of hosts and containers, and the server's own health, in the
 * text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/). The
 * text is written family by family in slices, as the client reads it, so that hundreds of thousands
 * of series do not block the loop.
 */

#include "base/buf.h"
#include "base/set.h"
#include "server/api/api.h"
#include "server/rights/scope.h"

/* The rest of the output. Hosts added in the meantime are not included; removed hosts are omitted
 * from then on. */
struct exposition {
    const struct api *api;
    struct scope scope;
    struct strings hosts; /* ids */
    size_t family, host;  /* the next ones to write */
    /* "HOST/CONTAINER" ids of containers that another one of the same name hides. */
    struct set shadowed;
    int64_t now_ms;
};

/* Collects the ids of the hosts in scope. `scope` is copied. */
void exposition_init(struct exposition *e, const struct api *api, const struct scope *scope);
void exposition_done(struct exposition *e);
/* Appends at least `size` bytes, or the rest. Returns false when all is written. */
bool exposition_write(struct exposition *e, size_t size, struct buf *out);

/* Appends the families about the server itself (server_metrics.c). */
void server_metrics_write(const struct api *api, struct buf *out);
/* Appends the lines HELP and TYPE of a family. */
void prometheus_head(struct buf *out, const char *name, const char *type, const char *help);
