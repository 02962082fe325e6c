#include "server/store/fixture.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fixture_setup_empty(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    str_copy(f->dir, sizeof(f->dir), "/tmp/dockmon-test-XXXXXX");
    if (!mkdtemp(f->dir)) {
        free(f);
        return -1;
    }
    *state = f;
    return 0;
}

char *fixture_path(const struct fixture *f, const char *name)
{
    return xasprintf("%s/%s", f->dir, name);
}

static void remove_files(const struct fixture *f)
{
    DIR *d = opendir(f->dir);
    const struct dirent *e;

    while (d && (e = readdir(d))) { // NOLINT(concurrency-mt-unsafe): a directory stream of our own
        _cleanup_free_ char *path = fixture_path(f, e->d_name);

        if (e->d_name[0] != '.')
            (void)unlink(path); /* a file that remains keeps the directory */
    }
    if (d)
        (void)closedir(d);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    db_close(f->store);
    remove_files(f);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

int fixture_setup(void **state)
{
    struct error err = ERROR_INIT;
    struct fixture *f;

    if (fixture_setup_empty(state) < 0)
        return -1;
    f = *state;
    if (store_open(&f->store, f->dir, &err) < 0) {
        (void)fprintf(stderr, "store_open: %s\n", err.msg);
        (void)fixture_teardown(state); /* cmocka does not call it after a failed setup */
        return -1;
    }
    return 0;
}

/* Casts a literal for a member of a row, which table modules take as const and never change. */
static char *cast_literal(const char *s)
{
    return (char *)(uintptr_t)s;
}

void fixture_add_host(struct db *s, const char *id, const char *name)
{
    struct error err = ERROR_INIT;
    struct host h = {
        .id = cast_literal(id),
        .name = cast_literal(name),
        .url = cast_literal("agent://"),
        .connection = HOST_AGENT,
        .is_active = true,
    };

    if (hosts_insert(s, &h, &err) < 0)
        fail_msg("hosts_insert: %s", err.msg);
}

void fixture_add_agent(struct db *s, const char *id, const char *host_id, const char *engine_id)
{
    struct error err = ERROR_INIT;
    struct agent a = {
        .id = cast_literal(id),
        .host_id = cast_literal(host_id),
        .engine_id = cast_literal(engine_id),
        .version = cast_literal("1.0"),
        .proto_version = cast_literal("1.0"),
        .capabilities = cast_literal("{}"),
    };

    if (agents_insert(s, &a, AGENTS_DEFAULT_MAX, &err) < 0)
        fail_msg("agents_insert: %s", err.msg);
}
