#include "base/str.h"
#include "cli/hosts/event_format.h"
#include "cli/hosts/hosts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HOST(id, name, status) "{\"id\":\"" id "\",\"name\":\"" name "\",\"status\":\"" status "\"}"

static const char several[] = "[" HOST("aa11", "web", "online") "," HOST(
    "aa22", "db", "online") "," HOST("bb33", "old", "offline") "," HOST("cc44", "db", "online") "]";
static const char one[] = "[" HOST("aa11", "web", "online") "]";
static const char named_all[] = "[" HOST("aa11", "all", "online") "," HOST(
    "bb22", "x", "online") "]";
static const char like_id[] = "[" HOST("1234567890", "web", "online") "," HOST(
    "bb22", "12345678", "online") "]";
static const char none_online[] = "[" HOST("aa11", "web", "offline") "]";

static const struct {
    const char *hosts, *words; /* separated by spaces */
    enum hosts_default by_default;
    int code;
    const char *want; /* ids, or the beginning of the error */
} cases[] = {
    {several,     "",            HOSTS_ALL_ONLINE, 0,       "aa11 aa22 cc44 "               },
    {several,     "",            HOSTS_ONLY_ONE,   -EINVAL, "there are 4 hosts: say"        },
    {several,     "all",         HOSTS_ONLY_ONE,   0,       "aa11 aa22 cc44 "               },
    {several,     "web",         HOSTS_ONLY_ONE,   0,       "aa11 "                         },
    {several,     "aa22 web",    HOSTS_ONLY_ONE,   0,       "aa22 aa11 "                    },
    {several,     "web aa1 all", HOSTS_ONLY_ONE,   0,       "aa11 aa22 cc44 "               },
    {several,     "bb",          HOSTS_ALL_ONLINE, 0,       "bb33 "                         },
    {several,     "aa",          HOSTS_ALL_ONLINE, -EEXIST, "aa is ambiguous: 2 hosts match"},
    {several,     "db",          HOSTS_ALL_ONLINE, -EEXIST, "db is ambiguous: 2 hosts match"},
    {several,     "web nix",     HOSTS_ALL_ONLINE, -ENOENT, "No such host: nix"             },
    {one,         "",            HOSTS_ONLY_ONE,   0,       "aa11 "                         },
    {none_online, "",            HOSTS_ONLY_ONE,   -ENOENT, "no host is online"             },
    {none_online, "",            HOSTS_ALL_ONLINE, -ENOENT, "no host is online"             },
    {none_online, "web",         HOSTS_ONLY_ONE,   0,       "aa11 "                         },
    {named_all,   "all",         HOSTS_ONLY_ONE,   -EEXIST, "all is ambiguous: a host has"  },
    {named_all,   "aa11",        HOSTS_ONLY_ONE,   0,       "aa11 "                         },
    {like_id,     "12345678",    HOSTS_ONLY_ONE,   -EEXIST, "12345678 is ambiguous: 2 hosts"},
    {"[]",        "",            HOSTS_ALL_ONLINE, -ENOENT, "no host is online"             },
};

static void check(size_t i)
{
    json_auto_t *all = json_loads(cases[i].hosts, 0, NULL);
    json_auto_t *chosen = NULL;
    struct error err = ERROR_INIT;
    const char *items[4];
    struct args_list words = {items, 0};
    char text[64], got[64] = "", *rest = text, *word;
    int r;

    str_copy(text, sizeof(text), cases[i].words);
    while ((word = strsep(&rest, " "))) {
        if (*word)
            items[words.n++] = word;
    }
    r = hosts_select(all, &words, cases[i].by_default, &chosen, &err);
    assert_int_equal(r, cases[i].code);
    for (size_t k = 0; k < json_array_size(chosen); k++) {
        const char *id = json_string_value(json_object_get(json_array_get(chosen, k), "id"));
        size_t n = strlen(got);

        str_copy(got + n, sizeof(got) - n, id);
        str_copy(got + n + 4, sizeof(got) - n - 4, " ");
    }
    if (!str_starts_with(r < 0 ? err.msg : got, cases[i].want))
        fail_msg("case %zu: %s", i, r < 0 ? err.msg : got);
    if (r == 0)
        assert_string_equal(got, cases[i].want);
}

static void test_choice(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(i);
}

/* Every id begins with the empty word. */
static void test_empty_word_matches_nothing(void **state)
{
    json_auto_t *all = json_loads(one, 0, NULL);
    json_t *host = NULL;

    (void)state;
    assert_int_equal(hosts_find(all, "", &host, NULL), -ENOENT);
    assert_int_equal(hosts_find(all, "a", &host, NULL), 0);
}

static void test_path(void **state)
{
    json_auto_t *host = json_pack("{s:s}", "id", "a/b");
    _cleanup_free_ char *path = host_path(host, "images");

    (void)state;
    assert_string_equal(path, "/api/hosts/a%2Fb/images");
}

/* The names that docker gives to the parts of an event, each with its value. */
static void test_event_has_the_fields_of_docker(void **state)
{
    json_auto_t *event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "event_type", "deleted",
                                   "container_id", "aa11", "container_name", "web", "category",
                                   "container", "timestamp", "1970-01-01T00:00:02.500Z",
                                   "host_name", "one", "title", "web was removed");
    json_auto_t *described = event_describe(event);
    json_auto_t *expected = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:{s:s}}, s:i, s:I, s:s, s:s}",
                                      "Type", "container", "Action", "destroy", "Status", "destroy",
                                      "ID", "aa11", "Actor", "ID", "aa11", "Attributes", "name",
                                      "web", "Time", 2, "TimeNano", (json_int_t)2500000000, "Host",
                                      "one", "Message", "web was removed");

    (void)state;
    assert_non_null(expected);
    assert_true(json_equal(described, expected));
    for (size_t i = 0; event_fields[i].name; i++)
        assert_non_null(json_object_get(described, event_fields[i].name));
    json_object_set_new(event, "message", json_string("more"));
    json_decref(described);
    described = event_describe(event);
    assert_string_equal(json_string_value(json_object_get(described, "Message")), "more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_empty_word_matches_nothing),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_event_has_the_fields_of_docker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
