#include "base/str.h"
#include "server/registry/decision.h"
#include "server/registry/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define D "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define E "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

#define TWO                                                               \
    "[{\"platform\":\"linux/amd64\",\"digest\":\"" D "\",\"config\":\"" E \
    "\"},{\"platform\":\"linux/arm64/v8\",\"digest\":\"" B "\"}]"

/* The table: one line per rule. */
static const struct {
    const char *what, *image, *id, *digests, *manifest, *platform, *digest, *platforms, *failure;
    enum decision_state state;
    bool needs_platforms, has_moved, is_asked;
} cases[] = {
    {"same index",                           "nginx",                          E, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", A,    NULL, NULL,
     DECISION_UP_TO_DATE,                                                                                                                                                                false, false, true },
    {"names of Docker Hub are one",          "docker.io/library/nginx:latest", E,
     "[\"index.docker.io/library/nginx@" A "\"]",                                                                      NULL, "linux/amd64", A,    NULL, NULL,
     DECISION_UP_TO_DATE,                                                                                                                                                                false, false, true },
    {"any digest of the repository counts",  "nginx",                          A, "[\"nginx@" D "\",\"nginx@" A "\"]", NULL,
     NULL,                                                                                                                                  D,    NULL, NULL,       DECISION_UP_TO_DATE, false, false, true },
    {"digests of other repositories do not", "nginx",                          E, "[\"a/b@" B "\",\"nginx@" A "\"]",   NULL,
     "linux/amd64",                                                                                                                         B,    NULL, NULL,       DECISION_UNKNOWN,    true,  false, true },
    {"new index, not resolved",              "nginx",                          A, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", B,    NULL, NULL,
     DECISION_UNKNOWN,                                                                                                                                                                   true,  false, true },
    {"new index, new manifest",              "nginx",                          A, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", B,    TWO,  NULL,
     DECISION_OUTDATED,                                                                                                                                                                  false, false, true },
    {"attestation alone, containerd store",  "nginx",                          A, "[\"nginx@" A "\"]",                 D,    "linux/amd64", B,
     TWO,                                                                                                                                               NULL,       DECISION_UP_TO_DATE, false, false, true },
    {"attestation alone, overlay2",          "nginx",                          E, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", B,    TWO,
     NULL,                                                                                                                                                          DECISION_UP_TO_DATE, false, false, true },
    {"pulled by the digest of the platform", "nginx",                          A, "[\"nginx@" D "\"]",                 NULL, "linux/amd64",
     B,                                                                                                                                           TWO,  NULL,       DECISION_UP_TO_DATE, false, false, true },
    {"manifest of another platform",         "nginx",                          A, "[\"nginx@" A "\"]",                 B,    "linux/amd64", E,    TWO,
     NULL,                                                                                                                                                          DECISION_OUTDATED,   false, false, true },
    {"default variant",                      "nginx",                          A, "[\"nginx@" A "\"]",                 B,    "linux/arm64", E,    TWO,  NULL,
     DECISION_UP_TO_DATE,                                                                                                                                                                false, false, true },
    {"no such platform",                     "nginx",                          A, "[\"nginx@" A "\"]",                 NULL, "linux/s390x", B,    TWO,  NULL,
     DECISION_UNKNOWN,                                                                                                                                                                   false, false, true },
    {"pinned",                               "nginx@" A,                       E, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", NULL, NULL, NULL,
     DECISION_PINNED,                                                                                                                                                                    false, false, false},
    {"pinned, tag not moved",                "nginx:1@" A,                     E, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", A,    NULL,
     NULL,                                                                                                                                                          DECISION_PINNED,     false, false, true },
    {"pinned, tag moved",                    "nginx:1@" A,                     A, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", B,    NULL, NULL,
     DECISION_PINNED,                                                                                                                                                                    false, true,  true },
    {"pinned, only the index moved",         "nginx:1@" A,                     A, "[\"nginx@" A "\"]",                 D,    "linux/amd64", B,    TWO,
     NULL,                                                                                                                                                          DECISION_PINNED,     false, false, true },
    {"local build",                          "web:1",                          A, "[]",                                NULL, "linux/amd64", NULL, NULL, NULL,       DECISION_LOCAL,      false,
     false,                                                                                                                                                                                            false},
    {"local build, no member",               "web:1",                          A, NULL,                                NULL, "linux/amd64", B,    NULL, NULL,       DECISION_LOCAL,
     false,                                                                                                                                                                                     false, false},
    {"local build of Podman",                "localhost/web:1",                A, "[\"localhost/web@" A "\"]",         NULL, NULL,          B,
     NULL,                                                                                                                                              NULL,       DECISION_LOCAL,      false, false, false},
    {"tagged on the host",                   "my/web:1",                       A, "[\"nginx@" A "\"]",                 NULL, NULL,          B,    NULL, NULL,
     DECISION_LOCAL,                                                                                                                                                                     false, false, false},
    {"id",                                   A,                                A, "[\"nginx@" A "\"]",                 NULL, NULL,          B,    NULL, NULL,       DECISION_UNKNOWN,    false, false,
     false                                                                                                                                                                                                  },
    {"short id",                             "aaaaaaaaaaaa",                   A, "[\"nginx@" A "\"]",                 NULL, NULL,          B,    NULL, NULL,
     DECISION_UNKNOWN,                                                                                                                                                                   false, false, false},
    {"no reference",                         "<none>",                         A, "[\"nginx@" A "\"]",                 NULL, NULL,          B,    NULL, NULL,       DECISION_UNKNOWN,
     false,                                                                                                                                                                                     false, false},
    {"not checked",                          "nginx",                          A, "[\"nginx@" A "\"]",                 NULL, NULL,          NULL, NULL, NULL,       DECISION_UNKNOWN,
     false,                                                                                                                                                                                     false, true },
    {"registry away",                        "nginx",                          A, "[\"nginx@" A "\"]",                 NULL, NULL,          NULL, NULL, "no route",
     DECISION_UNKNOWN,                                                                                                                                                                   false, false, true },
    {"registry away after an answer",        "nginx",                          A, "[\"nginx@" A "\"]",                 NULL, "linux/amd64", B,    TWO,
     "no route",                                                                                                                                                    DECISION_OUTDATED,   false, false, true },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_auto_t *digests = cases[i].digests ? json_loads(cases[i].digests, 0, NULL) : NULL;
        json_auto_t *platforms = cases[i].platforms ? json_loads(cases[i].platforms, 0, NULL)
                                                    : NULL;
        struct decision_source s = {
            .image = cases[i].image,
            .image_id = cases[i].id,
            .repo_digests = digests,
            .manifest_digest = cases[i].manifest,
            .platform = cases[i].platform,
            .digest = cases[i].digest,
            .platforms = platforms,
            .failure = cases[i].failure,
        };
        struct decision d;

        decision_make(&s, &d);
        if (d.state != cases[i].state || d.needs_platforms != cases[i].needs_platforms ||
            d.has_moved != cases[i].has_moved || decision_needs_answer(&s) != cases[i].is_asked) {
            fail_msg("%s: %s (%s), %d, %d, %d", cases[i].what, decision_state_name(d.state),
                     d.reason ? d.reason : "", d.needs_platforms, d.has_moved,
                     decision_needs_answer(&s));
        }
        if (d.state == DECISION_UNKNOWN)
            assert_non_null(d.reason);
        if (d.state == DECISION_UNKNOWN && cases[i].failure)
            assert_string_equal(d.reason, cases[i].failure);
    }
}

static void test_index(void **state)
{
    static const char text[] =
        "{\"manifests\":["
        "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"" A
        "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}},"
        "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"" B
        "\",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}},"
        "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:1\"},"
        "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"digest\":\"" D "\"}]}";
    struct manifest m = {0};

    (void)state;
    assert_int_equal(manifest_parse(text, strlen(text), &m, NULL), 0);
    assert_true(m.is_index);
    assert_int_equal(json_array_size(m.platforms), 1);
    assert_int_equal(json_array_size(m.nested), 1);
    assert_non_null(manifest_find_platform(m.platforms, "linux/arm"));
    assert_non_null(manifest_find_platform(m.platforms, "linux/arm/v7"));
    assert_null(manifest_find_platform(m.platforms, "linux/arm/v6"));
    assert_null(manifest_find_platform(m.platforms, "linux/arm64"));
    manifest_done(&m);
    assert_true(manifest_parse("[]", 2, &m, NULL) < 0);
    assert_true(manifest_parse("{", 1, &m, NULL) < 0);
    assert_true(manifest_parse("{\"config\":{\"digest\":\"x\"}}", 25, &m, NULL) < 0);
}

static void test_config(void **state)
{
    static const char text[] = "{\"os\":\"linux\",\"architecture\":\"amd64\",\"created\":"
                               "\"2026-01-02T03:04:05Z\",\"config\":{\"Labels\":{"
                               "\"org.opencontainers.image.version\":\"1.2.3\"}}}";
    json_auto_t *platform = json_object();

    (void)state;
    assert_int_equal(manifest_apply_config(platform, text, strlen(text), NULL), 0);
    assert_string_equal(json_string_value(json_object_get(platform, "platform")), "linux/amd64");
    assert_string_equal(json_string_value(json_object_get(platform, "version")), "1.2.3");
    assert_true(manifest_has_digest(
        "", 0, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    assert_false(manifest_has_digest("x", 1, A));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_config),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
