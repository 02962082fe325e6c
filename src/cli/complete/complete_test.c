#include "cli/complete/complete.h"

#include "base/str.h"
#include "cli/common/verbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAX_WORDS 8

static void test_analyse(void **state)
{
    static const struct {
        const char *words[MAX_WORDS];
        enum complete_what what;
        enum word_kind kind;
        const char *typed;
    } cases[] = {
        {{""},                          COMPLETE_VERBS,   WORDS_OTHER,      ""           },
        {{"st"},                        COMPLETE_VERBS,   WORDS_OTHER,      "st"         },
        {{"help", "st"},                COMPLETE_VERBS,   WORDS_OTHER,      "st"         },
        {{"network", "r"},              COMPLETE_MEMBERS, WORDS_OTHER,      "r"          },
        {{"network", "dance", ""},      COMPLETE_NOTHING, WORDS_OTHER,      ""           },
        {{"dance", ""},                 COMPLETE_NOTHING, WORDS_OTHER,      ""           },
        {{"", ""},                      COMPLETE_NOTHING, WORDS_OTHER,      ""           },
        {{"ps", ""},                    COMPLETE_NOTHING, WORDS_OTHER,      ""           },
        {{"ps", "-"},                   COMPLETE_FLAGS,   WORDS_OTHER,      "-"          },
        {{"ps", "--no"},                COMPLETE_FLAGS,   WORDS_OTHER,      "--no"       },
        {{"ps", "-aq", "--no"},         COMPLETE_FLAGS,   WORDS_OTHER,      "--no"       },
        {{"ps", "-an", ""},             COMPLETE_NOTHING, WORDS_OTHER,      ""           },
        {{"logs", "a", "b"},            COMPLETE_WORDS,   WORDS_CONTAINERS, "b"          },
        {{"logs", "-n", "5", "b"},      COMPLETE_WORDS,   WORDS_CONTAINERS, "b"          },
        {{"logs", "-n5", "b"},          COMPLETE_WORDS,   WORDS_CONTAINERS, "b"          },
        {{"logs", "--tail=5", "b"},     COMPLETE_WORDS,   WORDS_CONTAINERS, "b"          },
        {{"logs", "--tail", "b"},       COMPLETE_NOTHING, WORDS_OTHER,      "b"          },
        {{"logs", "--", "-"},           COMPLETE_WORDS,   WORDS_CONTAINERS, "-"          },
        {{"logs", "--follow", "b"},     COMPLETE_WORDS,   WORDS_CONTAINERS, "b"          },
        {{"logs", "--unknown", "b"},    COMPLETE_WORDS,   WORDS_CONTAINERS, "b"          },
        {{"stop", ""},                  COMPLETE_WORDS,   WORDS_ALIVE,      ""           },
        {{"container", "stop", "x"},    COMPLETE_WORDS,   WORDS_ALIVE,      "x"          },
        {{"rename", "a", ""},           COMPLETE_NOTHING, WORDS_OTHER,      ""           },
        {{"exec", "-it", ""},           COMPLETE_WORDS,   WORDS_RUNNING,    ""           },
        {{"exec", "a", "--"},           COMPLETE_NOTHING, WORDS_OTHER,      "--"         },
        {{"rmi", "--host", "p"},        COMPLETE_WORDS,   WORDS_HOSTS,      "p"          },
        {{"rmi", "--host=p"},           COMPLETE_WORDS,   WORDS_HOSTS,      "p"          },
        {{"rmi", "--force=t"},          COMPLETE_NOTHING, WORDS_OTHER,      "--force=t"  },
        {{"rmi", "--nothing=t"},        COMPLETE_NOTHING, WORDS_OTHER,      "--nothing=t"},
        {{"rmi", "-=t"},                COMPLETE_NOTHING, WORDS_OTHER,      "-=t"        },
        {{"user", "create", "-r", "o"}, COMPLETE_WORDS,   WORDS_ROLES,      "o"          },
        {{"login", "--ca-file", "/"},   COMPLETE_WORDS,   WORDS_FILES,      "/"          },
        {{"agent", "rotate", "a", "b"}, COMPLETE_WORDS,   WORDS_ONE_HOST,   "b"          },
        {{"completion", ""},            COMPLETE_WORDS,   WORDS_SHELLS,     ""           },
        {{"completion", "zsh", ""},     COMPLETE_NOTHING, WORDS_OTHER,      ""           },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct complete c;
        size_t n = 0;

        while (n < MAX_WORDS && cases[i].words[n])
            n++;
        complete_analyse(cases[i].words, n, &c);
        if (c.what != cases[i].what || c.words != cases[i].kind ||
            !str_eq(c.typed, cases[i].typed)) {
            fail_msg("case %zu (%s): %d %d \"%s\"", i, cases[i].words[0], (int)c.what, (int)c.words,
                     c.typed);
        }
        assert_string_equal(cases[i].words[n - 1] + c.prefix_size, c.typed);
    }
}

/* A candidate ends up on a command line, so it must not contain what a shell would interpret. */
static void test_unsafe_candidates_are_dropped(void **state)
{
    static const char *const bad[] = {
        "",    "a b", "a;b", "$(x)", "`x`",   "a\tb", "a\nb", "a'b", "a\"", "a\\",      "\x1b[1m",
        "a&b", "a|b", "a>b", "*",    "{a,b}", "~",    "$x",   "a$",  "!x",  "\xc3\xa4", "other"};
    struct complete_sink sink = {
        .prefix = "--host=", .prefix_size = 7, .typed = "", .out = BUF_INIT(4096)};

    (void)state;
    for (size_t i = 0; i + 1 < ARRAY_LEN(bad); i++)
        complete_add(&sink, bad[i], "text");
    assert_int_equal(sink.out.size, 0);
    sink.typed = "pr";
    complete_add(&sink, bad[ARRAY_LEN(bad) - 1], "text");
    assert_int_equal(sink.out.size, 0);
    complete_add(&sink, "prod-1", "untrusted \x1b[1m text\n");
    assert_string_equal(buf_str(&sink.out), "--host=prod-1\tuntrusted \\x1b[1m text\\x0a\n");
    buf_done(&sink.out);
}

static bool is_listed(const struct verb *v)
{
    for (size_t i = 0; i < n_verb_sections; i++) {
        for (const struct verb *const *own = verb_sections[i].verbs; *own; own++) {
            if (*own == v)
                return true;
        }
    }
    return false;
}

static void test_aliases_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_verb_aliases; i++) {
        const char *space = strchr(verb_aliases[i].name, ' ');
        char first[32] = "";
        const char *words[2] = {first, space ? space + 1 : "x"};
        size_t n_taken = 0,
               n = space ? (size_t)(space - verb_aliases[i].name) : strlen(verb_aliases[i].name);

        memcpy(first, verb_aliases[i].name, n);
        assert_ptr_equal(verb_find(words, 2, &n_taken), verb_aliases[i].verb);
        assert_int_equal(n_taken, space ? 2 : 1);
        assert_true(is_listed(verb_aliases[i].verb));
        assert_true(!space || verb_each_of_group(first, NULL, NULL) > 0);
    }
    assert_int_equal(verb_each_of_group("", NULL, NULL), 0);
    assert_int_equal(verb_each_of_group("ps", NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_analyse),
        cmocka_unit_test(test_unsafe_candidates_are_dropped),
        cmocka_unit_test(test_aliases_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
