#include "server/fleet/subject.h"
#include "server/store/container_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_subject_is_the_place_in_compose_or_the_name(void **state)
{
    static const struct {
        const char *labels, *subject;
    } cases[] = {
        {"{}",                                                                                              "web"     },
        {"{\"com.docker.compose.project\":\"shop\"}",                                                       "web"     },
        {"{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"a\","
         "\"com.docker.compose.container-number\":\"2\"}",                                         "shop/a/2"},
        {"{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"a\","
         "\"com.docker.compose.oneoff\":\"False\",\"com.docker.compose.container-number\":\"2\"}", "shop/a/2"},
        {"{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"a\","
         "\"com.docker.compose.oneoff\":\"True\",\"com.docker.compose.container-number\":\"2\"}",  "web"     },
        {"{\"com.docker.compose.project\":7,\"com.docker.compose.service\":\"a\","
         "\"com.docker.compose.container-number\":\"2\"}",                                         "web"     },
    };
    char subject[CONTAINER_SUBJECT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *labels = json_loads(cases[i].labels, 0, NULL);

        assert_non_null(labels);
        (void)subject_of_container(labels, "web", subject);
        assert_string_equal(subject, cases[i].subject);
        json_decref(labels);
    }
    assert_false(subject_of_container(NULL, "web", subject));
    assert_string_equal(subject, "web");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subject_is_the_place_in_compose_or_the_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
