#include "server/session/store_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/str.h"
#include "server/sqlite/query.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"
#include "server/store/tokens.h"

void store_fixture_init(struct store_fixture *f)
{
    struct error err = ERROR_INIT;

    str_copy(f->dir, sizeof(f->dir), "/tmp/dockmon-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    if (store_open(&f->store, f->dir, &err) < 0)
        fail_msg("%s", err.msg);
}

void store_fixture_done(struct store_fixture *f)
{
    const struct dirent *e;
    DIR *d;

    db_close(f->store);
    d = opendir(f->dir);
    assert_non_null(d);
    while ((e = readdir(d))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (e->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(d), e->d_name, 0), 0);
    }
    closedir(d);
    assert_int_equal(rmdir(f->dir), 0);
}

int store_fixture_setup(void **state)
{
    struct store_fixture *f = xcalloc(1, sizeof(*f));

    store_fixture_init(f);
    *state = f;
    return 0;
}

int store_fixture_teardown(void **state)
{
    store_fixture_done(*state);
    free(*state);
    return 0;
}

struct db *store_fixture_store(void **state)
{
    return ((struct store_fixture *)*state)->store;
}

char *store_fixture_token(struct db *s, bool is_multi_use, int64_t now_ms)
{
    char *token = NULL;

    assert_int_equal(tokens_create(s, NULL, is_multi_use, now_ms, &token, NULL), 0);
    return token;
}

char *store_fixture_host(struct db *s,
                         const char *connection,
                         const char *name,
                         const char *engine_id)
{
    char id[UUID_TEXT_SIZE];
    struct host h = {.id = id, .is_active = true, .created_at_ms = 1, .updated_at_ms = 1};

    random_uuid(id);
    h.name = xstrdup(name);
    h.url = xstrdup("tcp://10.0.0.9:2376");
    h.engine_id = xstrdup(engine_id);
    h.tags = xstrdup("[\"prod\"]");
    h.connection = str_eq(connection, "local")   ? HOST_LOCAL
                   : str_eq(connection, "agent") ? HOST_AGENT
                                                 : HOST_REMOTE;
    assert_int_equal(hosts_insert(s, &h, NULL), 0);
    h.id = xstrdup(id);
    host_done(&h);
    return xstrdup(id);
}

char *store_fixture_legacy_agent(struct db *s, const char *name, const char *engine_id)
{
    char id[UUID_TEXT_SIZE];
    struct agent a = {.registered_at_ms = 1, .last_seen_at_ms = 1};

    random_uuid(id);
    a.id = xstrdup(id);
    a.host_id = store_fixture_host(s, "agent", name, engine_id);
    a.engine_id = xstrdup(engine_id);
    a.version = xstrdup("2.2.0");
    a.proto_version = xstrdup("1.0");
    a.capabilities = xstrdup("{}");
    assert_int_equal(agents_insert(s, &a, AGENTS_DEFAULT_MAX, NULL), 0);
    agent_done(&a);
    return xstrdup(id);
}

void store_fixture_sql(struct db *s, const char *sql)
{
    struct query q = {0};
    struct error err = ERROR_INIT;

    if (query_init(&q, s, sql, &err) < 0 || query_run(&q, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    query_done(&q);
}
