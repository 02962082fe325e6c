#include "proto/limits.h"
#include "base/macros.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MAX_BYTES   ((INT64_C(1) << 53) - 1) /* Number.MAX_SAFE_INTEGER of JavaScript */
#define MAX_SET     255
#define MAX_RETRIES INT32_MAX
#define ON_FAILURE  "on-failure"

enum limit_type {
    LIMIT_INTEGER,
    LIMIT_CPUS,    /* a number of CPUs, with fractions */
    LIMIT_SET,     /* numbers of CPUs or memory nodes: "0-3,7" */
    LIMIT_RESTART, /* a policy as docker's --restart has it */
};

/* The ranges keep out what no engine accepts; which values fit the host is the engine's matter. */
static const struct limit {
    const char *name, *engine;
    enum limit_type type;
    int64_t min, max; /* of LIMIT_INTEGER and LIMIT_CPUS */
} limits_table[] = {
    {"memory",             "Memory",            LIMIT_INTEGER, 1,    MAX_BYTES},
    {"memory_reservation", "MemoryReservation", LIMIT_INTEGER, 1,    MAX_BYTES},
    {"memory_swap",        "MemorySwap",        LIMIT_INTEGER, -1,   MAX_BYTES},
    {"cpus",               "NanoCpus",          LIMIT_CPUS,    0,    8192     },
    {"cpu_shares",         "CpuShares",         LIMIT_INTEGER, 2,    262144   },
    {"cpu_period",         "CpuPeriod",         LIMIT_INTEGER, 1000, 1000000  },
    {"cpu_quota",          "CpuQuota",          LIMIT_INTEGER, 1000, MAX_BYTES},
    {"cpuset_cpus",        "CpusetCpus",        LIMIT_SET,     0,    0        },
    {"cpuset_mems",        "CpusetMems",        LIMIT_SET,     0,    0        },
    {"pids_limit",         "PidsLimit",         LIMIT_INTEGER, -1,   INT32_MAX},
    {"blkio_weight",       "BlkioWeight",       LIMIT_INTEGER, 10,   1000     },
    {"restart",            "RestartPolicy",     LIMIT_RESTART, 0,    0        },
};

static const struct limit *find_limit(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(limits_table); i++) {
        if (str_eq(limits_table[i].name, name))
            return &limits_table[i];
    }
    return NULL;
}

/* The number of retries in "on-failure:5"; 0: as often as it fails. False: it is no policy. */
static bool read_policy(const char *text, size_t *ret_name_len, uint64_t *ret_retries)
{
    static const char *const names[] = {"no", "always", "unless-stopped", ON_FAILURE};
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);

    *ret_name_len = n;
    *ret_retries = 0;
    if (colon) {
        return n == strlen(ON_FAILURE) && strncmp(text, ON_FAILURE, n) == 0 &&
               parse_u64(colon + 1, MAX_RETRIES, ret_retries) == 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(names[i], text))
            return true;
    }
    return false;
}

static bool is_set(const char *s)
{
    size_t n = strspn(s, "0123456789,-");

    return n > 0 && n <= MAX_SET && s[n] == '\0';
}

static int check_member(const struct limit *l, const json_t *value, struct error *err)
{
    const char *text = json_string_value(value);
    uint64_t retries;
    size_t n;

    switch (l->type) {
    case LIMIT_INTEGER:
        if (json_is_integer(value) && json_integer_value(value) >= l->min &&
            json_integer_value(value) <= l->max)
            return 0;
        return error_set(err, -EDOM, "`%s` must be an integer of %lld to %lld", l->name,
                         (long long)l->min, (long long)l->max);
    case LIMIT_CPUS:
        if (json_is_number(value) && json_number_value(value) >= 0.001 &&
            json_number_value(value) <= (double)l->max)
            return 0;
        return error_set(err, -EDOM, "`%s` must be a number of 0.001 to %lld", l->name,
                         (long long)l->max);
    case LIMIT_SET:
        if (text && is_set(text))
            return 0;
        return error_set(err, -EDOM, "`%s` must be a list of numbers such as 0-3,7", l->name);
    case LIMIT_RESTART:
        if (text && read_policy(text, &n, &retries))
            return 0;
        return error_set(err, -EDOM,
                         "`%s` must be no, always, unless-stopped, on-failure or on-failure:COUNT",
                         l->name);
    }
    return -EDOM;
}

int limits_check(const json_t *limits, struct error *err)
{
    const char *name;
    json_t *value;
    int r = 0;

    if (!json_is_object(limits) || json_object_size(limits) == 0)
        return error_set(err, -EDOM, "no limit was given");
    json_object_foreach((json_t *)(uintptr_t)limits, name, value)
    {
        const struct limit *l = find_limit(name);

        if (!l) {
            return error_set(err, -EDOM, "`%.*s` is no limit that can be changed",
                             STR_CUT(name, 40));
        }
        r = check_member(l, value, err);
        if (r < 0)
            return r;
    }
    return r;
}

static json_t *policy_to_engine(const char *text)
{
    uint64_t retries = 0;
    json_t *policy = json_object();
    size_t n = 0;

    if (read_policy(text, &n, &retries)) {
        json_text_set(policy, "Name", json_text_string(text, n));
        json_text_set(policy, "MaximumRetryCount", json_integer((json_int_t)retries));
    }
    return policy;
}

json_t *limits_to_engine(const json_t *limits)
{
    json_t *body = json_object();

    for (size_t i = 0; i < ARRAY_LEN(limits_table); i++) {
        const struct limit *l = &limits_table[i];
        json_t *value = json_object_get(limits, l->name);

        if (!value)
            continue;
        if (l->type == LIMIT_CPUS) {
            value = json_integer(llround(json_number_value(value) * 1e9));
        } else if (l->type == LIMIT_RESTART) {
            value = policy_to_engine(json_string_value(value));
        } else {
            value = json_incref(value);
        }
        json_text_set(body, l->engine, value);
    }
    return body;
}
