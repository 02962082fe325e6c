#include "agent/update/eligible.h"
#include "base/str.h"
#include "docker/engine.h"
#include "proto/error_code.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANIFEST(x) "'ImageManifestDescriptor':{'digest':'sha256:" x "'}"

/* Quotes are written as '. */
static json_t *parse(const char *text)
{
    char copy[512];
    json_t *v;

    str_copy(copy, sizeof(copy), text);
    for (char *p = strchr(copy, '\''); p; p = strchr(p, '\''))
        *p = '"';
    v = json_loads(copy, 0, NULL);
    if (!v)
        fail_msg("no JSON: %s", copy);
    return v;
}

static void test_a_lock_is_never_guessed(void **state)
{
    static const struct {
        struct engine_reply reply;
        enum error_code code;
    } cases[] = {
        {{.code = 0, .status = 200},           CODE_UPDATE_LOCKED     },
        {{.code = -ENOENT, .status = 404},     CODE_NONE              },
        {{.code = -EREMOTEIO, .status = 500},  CODE_NONE              },
        {{.code = -ETIMEDOUT, .message = "-"}, CODE_ENGINE_UNREACHABLE},
        {{.code = -ENOTCONN, .message = "-"},  CODE_ENGINE_UNREACHABLE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        int r = eligible_check_file(&cases[i].reply, "web", &err);

        assert_int_equal(r < 0 ? error_code_of(&err) : CODE_NONE, cases[i].code);
    }
}

static void test_same_image(void **state)
{
    static const struct {
        const char *inspect, *image, *probe;
        bool is_same;
    } cases[] = {
        {"{'Image':'sha256:a'}",                   "{'Id':'sha256:a'}", "{}",                  true },
        {"{'Image':'sha256:a'}",                   "{'Id':'sha256:b'}", "{}",                  false},
 /* a rebuilt attestation: another index of the same manifests */
        {"{'Image':'sha256:a'," MANIFEST("m") "}", "{'Id':'sha256:b'}", "{" MANIFEST("m") "}",
         true                                                                                       },
        {"{'Image':'sha256:a'," MANIFEST("m") "}", "{'Id':'sha256:b'}", "{" MANIFEST("n") "}",
         false                                                                                      },
 /* the same index, of which the platform was pulled by its own digest before */
        {"{'Image':'sha256:m'," MANIFEST("m") "}", "{'Id':'sha256:a'}", "{" MANIFEST("m") "}",
         true                                                                                       },
        {"{'Image':'sha256:a'," MANIFEST("m") "}", "{'Id':'sha256:a'}", "{}",                  true },
        {"{}",                                     "{'Id':'sha256:a'}", "{}",                  false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *inspect = parse(cases[i].inspect), *image = parse(cases[i].image);
        json_auto_t *probe = parse(cases[i].probe);

        if (eligible_is_same_image(inspect, image, probe) != cases[i].is_same)
            fail_msg("case %zu", i);
    }
}

static void test_locks(void **state)
{
    static const struct {
        const char *inspect;
        bool is_locked;
    } cases[] = {
        {"{'Name':'/a'}",                                          false},
        {"{'Config':{'Labels':{'dockmon.update.lock':'backup'}}}", true },
        {"{'Config':{'Labels':{'dockmon.update.lock':'false'}}}",  false},
        {"{'Config':{'Labels':{'dockmon.update.lock':''}}}",       false},
        {"{'Config':{'Labels':{'dockmon.update.lock':7}}}",        false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *inspect = parse(cases[i].inspect);
        struct error err = ERROR_INIT;
        int r = eligible_check_label(inspect, &err);

        assert_int_equal(r, cases[i].is_locked ? -EBUSY : 0);
        if (cases[i].is_locked)
            assert_int_equal(error_code_of(&err), CODE_UPDATE_LOCKED);
    }
}

static void test_images(void **state)
{
    static const struct {
        const char *inspect, *wanted, *expected; /* NULL: refused */
    } cases[] = {
        {"{'Config':{'Image':'web:1'}}",      NULL,    "web:1"},
        {"{'Config':{'Image':'web:1'}}",      "",      "web:1"},
        {"{'Config':{'Image':'web:1'}}",      "web:2", "web:2"},
        {"{'Config':{'Image':'sha256:1'}}",   NULL,    NULL   },
        {"{'Config':{'Image':'sha256:1'}}",   "web:2", "web:2"},
        {"{'Config':{'Image':'../../evil'}}", NULL,    NULL   },
        {"{}",                                NULL,    NULL   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *inspect = parse(cases[i].inspect);
        const char *chosen = NULL;
        int r = eligible_choose_image(inspect, cases[i].wanted, &chosen, NULL);

        assert_int_equal(r < 0, cases[i].expected == NULL);
        assert_true(!cases[i].expected || str_eq(chosen, cases[i].expected));
    }
}

static void test_own_container(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(eligible_check_own(NULL, "abcd", "a", &err), 0);
    assert_int_equal(eligible_check_own("", "abcd", "a", &err), 0);
    assert_int_equal(eligible_check_own("bcd", "abcd", "a", &err), 0);
    assert_true(eligible_check_own("abc", "abcd", "a", &err) < 0);
    assert_int_equal(error_code_of(&err), CODE_OWN_CONTAINER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lock_is_never_guessed),
        cmocka_unit_test(test_same_image),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_own_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
