#include "base/alloc.h"
#include "base/file.h"
#include "server/web/files.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define PAGE "text/html,application/xhtml+xml"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int set_up(void **state)
{
    char *dir = xstrdup("/tmp/web-files-XXXXXX");

    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    int r = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);

    free(*state);
    return r;
}

static void put(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    struct error err = ERROR_INIT;

    if (strchr(name, '/')) {
        _cleanup_free_ char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));

        (void)mkdir(folder, 0700);
    }
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

static void test_files_have_types_and_cache_rules(void **state)
{
    static const struct {
        const char *name, *type;
        bool is_immutable;
    } cases[] = {
        {"index.html",             "text/html; charset=utf-8",       false},
        {"assets/app-3f9c02d1.js", "text/javascript; charset=utf-8", true },
        {"assets/a-b_9-Zc12.css",  "text/css; charset=utf-8",        true },
        {"assets/plain.css",       "text/css; charset=utf-8",        false},
        {"assets/two-words.svg",   "image/svg+xml",                  false},
        {"assets/date-1234.png",   "image/png",                      false},
        {"assets/odd.xyz",         "application/octet-stream",       false},
    };
    _cleanup_(web_files_freep) struct web_files *w = NULL;
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        put(*state, cases[i].name, cases[i].name);
    assert_int_equal(web_files_load(&w, *state, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *path = xasprintf("/%s", cases[i].name);
        const struct web_file *f = web_files_find(w, path, NULL);

        assert_non_null(f);
        assert_string_equal(f->content_type, cases[i].type);
        assert_int_equal(f->is_immutable, cases[i].is_immutable);
        assert_int_equal(f->plain.size, strlen(cases[i].name));
        assert_null(f->gzip.data);
        assert_int_equal(f->plain.etag[0], '"');
    }
    assert_string_not_equal(web_files_find(w, "/assets/plain.css", NULL)->plain.etag,
                            web_files_find(w, "/assets/odd.xyz", NULL)->plain.etag);
}

static void test_paths_find_their_files(void **state)
{
    _cleanup_(web_files_freep) struct web_files *w = NULL;
    _cleanup_free_ char *dir = xasprintf("%s//", (const char *)*state);
    struct error err = ERROR_INIT;

    put(*state, "index.html", "start");
    put(*state, "app.js", "plain");
    put(*state, "app.js.gz", "packed");
    put(*state, "orphan.js.gz", "packed");
    assert_int_equal(web_files_load(&w, dir, &err), 0);
    assert_string_equal(web_files_find(w, "/", NULL)->path, "/index.html");
    assert_string_equal(web_files_find(w, "/app.js", NULL)->gzip.data, "packed");
    assert_null(web_files_find(w, "/app.js.gz", NULL));
    assert_null(web_files_find(w, "/orphan.js", NULL));
    assert_null(web_files_find(w, "app.js", NULL));
    assert_null(web_files_find(w, "/../app.js", PAGE));
    /* The path of a page in the UI; neither a file nor an API path. */
    assert_string_equal(web_files_find(w, "/containers/web", PAGE)->path, "/index.html");
    assert_null(web_files_find(w, "/containers/web", NULL));
    assert_null(web_files_find(w, "/containers/web", "application/json"));
    assert_null(web_files_find(w, "/missing.js", PAGE));
    assert_null(web_files_find(w, "/api/nothing", PAGE));
    assert_null(web_files_find(w, "/ws/nothing", PAGE));
}

static void test_base_path_is_written(void **state)
{
    static const struct {
        const char *base, *page;
    } cases[] = {
        {NULL,   "<head><base href=\"/\" /></head>"    },
        {"/x/y", "<head><base href=\"/x/y/\" /></head>"},
    };

    put(*state, "index.html", cases[0].page);
    put(*state, "index.html.gz", "packed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(web_files_freep) struct web_files *w = NULL;
        const struct web_file *f;

        assert_int_equal(web_files_load(&w, *state, NULL), 0);
        web_files_set_base(w, cases[i].base);
        f = web_files_find(w, "/", NULL);
        assert_int_equal(f->plain.size, strlen(cases[i].page));
        assert_memory_equal(f->plain.data, cases[i].page, f->plain.size);
        /* The precompressed page has another base. */
        assert_int_equal(f->gzip.data != NULL, !cases[i].base);
    }
}

static void test_links_are_not_followed(void **state)
{
    _cleanup_(web_files_freep) struct web_files *w = NULL;
    _cleanup_free_ char *link = xasprintf("%s/passwd", (const char *)*state);
    struct error err = ERROR_INIT;

    put(*state, "index.html", "start");
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(web_files_load(&w, *state, &err), 0);
    assert_null(web_files_find(w, "/passwd", NULL));
}

static void test_errors_name_their_cause(void **state)
{
    _cleanup_free_ char *missing = xasprintf("%s/missing", (const char *)*state);
    _cleanup_free_ char *large = xasprintf("%s/large.bin", (const char *)*state);
    struct web_files *w = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(web_files_load(&w, missing, &err), -ENOENT);
    assert_non_null(strstr(err.msg, missing));
    assert_int_equal(web_files_load(&w, *state, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "index.html"));
    put(*state, "index.html", "start");
    put(*state, "large.bin", "");
    assert_int_equal(truncate(large, (off_t)WEB_FILES_MAX_BYTES + 1), 0);
    assert_int_equal(web_files_load(&w, *state, &err), -EMSGSIZE);
    assert_non_null(strstr(err.msg, "64 MiB"));
    assert_null(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_have_types_and_cache_rules),
        TEST(test_paths_find_their_files),
        TEST(test_base_path_is_written),
        TEST(test_links_are_not_followed),
        TEST(test_errors_name_their_cause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
