#include "base/str.h"
#include "cli/containers/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

struct port_case {
    const char *list; /* IP, private, public, type of each */
    const char *text; /* as docker 28 prints it */
};

/* clang-format off: version 14 crashes on this table */
static const struct port_case cases[] = {
    {"",                                     ""                                       },
    {"- 80 0 tcp",                           "80/tcp"                                 },
    {"- 81 0 tcp, - 80 0 tcp, - 82 0 tcp",   "80-82/tcp"                              },
    {"- 80 0 tcp, - 82 0 tcp",               "80/tcp, 82/tcp"                         },
    {"- 53 0 tcp, - 53 0 udp",               "53/tcp, 53/udp"                         },
    {"0.0.0.0 80 8080 tcp, :: 80 8080 tcp",  "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"},
    {"0.0.0.0 80 80 tcp, 0.0.0.0 81 81 tcp", "0.0.0.0:80-81->80-81/tcp"               },
    {"127.0.0.1 80 8080 tcp, - 443 0 tcp",   "443/tcp, 127.0.0.1:8080->80/tcp"        },
};
/* clang-format on */

static json_t *parse(const char *list)
{
    json_t *ports = json_array();
    char *text = strdup(list), *rest = text, *one;

    while (rest && *rest && (one = strsep(&rest, ","))) {
        char *word = one + strspn(one, " ");
        const char *ip = strsep(&word, " ");
        const char *private = strsep(&word, " "), *public = strsep(&word, " ");
        json_t *port = json_pack("{s:s}", "Type", word);
        uint64_t number = 0;

        assert_int_equal(parse_u64(private, UINT16_MAX, &number), 0);
        (void)json_object_set_new(port, "PrivatePort", json_integer((json_int_t)number));
        assert_int_equal(parse_u64(public, UINT16_MAX, &number), 0);
        if (number)
            (void)json_object_set_new(port, "PublicPort", json_integer((json_int_t)number));
        if (ip[0] != '-')
            (void)json_object_set_new(port, "IP", json_string(ip));
        (void)json_array_append_new(ports, port);
    }
    free(text);
    return ports;
}

static void test_same_text_as_docker(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *list = parse(cases[i].list);
        char *text = ports_text(list);

        assert_string_equal(text, cases[i].text);
        free(text);
        json_decref(list);
    }
}

static void test_invalid_and_too_many_ports(void **state)
{
    json_t *list = json_pack("[s, i, {}, {s:s}]", "x", 1, "IP", "y");
    char *text = ports_text(list);

    (void)state;
    free(text);
    for (int i = 0; i < 2 * PORTS_MAX; i++) {
        (void)json_array_append_new(list,
                                    json_pack("{s:i, s:s}", "PrivatePort", 2 * i, "Type", "tcp"));
    }
    text = ports_text(list);
    assert_non_null(text);
    free(text);
    json_decref(list);
    text = ports_text(NULL);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_text_as_docker),
        cmocka_unit_test(test_invalid_and_too_many_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
