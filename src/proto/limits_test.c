#include "base/alloc.h"
#include "base/macros.h"
#include "proto/json_text.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

/* Single quotes are easier to read in C. */
static json_t *parse(const char *text)
{
    _cleanup_free_ char *copy = xstrdup(text);
    json_t *v;

    for (char *p = copy; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    v = json_loads(copy, 0, NULL);
    assert_non_null(v);
    return v;
}

static void test_values(void **state)
{
    static const struct {
        const char *limits, *engine; /* NULL: refused */
    } cases[] = {
        {"{'memory':67108864}",                  "{'Memory':67108864}"                                  },
        {"{'memory':0}",                         NULL                                                   },
        {"{'memory':1.5}",                       NULL                                                   },
        {"{'memory':'64m'}",                     NULL                                                   },
        {"{'memory':9007199254740993}",          NULL                                                   },
        {"{'memory_swap':-1}",                   "{'MemorySwap':-1}"                                    },
        {"{'memory_swap':-2}",                   NULL                                                   },
        {"{'memory_reservation':1048576}",       "{'MemoryReservation':1048576}"                        },
        {"{'cpus':1.5}",                         "{'NanoCpus':1500000000}"                              },
        {"{'cpus':2}",                           "{'NanoCpus':2000000000}"                              },
        {"{'cpus':0}",                           NULL                                                   },
        {"{'cpus':8193}",                        NULL                                                   },
        {"{'cpu_shares':2}",                     "{'CpuShares':2}"                                      },
        {"{'cpu_shares':1}",                     NULL                                                   },
        {"{'cpu_period':1000,'cpu_quota':1000}", "{'CpuPeriod':1000,'CpuQuota':1000}"                   },
        {"{'cpuset_cpus':'0-3,7'}",              "{'CpusetCpus':'0-3,7'}"                               },
        {"{'cpuset_cpus':''}",                   NULL                                                   },
        {"{'cpuset_mems':'0 1'}",                NULL                                                   },
        {"{'pids_limit':-1}",                    "{'PidsLimit':-1}"                                     },
        {"{'blkio_weight':9}",                   NULL                                                   },
        {"{'blkio_weight':1000}",                "{'BlkioWeight':1000}"                                 },
        {"{'restart':'no'}",                     "{'RestartPolicy':{'MaximumRetryCount':0,'Name':'no'}}"},
        {"{'restart':'on-failure:5'}",
         "{'RestartPolicy':{'MaximumRetryCount':5,'Name':'on-failure'}}"                                },
        {"{'restart':'always:5'}",               NULL                                                   },
        {"{'restart':'on-failure:-1'}",          NULL                                                   },
        {"{'restart':'sometimes'}",              NULL                                                   },
        {"{'restart':{'Name':'no'}}",            NULL                                                   },
        {"{'memory':8388608,'image':'x'}",       NULL                                                   },
        {"{}",                                   NULL                                                   },
        {"[]",                                   NULL                                                   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *limits = parse(cases[i].limits), *body = NULL;
        struct error err = ERROR_INIT;
        int r = limits_check(limits, &err);
        json_auto_t *expected = cases[i].engine ? parse(cases[i].engine) : NULL;

        if ((r == 0) != (expected != NULL))
            fail_msg("%s: %s", cases[i].limits, r < 0 ? err.msg : "accepted");
        if (r < 0) {
            assert_true(err.msg[0] != '\0');
            continue;
        }
        body = limits_to_engine(limits);
        if (!json_equal(body, expected))
            fail_msg("%s", cases[i].limits);
    }
}

/* The message names the member, and is short whatever its name is. */
static void test_errors_name_the_member(void **state)
{
    char name[200] = "";
    json_auto_t *limits = json_object();
    struct error err = ERROR_INIT;

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    assert_int_equal(json_object_set_new(limits, name, json_integer(1)), 0);
    assert_true(limits_check(limits, &err) < 0);
    assert_true(strlen(err.msg) < 100);
    assert_int_equal(json_object_clear(limits), 0);
    assert_int_equal(json_object_set_new(limits, "cpu_shares", json_null()), 0);
    assert_true(limits_check(limits, &err) < 0);
    assert_non_null(strstr(err.msg, "cpu_shares"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors_name_the_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
