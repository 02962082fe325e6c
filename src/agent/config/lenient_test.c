#include "agent/config/config_options.h"
#include "agent/config/lenient.h"
#include "base/alloc.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *find_fallback(const char *name)
{
    for (size_t i = 0; i < config_n_options; i++) {
        if (str_eq(config_options[i].env, name))
            return config_options[i].type == OPTION_BOOL ? config_options[i].fallback : "true";
    }
    return NULL;
}

static void check(const char *name, const char *value, const char *want)
{
    _cleanup_free_ char *variable = xasprintf("%s=%s", name, value);
    _cleanup_free_ char *expected = xasprintf("%s=%s", name, want);
    const char *const env[] = {variable, NULL};
    struct buf notes = BUF_INIT(4096);
    char **read = lenient_read(config_options, config_n_options, env, &notes);

    if (!str_eq(read[0], expected) || read[1])
        fail_msg("%s: %s", variable, read[0]);
    if (!str_eq(value, want) &&
        (!strstr(buf_str(&notes), name) ||
         !strstr(buf_str(&notes), "accepted are 1, t, true, 0, f and false")))
        fail_msg("%s: %s", variable, buf_str(&notes));
    if (str_eq(value, want))
        assert_string_equal(buf_str(&notes), "");
    lenient_free(read);
    buf_done(&notes);
}

/* A boolean with another value than those of Go's ParseBool has its default: no setting is less safe. */
static void test_unclear_booleans_have_their_default(void **state)
{
    static const char *const unclear[] = {"yes",  "Y", "on",      "no",    "off",
                                          "tRuE", "2", "\"yes\"", "maybe", " true"};
    static const char *const clear[] = {"1", "t", "TRUE", "true", "0", "f", "False", "false"};
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < config_n_options; i++) {
        const char *name = config_options[i].env;

        if (!name || (config_options[i].type != OPTION_BOOL && !str_eq(name, "DOCKER_TLS_VERIFY")))
            continue;
        n++;
        for (size_t k = 0; k < ARRAY_LEN(unclear); k++)
            check(name, unclear[k], find_fallback(name));
        for (size_t k = 0; k < ARRAY_LEN(clear); k++)
            check(name, clear[k], clear[k]);
        if (str_starts_with(name, "INSECURE_"))
            assert_string_equal(find_fallback(name), "false");
    }
    assert_true(n >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unclear_booleans_have_their_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
