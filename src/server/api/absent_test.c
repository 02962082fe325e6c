/*
 * The constant responses and the route table fit together.
 */

#include "server/api/absent.h"
#include "server/api/handlers.h"
#include "server/api/route.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static size_t count_responses(const char *pattern)
{
    size_t n = 0;

    for (size_t i = 0; i < n_absent_routes; i++)
        n += strcmp(absent_routes[i].pattern, pattern) == 0;
    return n;
}

static void test_every_absent_route_has_one_response(void **state)
{
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < n_routes; i++) {
        if (routes[i].handle != absent_get)
            continue;
        n++;
        assert_string_equal(routes[i].method, "GET");
        if (count_responses(routes[i].pattern) != 1)
            fail_msg("%s", routes[i].pattern);
    }
    assert_int_equal(n, n_absent_routes);
}

static void test_responses_are_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_absent_routes; i++) {
        json_t *v = json_loads(absent_routes[i].response, JSON_REJECT_DUPLICATES, NULL);

        if (!v)
            fail_msg("%s: %s", absent_routes[i].pattern, absent_routes[i].response);
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_absent_route_has_one_response),
        cmocka_unit_test(test_responses_are_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
