#include "base/alloc.h"
#include "server/registry/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static const struct {
    const char *tag, *tags, *newer;
} cases[] = {
    {"1.2.3",        "[\"1.2.4\",\"1.3.0\",\"2.0.0\",\"latest\"]",
     "{\"major\":\"2.0.0\",\"minor\":\"1.3.0\",\"patch\":\"1.2.4\"}"                                },
    {"1.2.3",        "[\"1.2.3\",\"1.2.2\",\"1.10.0-rc1\",\"v9.9.9\",\"9.9\"]", "{}"                },
    {"1.9.0",        "[\"1.10.0\",\"1.9.10\"]",
     "{\"major\":\"1.10.0\",\"minor\":\"1.10.0\",\"patch\":\"1.9.10\"}"                             },
    {"v1.2.3",       "[\"v1.2.4\",\"1.2.5\"]",
     "{\"major\":\"v1.2.4\",\"minor\":\"v1.2.4\",\"patch\":\"v1.2.4\"}"                             },
    {"1.27-alpine",  "[\"1.28\",\"1.28-alpine\",\"1.29-bookworm\"]",
     "{\"major\":\"1.28-alpine\",\"minor\":\"1.28-alpine\"}"                                        },
    {"16",           "[\"17\",\"20240101\",\"17.1\"]",                          "{\"major\":\"17\"}"},
    {"latest",       "[\"1.0\"]",                                               "{}"                },
    {"1.2.3.4",      "[\"1.2.3.5\"]",                                           "{}"                },
    {"1.",           "[\"2.\"]",                                                "{}"                },
    {"9999999999.0", "[\"9999999999.1\"]",                                      "{}"                },
};

static void test_newer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_auto_t *tags = json_loads(cases[i].tags, 0, NULL);
        json_auto_t *newer = version_newer(cases[i].tag, tags);
        _cleanup_free_ char *text = json_dumps(newer, JSON_COMPACT | JSON_SORT_KEYS);

        assert_string_equal(text, cases[i].newer);
    }
    assert_true(version_reaches("1.2.3", "1.2.3"));
    assert_true(version_reaches("1.10.0", "1.9.0"));
    assert_false(version_reaches("1.2.2", "1.2.3"));
    assert_false(version_reaches("latest", "1.2.3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_newer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
