#include "proto/metric.h"

#include "base/str.h"

#include <errno.h>

#define GAUGE(name, unit)        \
    {                            \
        name, unit, METRIC_GAUGE \
    }
#define COUNTER(name, unit)        \
    {                              \
        name, unit, METRIC_COUNTER \
    }

/* clang-format off */
const struct metric container_metrics[CONTAINER_METRICS] = {
    [CONTAINER_CPU]                = GAUGE("cpu", METRIC_CENTI_PERCENT),
    [CONTAINER_CPU_TIME]           = COUNTER("cpu_time", METRIC_MICROSECONDS),
    [CONTAINER_CPU_PERIODS]        = COUNTER("cpu_periods", METRIC_COUNT),
    [CONTAINER_CPU_THROTTLED]      = COUNTER("cpu_throttled", METRIC_COUNT),
    [CONTAINER_CPU_THROTTLED_TIME] = COUNTER("cpu_throttled_time", METRIC_MICROSECONDS),
    [CONTAINER_MEM_USED]           = GAUGE("mem_used", METRIC_BYTES),
    [CONTAINER_MEM_LIMIT]          = GAUGE("mem_limit", METRIC_BYTES),
    [CONTAINER_MEM_ANON]           = GAUGE("mem_anon", METRIC_BYTES),
    [CONTAINER_MEM_FILE]           = GAUGE("mem_file", METRIC_BYTES),
    [CONTAINER_MEM_KERNEL]         = GAUGE("mem_kernel", METRIC_BYTES),
    [CONTAINER_PIDS]               = GAUGE("pids", METRIC_COUNT),
    [CONTAINER_NET_RX]             = COUNTER("net_rx", METRIC_BYTES),
    [CONTAINER_NET_TX]             = COUNTER("net_tx", METRIC_BYTES),
    [CONTAINER_BLK_READ]           = COUNTER("blk_read", METRIC_BYTES),
    [CONTAINER_BLK_WRITE]          = COUNTER("blk_write", METRIC_BYTES),
    [CONTAINER_OOM_KILLS]          = COUNTER("oom_kills", METRIC_COUNT),
    [CONTAINER_PSI_CPU_SOME]       = GAUGE("psi_cpu_some", METRIC_CENTI_PERCENT),
    [CONTAINER_PSI_CPU_FULL]       = GAUGE("psi_cpu_full", METRIC_CENTI_PERCENT),
    [CONTAINER_PSI_MEM_SOME]       = GAUGE("psi_mem_some", METRIC_CENTI_PERCENT),
    [CONTAINER_PSI_MEM_FULL]       = GAUGE("psi_mem_full", METRIC_CENTI_PERCENT),
    [CONTAINER_PSI_IO_SOME]        = GAUGE("psi_io_some", METRIC_CENTI_PERCENT),
    [CONTAINER_PSI_IO_FULL]        = GAUGE("psi_io_full", METRIC_CENTI_PERCENT),
    [CONTAINER_RESTARTS]           = GAUGE("restarts", METRIC_COUNT),
    [CONTAINER_STARTED_AT]         = GAUGE("started_at", METRIC_UTC_MS),
};

const struct metric host_metrics[HOST_METRICS] = {
    [HOST_CPU]                = GAUGE("cpu", METRIC_CENTI_PERCENT),
    [HOST_CPUS]               = GAUGE("cpus", METRIC_COUNT),
    [HOST_LOAD_1]             = GAUGE("load_1", METRIC_CENTI),
    [HOST_LOAD_5]             = GAUGE("load_5", METRIC_CENTI),
    [HOST_LOAD_15]            = GAUGE("load_15", METRIC_CENTI),
    [HOST_MEM_TOTAL]          = GAUGE("mem_total", METRIC_BYTES),
    [HOST_MEM_USED]           = GAUGE("mem_used", METRIC_BYTES),
    [HOST_SWAP_TOTAL]         = GAUGE("swap_total", METRIC_BYTES),
    [HOST_SWAP_USED]          = GAUGE("swap_used", METRIC_BYTES),
    [HOST_NET_RX]             = COUNTER("net_rx", METRIC_BYTES),
    [HOST_NET_TX]             = COUNTER("net_tx", METRIC_BYTES),
    [HOST_UPTIME]             = GAUGE("uptime", METRIC_SECONDS),
    [HOST_CONTAINERS]         = GAUGE("containers", METRIC_COUNT),
    [HOST_CONTAINERS_RUNNING] = GAUGE("containers_running", METRIC_COUNT),
};
/* clang-format on */

int metric_find(const struct metric *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(table[i].name, name))
            return (int)i;
    }
    return -ENOENT;
}
