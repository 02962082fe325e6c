#include "base/alloc.h"
#include "base/str.h"
#include "cli/containers/copy_path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_words(void **state)
{
    static const struct {
        const char *word, *container, *path;
    } cases[] = {
        {"web:/etc/x",     "web",        "/etc/x"},
        {"prod-1/web:x:y", "prod-1/web", "x:y"   },
        {"web:",           "web",        ""      },
        {"-",              NULL,         NULL    },
        {"./a:b",          NULL,         NULL    },
        {"/a:b",           NULL,         NULL    },
        {"../a:b",         NULL,         NULL    },
        {"file",           NULL,         NULL    },
        {":x",             NULL,         NULL    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *container = NULL, *path = NULL;

        assert_int_equal(copy_path_split_word(cases[i].word, &container, &path),
                         cases[i].container != NULL);
        if (!str_eq(container, cases[i].container) || !str_eq(path, cases[i].path))
            fail_msg("%s: %s, %s", cases[i].word, container, path);
    }
}

static void test_paths(void **state)
{
    static const struct {
        const char *path, *clean, *parent, *name;
        bool names_dir, names_content;
    } cases[] = {
        {"/a/b",     "/a/b",   "/a", "b", false, false},
        {"a",        "/a",     "/",  "a", false, false},
        {"/a//b/",   "/a/b/",  "/a", "b", true,  false},
        {"/a/./b/.", "/a/b/.", "/a", ".", true,  true },
        {"/a/../b",  "/b",     "/",  "b", false, false},
        {"/../..",   "/",      "/",  ".", false, false},
        {"/",        "/",      "/",  ".", true,  true },
        {"",         "/",      "/",  ".", true,  false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *clean = copy_path_clean(cases[i].path);
        _cleanup_free_ char *parent = copy_path_parent(cases[i].path);
        _cleanup_free_ char *name = copy_path_name(cases[i].path);

        if (!str_eq(clean, cases[i].clean) || !str_eq(parent, cases[i].parent) ||
            !str_eq(name, cases[i].name) ||
            copy_path_names_dir(cases[i].path) != cases[i].names_dir ||
            copy_path_names_content(cases[i].path) != cases[i].names_content)
            fail_msg("\"%s\": %s %s %s", cases[i].path, clean, parent, name);
    }
}

/* The table of "docker container cp --help". */
static void test_plans(void **state)
{
    static const struct {
        struct copy_end from, to;
        int code;
        const char *dir, *name;
    } cases[] = {
        {{"/s/f", NULL, true, false},  {"/d/new", NULL, false, false},  0,       "/d",     "new" },
        {{"/s/f", NULL, true, false},  {"/d/new/", NULL, false, false}, -ENOENT, NULL,     NULL  },
        {{"/s/f", NULL, true, false},  {"/d/old", NULL, true, false},   0,       "/d",     "old" },
        {{"/s/f", NULL, true, false},  {"/d/dir/", NULL, true, true},   0,       "/d/dir", "f"   },
        {{"/s/d", NULL, true, true},   {"/d/new", NULL, false, false},  0,       "/d",     "new" },
        {{"/s/d", NULL, true, true},   {"/d/new/", NULL, false, false}, 0,       "/d",     "new" },
        {{"/s/d/.", NULL, true, true}, {"/d/new", NULL, false, false},  0,       "/d",     "new" },
        {{"/s/d", NULL, true, true},   {"/d/old", NULL, true, false},   -EISDIR, NULL,     NULL  },
        {{"/s/d", NULL, true, true},   {"/d/dir", NULL, true, true},    0,       "/d/dir", "d"   },
        {{"/s/d/.", NULL, true, true}, {"/d/dir", NULL, true, true},    0,       "/d/dir", "."   },
        {{"/s/t", "link", true, true}, {"/", NULL, true, true},         0,       "/",      "link"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct copy_plan plan = {0};
        struct error err = ERROR_INIT;
        int r = copy_plan_make(&cases[i].from, &cases[i].to, &plan, &err);

        if (r != cases[i].code || !str_eq(plan.dir, cases[i].dir) ||
            !str_eq(plan.name, cases[i].name)) {
            fail_msg("%s to %s: %d %s %s", cases[i].from.path, cases[i].to.path, r, plan.dir,
                     plan.name);
        }
        copy_plan_done(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_plans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
