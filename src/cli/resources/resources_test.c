#include "base/alloc.h"
#include "base/str.h"
#include "cli/resources/resources.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ON(host, rest)        "{\"host_id\":\"" host "\",\"host_name\":\"" host "\"," rest "}"
#define IMAGE(host, id, tags) ON(host, "\"id\":\"" id "\",\"tags\":[" tags "]")
#define ID_A                  "aaaaaaaaaaaa"
#define ID_B                  "abbbbbbbbbbb"
#define WEB                   "\"web:latest\",\"reg:5000/web:1\""

static const char images[] = "[" IMAGE("h1", ID_A, WEB) "," IMAGE("h1", ID_B, "") "," IMAGE(
    "h2", ID_A, "\"web:latest\"") "]";
static const char podman_images[] = "[" ON(
    "h1", "\"id\":\"" ID_A "\",\"tags\":[\"localhost/two:a\",\"docker.io/library/bb:latest\"]") "]";
static const char networks[] = "[" ON("h1", "\"id\":\"" ID_A "\",\"name\":\"shop\"") "," ON(
    "h1", "\"id\":\"" ID_B "\",\"name\":\"" ID_A "\"") "]";
static const char volumes[] = "[" ON("h1", "\"name\":\"data\"") "," ON(
    "h2", "\"name\":\"data\"") "," ON("h2", "\"name\":\"data2\"") "]";

static const struct {
    const struct resource_kind *kind;
    const char *list, *word;
    bool is_many;
    const char *want; /* "host/ref host/ref ", or the beginning of the error */
} cases[] = {
    {&resource_images,   images,        "web",                   true,  "h1/web:latest h2/web:latest "                     },
    {&resource_images,   images,        "web",                   false, "image web is on h1 and h2: say"                   },
    {&resource_images,   images,        "web:1",                 true,  "No such image: web:1"                             },
    {&resource_images,   podman_images, "two:a",                 false, "h1/localhost/two:a "                              },
    {&resource_images,   podman_images, "bb",                    false, "h1/docker.io/library/bb:latest "                  },
    {&resource_images,   podman_images, "localhost/bb",          true,  "No such image: localhost/bb"                      },
    {&resource_images,   images,        "docker.io/library/web", true,  "h1/web:latest h2/web:latest "                     },
    {&resource_images,   images,        "reg:5000/web:1",        false, "h1/reg:5000/web:1 "                               },
    {&resource_images,   images,        "reg:5000/web",          false, "No such image: reg:5000/web"                      },
    {&resource_images,   images,        ID_B,                    false, "h1/" ID_B " "                                     },
    {&resource_images,   images,        "sha256:" ID_B "0123",   false, "h1/" ID_B "0123 "                                 },
    {&resource_images,   images,        "ab",                    false, "h1/" ID_B " "                                     },
    {&resource_images,   images,        "a",                     true,  "a is ambiguous: more than one image on h1 matches"},
    {&resource_images,   images,        "aa",                    true,  "h1/" ID_A " h2/" ID_A " "                         },
    {&resource_images,   images,        "",                      true,  "No such image: "                                  },
    {&resource_networks, networks,      "shop",                  false, "h1/" ID_A " "                                     },
    {&resource_networks, networks,      ID_A,                    false, ID_A " is ambiguous: more than one network on h1"  },
    {&resource_networks, networks,      "ab",                    false, "h1/" ID_B " "                                     },
    {&resource_networks, networks,      "sho",                   false, "No such network: sho"                             },
    {&resource_volumes,  volumes,       "data2",                 false, "h2/data2 "                                        },
    {&resource_volumes,  volumes,       "data",                  true,  "h1/data h2/data "                                 },
    {&resource_volumes,  volumes,       "dat",                   true,  "No such volume: dat"                              },
};

static void check(size_t i)
{
    json_auto_t *list = json_loads(cases[i].list, 0, NULL);
    struct resource_targets targets = {0};
    struct buf got = BUF_INIT(1024);
    struct error err = ERROR_INIT;
    int r;

    assert_non_null(list);
    r = resources_resolve(cases[i].kind, list, cases[i].word, cases[i].is_many, &targets, &err);
    assert_int_equal(targets.n == 0, r < 0);
    for (size_t k = 0; k < targets.n; k++) {
        const json_t *host = json_object_get(targets.items[k].element, "host_id");

        assert_int_equal(buf_printf(&got, "%s/%s ", json_string_value(host), targets.items[k].ref),
                         0);
    }
    resource_targets_done(&targets);
    if (r < 0 ? !str_starts_with(err.msg, cases[i].want) : !str_eq(buf_str(&got), cases[i].want))
        fail_msg("%s: %s", cases[i].word, r < 0 ? err.msg : buf_str(&got));
    buf_done(&got);
}

static void test_resolve(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
