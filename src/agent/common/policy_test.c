#include "agent/common/policy.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static struct policy parse(const char *text)
{
    struct policy p = {0};
    struct error err = ERROR_INIT;

    if (policy_parse(text, &p, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return p;
}

/* Finds an operation by its name, in messages of any kind. */
static enum operation_id find(const char *name)
{
    operation_foreach(id) {
        if (str_eq(operation_spec(id)->name, name))
            return id;
    }
    fail_msg("no operation %s", name);
    return OPERATION_NONE;
}

/* Each operation is allowed by the level of its class, and by its own word. */
static void test_every_operation(void **state)
{
    static const char *const levels[] = {
        [POLICY_BASIC] = "inspect",
        [POLICY_READ] = "observe",
        [POLICY_OPERATE] = "operate",
        [POLICY_FULL] = "full",
    };

    (void)state;
    operation_foreach(id) {
        const struct operation_spec *spec = operation_spec(id);
        const struct policy level = parse(levels[spec->class]);
        const struct policy word = parse(spec->word ? spec->word : "inspect");

        assert_null(policy_refuse(&level, id));
        assert_null(policy_refuse(&word, id));
        assert_true(policy_heeds_label(id) == (spec->class >= POLICY_OPERATE));
        if (spec->class > POLICY_READ) {
            const struct policy below = parse(levels[spec->class - 1]);
            _cleanup_free_ char *why = policy_refuse(&below, id);

            assert_non_null(why);
        }
    }
}

static void test_policies(void **state)
{
    static const struct {
        const char *policy, *allowed, *refused;
    } cases[] = {
        {"observe",         "inspect get_logs container_logs list_images",
         "start stop remove shell create_volume"                                                                    },
        {"operate",         "inspect start stop_container unpause kill",
         "rename remove delete_container shell prune_images"                                                        },
        {"full",            "inspect start remove shell prune_volumes",    ""                                       },
        {"start",           "start start_container",                       "stop inspect get_logs list_images shell"},
        {" observe , stop", "stop stop_container inspect",                 "start kill remove"                      },
        {"remove",          "remove delete_container",                     "remove_image rename"                    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct policy p = parse(cases[i].policy);
        char name[64];
        int n = 0;

        for (const char *s = cases[i].allowed; *s; s += n) {
            _cleanup_free_ char *why = NULL;

            n = (int)strcspn(s, " ");
            (void)snprintf(name, sizeof(name), "%.*s", n, s);
            n += s[n] == ' ';
            why = policy_refuse(&p, find(name));
            if (why)
                fail_msg("%s, %s: %s", cases[i].policy, name, why);
        }
        for (const char *s = cases[i].refused; *s; s += n) {
            _cleanup_free_ char *why = NULL;

            n = (int)strcspn(s, " ");
            (void)snprintf(name, sizeof(name), "%.*s", n, s);
            n += s[n] == ' ';
            why = policy_refuse(&p, find(name));
            if (!why || !strstr(why, "AGENT_POLICY=") || !str_starts_with(why, name))
                fail_msg("%s, %s: %s", cases[i].policy, name, why ? why : "allowed");
        }
        for (size_t k = 0; k < 3; k++) {
            static const char *const basic[] = {"ping", "get_system_info", "list_containers"};

            assert_null(policy_refuse(&p, find(basic[k])));
        }
    }
}

static void append_word(void *owner, const char *word)
{
    char *text = owner;

    (void)snprintf(text + strlen(text), 100 - strlen(text), "[%s]", word);
}

static void test_words(void **state)
{
    struct policy p = parse("\tobserve ,start,  stop\n");
    char words[100] = "";

    (void)state;
    assert_string_equal(p.text, "observe,start,stop");
    policy_each_word(&p, append_word, words);
    assert_string_equal(words, "[observe][start][stop]");
}

static void test_invalid_policies_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ",",
        "observe,",
        "all",
        "Observe",
        "start stop",
        "start_container",
        "observe;start",
        "observe,,start",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct policy p = {.allowed = 7};
        struct error err = ERROR_INIT;

        if (policy_parse(texts[i], &p, &err) != -EINVAL || p.allowed != 7)
            fail_msg("\"%s\" was accepted", texts[i]);
        assert_string_not_equal(err.msg, "");
    }
}

static void test_labels(void **state)
{
    static const struct {
        const char *label, *action;
        bool is_refused;
    } cases[] = {
        {NULL,           "remove",           false},
        {"true",         "remove",           true },
        {"true",         "start",            true },
        {"",             "stop",             true },
        {"anything",     "shell",            true },
        {"true",         "inspect",          false},
        {"true",         "get_logs",         false},
        {"false",        "remove",           false},
        {"no",           "remove",           false},
        {"stop,remove",  "stop",             true },
        {"stop, remove", "delete_container", true },
        {"stop,remove",  "start",            false},
        {"stop,remvoe",  "start",            true },
        {"false,stop",   "start",            true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *why = policy_refuse_label(cases[i].label, "web",
                                                       find(cases[i].action));

        if ((why != NULL) != cases[i].is_refused)
            fail_msg("%s, %s: %s", cases[i].label, cases[i].action, why ? why : "allowed");
        if (why) {
            assert_non_null(
                strstr(why, "container web is protected by its label dockmon.protect="));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation), cmocka_unit_test(test_policies),
        cmocka_unit_test(test_words),           cmocka_unit_test(test_invalid_policies_are_refused),
        cmocka_unit_test(test_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
