#include "agent/stats/source_check.h"

#include <inttypes.h>
#include <stdio.h>

/* the engine's value is up to one round of the collector old */
#define CPU_SLACK_US 500000
#define MEMORY_SLACK ((int64_t)16 << 20) /* bytes */
#define MEMORY_PARTS 20                  /* 5 % */
#define IO_SLACK     ((int64_t)64 << 20)

/* `low` and `high` may be in any order. */
static bool is_between(int64_t v, int64_t low, int64_t high, int64_t slack)
{
    if (low > high) {
        int64_t other = low;

        low = high;
        high = other;
    }
    return v >= low - slack && v <= high + slack;
}

static bool is_within(const int64_t *range, int64_t v, int64_t slack)
{
    return range[0] != METRIC_NONE && range[1] != METRIC_NONE && v != METRIC_NONE &&
           is_between(v, range[0], range[1], slack);
}

static void compare(const char *what,
                    const int64_t *range,
                    int64_t api,
                    int64_t slack,
                    char ret_why[SOURCE_CHECK_TEXT])
{
    bool is_known = range[0] != METRIC_NONE && range[1] != METRIC_NONE && api != METRIC_NONE;

    if (*ret_why || !is_known || is_between(api, range[0], range[1], slack))
        return;
    (void)snprintf(ret_why, SOURCE_CHECK_TEXT,
                   "%s: the engine says %" PRId64 ", the files say %" PRId64 " to %" PRId64, what,
                   api, range[0], range[1]);
}

void source_check_compare(const int64_t *before,
                          const int64_t *after,
                          const struct api_sample *api,
                          char ret_why[SOURCE_CHECK_TEXT])
{
    const int64_t cpu[] = {before[CONTAINER_CPU_TIME], after[CONTAINER_CPU_TIME]};
    const int64_t memory[] = {before[CONTAINER_MEM_USED], after[CONTAINER_MEM_USED]};
    const int64_t read[] = {before[CONTAINER_BLK_READ], after[CONTAINER_BLK_READ]};
    const int64_t slack = MEMORY_SLACK + (memory[0] > 0 ? memory[0] / MEMORY_PARTS : 0);
    const int64_t anon[] = {before[CONTAINER_MEM_ANON], after[CONTAINER_MEM_ANON]};

    *ret_why = '\0';
    compare("CPU time in us", cpu, api->values[CONTAINER_CPU_TIME], CPU_SLACK_US, ret_why);
    /* Podman has already subtracted the file cache from the usage, or reports anonymous memory
     * alone. */
    if (!is_within(memory, api->values[CONTAINER_MEM_USED], slack) &&
        !is_within(anon, api->mem_usage, slack))
        compare("memory", memory, api->mem_usage, slack, ret_why);
    compare("bytes read", read, api->values[CONTAINER_BLK_READ], IO_SLACK, ret_why);
}
