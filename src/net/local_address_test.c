#include "net/local_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static const struct {
    const char *text;
    bool is_local;
} cases[] = {
    {"127.0.0.1",              true },
    {"127.9.9.9",              true },
    {"0.0.0.0",                true },
    {"169.254.169.254",        true },
    {"224.0.0.1",              true },
    {"10.0.0.1",               false},
    {"192.168.1.1",            false},
    {"1.1.1.1",                false},
    {"::1",                    true },
    {"::",                     true },
    {"fe80::1",                true },
    {"ff02::1",                true },
    {"::ffff:127.0.0.1",       true },
    {"::ffff:169.254.169.254", true },
    {"::ffff:10.0.0.1",        false},
    {"fd00::1",                false},
    {"2001:db8::1",            false},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        bool is_v4 = inet_pton(AF_INET, cases[i].text, &v4.sin_addr) == 1;
        const void *address = is_v4 ? (const void *)&v4 : (const void *)&v6;

        if (!is_v4)
            assert_int_equal(inet_pton(AF_INET6, cases[i].text, &v6.sin6_addr), 1);
        if (local_address_is(address) != cases[i].is_local)
            fail_msg("%s", cases[i].text);
    }
    assert_true(local_address_is(&(struct sockaddr){.sa_family = AF_UNIX}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
