#include "cli/common/args.h"

#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct options {
    bool all, quiet;
    const char *name;
    struct args_list filters;
    int64_t last;
};

#define AT(m) offsetof(struct options, m)

static const struct flag flags[] = {
    {"all",    'a', FLAG_BOOL,   AT(all),     NULL,   "everything"},
    {"quiet",  'q', FLAG_BOOL,   AT(quiet),   NULL,   "ids"       },
    {"name",   0,   FLAG_STRING, AT(name),    "NAME", "a name"    },
    {"filter", 'f', FLAG_LIST,   AT(filters), "K=V",  "filter"    },
    {"last",   'n', FLAG_NUMBER, AT(last),    "N",    "how many"  },
};

static const struct verb verb = {
    .name = "sample",
    .usage = "[OPTIONS] WORD [WORD...]",
    .summary = "A sample",
    .examples = "  dockmon sample x\n",
    .flags = flags,
    .n_flags = ARRAY_LEN(flags),
    .min_words = 1,
    .max_words = 3,
    .options_size = sizeof(struct options),
};

#define MAX_ARGS 8

/* The words of the line are separated by single spaces. */
static int parse(const char *line, struct args *ret, struct error *err)
{
    static char copy[128];
    char *argv[MAX_ARGS] = {(char *)(uintptr_t) "sample"};
    char *rest = copy;
    int argc = 1;

    str_copy(copy, sizeof(copy), line);
    while (*copy && rest)
        argv[argc++] = strsep(&rest, " ");
    return args_parse(ret, &verb, argc, argv, err);
}

static void test_valid_lines(void **state)
{
    static const struct {
        const char *line;
        bool all, quiet;
        const char *name;
        size_t n_filters;
        int64_t last;
        size_t n_words;
    } cases[] = {
        {"x",                     false, false, NULL, 0, 0,  1},
        {"-a x",                  true,  false, NULL, 0, 0,  1},
        {"x -aq y",               true,  true,  NULL, 0, 0,  2},
        {"-qn5 x",                false, true,  NULL, 0, 5,  1},
        {"-n -1 x",               false, false, NULL, 0, -1, 1},
        {"-n=7 x",                false, false, NULL, 0, 7,  1},
        {"--last=7 --name -z x",  false, false, "-z", 0, 7,  1},
        {"--name= x",             false, false, "",   0, 0,  1},
        {"-f a=b --filter=c=d x", false, false, NULL, 2, 0,  1},
        {"--all=false x",         false, false, NULL, 0, 0,  1},
        {"-- -a --all",           false, false, NULL, 0, 0,  2},
        {"- x",                   false, false, NULL, 0, 0,  2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        const struct options *o;
        struct args a;

        assert_int_equal(parse(cases[i].line, &a, &err), 0);
        o = a.options;
        assert_int_equal(o->all, cases[i].all);
        assert_int_equal(o->quiet, cases[i].quiet);
        assert_true(str_eq(o->name, cases[i].name));
        assert_int_equal(o->filters.n, cases[i].n_filters);
        assert_int_equal(o->last, cases[i].last);
        assert_int_equal(a.words.n, cases[i].n_words);
        assert_false(a.wants_help);
        args_done(&a, &verb);
    }
}

static void test_invalid_lines(void **state)
{
    static const struct {
        const char *line;
        const char *message;
        bool is_count; /* of words, which is another exit code */
    } cases[] = {
        {"",              "at least 1 argument is required",            true },
        {"-a",            "at least 1 argument is required",            true },
        {"a b c d",       "unexpected argument: d",                     true },
        {"--nope x",      "unknown flag: --nope",                       false},
        {"--al x",        "unknown flag: --al",                         false},
        {"--nope=5 x",    "unknown flag: --nope",                       false},
        {"-az x",         "unknown flag: -z",                           false},
        {"x -n",          "--last requires a value: N",                 false},
        {"x --name",      "--name requires a value: NAME",              false},
        {"-n five x",     "--last: \"five\" is not a number",           false},
        {"--all=maybe x", "--all: \"maybe\" is neither true nor false", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        struct args a;

        assert_int_equal(parse(cases[i].line, &a, &err), cases[i].is_count ? -E2BIG : -EINVAL);
        assert_string_equal(err.msg, cases[i].message);
        args_done(&a, &verb);
        args_done(&a, &verb);
    }
}

/* After the first word, all words belong to the command. */
static void test_flags_end_at_the_command(void **state)
{
    const struct verb v = {.name = "exec",
                           .flags = flags,
                           .n_flags = ARRAY_LEN(flags),
                           .min_words = 1,
                           .is_command = true,
                           .options_size = sizeof(struct options)};
    char *argv[] = {(char[]){"exec"}, (char[]){"-a"}, (char[]){"web"},    (char[]){"ls"},
                    (char[]){"-q"},   (char[]){"--"}, (char[]){"--nope"}, (char[]){"-h"}};
    struct error err = ERROR_INIT;
    const struct options *o;
    struct args a;

    (void)state;
    assert_int_equal(args_parse(&a, &v, ARRAY_LEN(argv), argv, &err), 0);
    o = a.options;
    assert_true(o->all && !o->quiet && !a.wants_help);
    assert_int_equal(a.words.n, 6);
    assert_string_equal(a.words.items[2], "-q");
    assert_string_equal(a.words.items[3], "--");
    args_done(&a, &v);
}

static void test_help(void **state)
{
    static const char *const asks[] = {"--help", "-h", "-ah", "x --help"};
    struct buf out = BUF_INIT(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        struct error err = ERROR_INIT;
        struct args a;

        assert_int_equal(parse(asks[i], &a, &err), 0);
        assert_true(a.wants_help);
        args_done(&a, &verb);
    }
    args_help(&verb, &out);
    assert_string_equal(buf_str(&out),
                        "Usage:  dockmon sample [OPTIONS] WORD [WORD...]\n\nA sample\n\nOptions:\n"
                        "  -a, --all                      everything\n"
                        "  -q, --quiet                    ids\n"
                        "      --name NAME                a name\n"
                        "  -f, --filter K=V               filter\n"
                        "  -n, --last N                   how many\n"
                        "\nExamples:\n  dockmon sample x\n");
    buf_done(&out);
}

static void test_read_number(void **state)
{
    static const struct {
        const char *value;
        uint64_t number;
        const char *error; /* NULL: valid */
    } cases[] = {
        {"2",  2, NULL                                        },
        {"9",  9, NULL                                        },
        {"1",  0, "--last: \"1\" is not a number from 2 to 9" },
        {"10", 0, "--last: \"10\" is not a number from 2 to 9"},
        {"",   0, "--last: \"\" is not a number from 2 to 9"  },
        {"-3", 0, "--last: \"-3\" is not a number from 2 to 9"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        uint64_t number = 0;
        int r = args_read_number("last", cases[i].value, 2, 9, &number, &err);

        assert_int_equal(r, cases[i].error ? -EINVAL : 0);
        assert_int_equal(number, cases[i].number);
        assert_string_equal(err.msg, cases[i].error ? cases[i].error : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_lines),
        cmocka_unit_test(test_invalid_lines),
        cmocka_unit_test(test_flags_end_at_the_command),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_read_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
