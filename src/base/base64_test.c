#include "base/base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648, section 10, and bytes that need every kind of digit. */
static const struct {
    const char *data;
    size_t size;
    const char *text;
} good[] = {
    {"",                     0, ""        },
    {"f",                    1, "Zg=="    },
    {"fo",                   2, "Zm8="    },
    {"foo",                  3, "Zm9v"    },
    {"foob",                 4, "Zm9vYg=="},
    {"fooba",                5, "Zm9vYmE="},
    {"foobar",               6, "Zm9vYmFy"},
    {"\0\0",                 2, "AAA="    },
    {"\xff\xef\xbe\xfb\xff", 5,
     "/+++"
     "+/8="                               },
};

static void test_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        _cleanup_free_ char *text = base64_encode(good[i].data, good[i].size);
        unsigned char data[16];
        size_t n = 99;

        assert_string_equal(text, good[i].text);
        assert_int_equal(base64_decode(text, strlen(text), data, &n), 0);
        assert_int_equal(n, good[i].size);
        assert_memory_equal(data, good[i].data, n);
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"Z",        "Zg",     "Zg=",  "Zh==", "Zm9=", "Z===", "====",
                                      "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm-_", "=AAA", "Zg=A"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        unsigned char data[16];
        size_t n;

        if (base64_decode(bad[i], strlen(bad[i]), data, &n) != -EINVAL)
            fail_msg("accepted: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
