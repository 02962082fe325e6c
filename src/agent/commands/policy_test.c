#include "agent/commands/command.h"
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

/* Every command the agent can carry out has a class, so that none is allowed or refused by accident. */
static void test_nothing_is_forgotten(void **state)
{
    enum policy_class class;
    const char *name;

    (void)state;
    for (size_t i = 0; (name = action_name(i)); i++) {
        if (policy_class_of(name, &class) < 0)
            fail_msg("%s has no row in the table of policy.c", name);
    }
    assert_int_equal(policy_class_of("shell", &class), 0);
    assert_int_equal(policy_class_of("nothing", &class), -EINVAL);
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
        {"full",            "inspect start remove shell prune_volumes",    "nothing"                                },
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
            why = policy_refusal(&p, name);
            if (why)
                fail_msg("%s, %s: %s", cases[i].policy, name, why);
        }
        for (const char *s = cases[i].refused; *s; s += n) {
            _cleanup_free_ char *why = NULL;

            n = (int)strcspn(s, " ");
            (void)snprintf(name, sizeof(name), "%.*s", n, s);
            n += s[n] == ' ';
            why = policy_refusal(&p, name);
            if (!why || !strstr(why, "AGENT_POLICY=") || !str_starts_with(why, name))
                fail_msg("%s, %s: %s", cases[i].policy, name, why ? why : "allowed");
        }
        for (size_t k = 0; k < 3; k++) {
            static const char *const basic[] = {"ping", "get_system_info", "list_containers"};

            assert_null(policy_refusal(&p, basic[k]));
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

static void test_bad_policies(void **state)
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
            fail_msg("\"%s\" is taken", texts[i]);
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
        _cleanup_free_ char *why = policy_label_refusal(cases[i].label, "web", cases[i].action);

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
        cmocka_unit_test(test_nothing_is_forgotten),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_bad_policies),
        cmocka_unit_test(test_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
