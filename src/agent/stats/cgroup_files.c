#include "agent/stats/cgroup_files.h"

#include "agent/stats/cgroup.h"
#include "agent/stats/parse.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define NS_PER_US        1000
#define CONTROLLERS_SIZE 4096

#define MEMORY_OFF                                                                              \
    "memory: the kernel's memory cgroup is off; on a Raspberry Pi add cgroup_enable=memory to " \
    "/boot/cmdline.txt"

/* Both versions */

static void read_mem_usage(const char *text, struct cgroup_values *v)
{
    v->mem_usage = stats_number(text);
}

static void read_mem_limit(const char *text, struct cgroup_values *v)
{
    v->metrics[CONTAINER_MEM_LIMIT] = stats_number(text);
}

static void read_pids(const char *text, struct cgroup_values *v)
{
    v->metrics[CONTAINER_PIDS] = stats_number(text);
}

static void read_oom(const char *text, struct cgroup_values *v)
{
    const struct stats_key keys[] = {
        {"oom_kill", &v->metrics[CONTAINER_OOM_KILLS]}
    };

    stats_find(text, keys, ARRAY_LEN(keys));
}

/* Version 1 */

static void read_cpu_usage_1(const char *text, struct cgroup_values *v)
{
    int64_t ns = stats_number(text);

    v->metrics[CONTAINER_CPU_TIME] = ns == METRIC_NONE ? ns : ns / NS_PER_US;
}

static void read_throttling_1(const char *text, struct cgroup_values *v)
{
    int64_t ns = METRIC_NONE;
    const struct stats_key keys[] = {
        {"nr_periods",     &v->metrics[CONTAINER_CPU_PERIODS]  },
        {"nr_throttled",   &v->metrics[CONTAINER_CPU_THROTTLED]},
        {"throttled_time", &ns                                 },
    };

    stats_find(text, keys, ARRAY_LEN(keys));
    if (ns != METRIC_NONE)
        v->metrics[CONTAINER_CPU_THROTTLED_TIME] = ns / NS_PER_US;
}

static void read_mem_stat_1(const char *text, struct cgroup_values *v)
{
    const struct stats_key keys[] = {
        {"total_inactive_file", &v->mem_inactive               },
        {"total_rss",           &v->metrics[CONTAINER_MEM_ANON]},
        {"total_cache",         &v->metrics[CONTAINER_MEM_FILE]},
    };

    stats_find(text, keys, ARRAY_LEN(keys));
}

static void read_mem_kernel_1(const char *text, struct cgroup_values *v)
{
    v->metrics[CONTAINER_MEM_KERNEL] = stats_number(text);
}

static void read_io_1(const char *text, struct cgroup_values *v)
{
    stats_io_v1(text, &v->metrics[CONTAINER_BLK_READ], &v->metrics[CONTAINER_BLK_WRITE]);
}

enum { CPUACCT, CPU, MEMORY, BLKIO, PIDS };

static const struct cgroup_controller controllers_1[] = {
    [CPUACCT] = {{"cpuacct", "cpu,cpuacct", "cpuacct,cpu"}, "cpuacct"},
    [CPU] = {{"cpu", "cpu,cpuacct", "cpuacct,cpu"},     "cpu"    },
    [MEMORY] = {{"memory"},                                "memory" },
    [BLKIO] = {{"blkio"},                                 "blkio"  },
    [PIDS] = {{"pids"},                                  "pids"   },
};

static const struct cgroup_file files_1[] = {
    {CPUACCT, {"cpuacct.usage"},                                              true,  read_cpu_usage_1 },
    {MEMORY,  {"memory.usage_in_bytes"},                                      true,  read_mem_usage   },
 /* Like the engine: the second name is used only if the first file does not exist. */
    {BLKIO,
     {"blkio.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"},
     true,                                                                           read_io_1        },
    {PIDS,    {"pids.current"},                                               true,  read_pids        },
    {CPU,     {"cpu.stat"},                                                   false, read_throttling_1},
    {MEMORY,  {"memory.stat"},                                                false, read_mem_stat_1  },
    {MEMORY,  {"memory.limit_in_bytes"},                                      false, read_mem_limit   },
    {MEMORY,  {"memory.kmem.usage_in_bytes"},                                 false, read_mem_kernel_1},
    {MEMORY,  {"memory.oom_control"},                                         false, read_oom         },
};

/* Version 2 */

static void read_cpu_2(const char *text, struct cgroup_values *v)
{
    const struct stats_key keys[] = {
        {"usage_usec",     &v->metrics[CONTAINER_CPU_TIME]          },
        {"nr_periods",     &v->metrics[CONTAINER_CPU_PERIODS]       },
        {"nr_throttled",   &v->metrics[CONTAINER_CPU_THROTTLED]     },
        {"throttled_usec", &v->metrics[CONTAINER_CPU_THROTTLED_TIME]},
    };

    stats_find(text, keys, ARRAY_LEN(keys));
}

/* Kernels before 5.18 do not have the sum. */
static void read_mem_stat_2(const char *text, struct cgroup_values *v)
{
    int64_t kernel = METRIC_NONE, slab = METRIC_NONE, stack = 0, tables = 0, percpu = 0;
    const struct stats_key keys[] = {
        {"inactive_file", &v->mem_inactive               },
        {"anon",          &v->metrics[CONTAINER_MEM_ANON]},
        {"file",          &v->metrics[CONTAINER_MEM_FILE]},
        {"kernel",        &kernel                        },
        {"slab",          &slab                          },
        {"kernel_stack",  &stack                         },
        {"pagetables",    &tables                        },
        {"percpu",        &percpu                        },
    };

    stats_find(text, keys, ARRAY_LEN(keys));
    if (kernel == METRIC_NONE && slab != METRIC_NONE)
        kernel = slab + stack + tables + percpu;
    v->metrics[CONTAINER_MEM_KERNEL] = kernel;
}

static void read_io_2(const char *text, struct cgroup_values *v)
{
    stats_io_v2(text, &v->metrics[CONTAINER_BLK_READ], &v->metrics[CONTAINER_BLK_WRITE]);
}

static void read_cpu_pressure(const char *text, struct cgroup_values *v)
{
    stats_pressure(text, &v->metrics[CONTAINER_PSI_CPU_SOME], &v->metrics[CONTAINER_PSI_CPU_FULL]);
}

static void read_mem_pressure(const char *text, struct cgroup_values *v)
{
    stats_pressure(text, &v->metrics[CONTAINER_PSI_MEM_SOME], &v->metrics[CONTAINER_PSI_MEM_FULL]);
}

static void read_io_pressure(const char *text, struct cgroup_values *v)
{
    stats_pressure(text, &v->metrics[CONTAINER_PSI_IO_SOME], &v->metrics[CONTAINER_PSI_IO_FULL]);
}

static const struct cgroup_controller controllers_2[] = {
    {{""}, NULL},
};

static const struct cgroup_file files_2[] = {
    {0, {"cpu.stat"},        true,  read_cpu_2       },
    {0, {"memory.current"},  true,  read_mem_usage   },
    {0, {"io.stat"},         true,  read_io_2        },
    {0, {"pids.current"},    true,  read_pids        },
    {0, {"memory.stat"},     false, read_mem_stat_2  },
    {0, {"memory.max"},      false, read_mem_limit   },
    {0, {"memory.events"},   false, read_oom         },
    {0, {"cpu.pressure"},    false, read_cpu_pressure},
    {0, {"memory.pressure"}, false, read_mem_pressure},
    {0, {"io.pressure"},     false, read_io_pressure },
};

_Static_assert(ARRAY_LEN(files_1) <= CGROUP_MAX_FILES, "version 1");
_Static_assert(ARRAY_LEN(files_2) <= CGROUP_MAX_FILES, "version 2");
_Static_assert(ARRAY_LEN(controllers_1) <= CGROUP_CONTROLLERS, "controllers");

static const struct cgroup_version versions[] = {
    {"cgroup1", files_1, ARRAY_LEN(files_1), controllers_1, ARRAY_LEN(controllers_1)},
    {"cgroup2", files_2, ARRAY_LEN(files_2), controllers_2, ARRAY_LEN(controllers_2)},
};

/* Texts for controllers that the kernel does not have. */
static const struct {
    const char *dir_1, *word_2; /* a directory of v1; a word of v2's cgroup.controllers */
    const char *note;
} lacks[] = {
    {"memory", "memory", MEMORY_OFF                                               },
    {"blkio",  "io",     "disk: the kernel does not count block I/O per container"},
    {"pids",   "pids",   "pids: the kernel does not count processes per container"},
};
_Static_assert(ARRAY_LEN(lacks) <= CGROUP_MAX_NOTES, "notes");

static bool has_dir(const char *base, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", base, name);

    return access(path, F_OK) == 0;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; *p; p += strspn(p, " \n")) {
        size_t size = strcspn(p, " \n");

        if (size == n && strncmp(p, word, n) == 0)
            return true;
        p += size;
    }
    return false;
}

int cgroup_version_find(const char *root,
                        const struct cgroup_version **ret,
                        const char **notes,
                        struct error *err)
{
    _cleanup_free_ char *base = xasprintf("%s/sys/fs/cgroup", root);
    _cleanup_free_ char *list = xasprintf("%s/cgroup.controllers", base);
    _cleanup_free_ char *words = NULL;
    size_t n = 0;
    bool is_v2 = file_read(list, CONTROLLERS_SIZE, &words, NULL, NULL) == 0;

    /*
     * Without a CPU controller of v1, only the hierarchy that systemd tracks processes with exists.
     */
    if (!is_v2 && !has_dir(base, "cpuacct") && !has_dir(base, "cpu,cpuacct"))
        return error_set(err, -ENOENT, "there are no cgroup files in %s", base);
    for (size_t i = 0; i < ARRAY_LEN(lacks); i++) {
        if (is_v2 ? !has_word(words, lacks[i].word_2) : !has_dir(base, lacks[i].dir_1))
            notes[n++] = lacks[i].note;
    }
    *ret = &versions[is_v2];
    return 0;
}

void cgroup_values_clear(struct cgroup_values *v)
{
    for (size_t i = 0; i < CONTAINER_METRICS; i++)
        v->metrics[i] = METRIC_NONE;
    v->mem_usage = v->mem_inactive = METRIC_NONE;
}

/* As in the engine's CLI: usage without inactive file cache, if that is less than the usage. */
void cgroup_values_use(struct cgroup_values *v)
{
    int64_t used = v->mem_usage;

    if (used != METRIC_NONE && v->mem_inactive != METRIC_NONE && v->mem_inactive < used)
        used -= v->mem_inactive;
    v->metrics[CONTAINER_MEM_USED] = used;
}
