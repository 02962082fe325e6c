#pragma once

/*
 * A real store in a directory of its own, for the unit tests of this folder.
 */

#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

struct store_fixture {
    char dir[64];
    struct db *store;
};

void store_fixture_init(struct store_fixture *f);
void store_fixture_done(struct store_fixture *f);
/* For cmocka: *state is one of its own. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);
struct db *store_fixture_store(void **state);

char *store_fixture_token(struct db *s, bool is_multi_use, int64_t now_ms); /* to be freed */
/* A host that DockMon reached without an agent; connection is "local" or "remote". Returns its id, to be freed. */
char *store_fixture_host(struct db *s,
                         const char *connection,
                         const char *name,
                         const char *engine_id);
/* An agent of a migrated database: no secret of its own yet. Returns its id, to be freed. */
char *store_fixture_legacy_agent(struct db *s, const char *name, const char *engine_id);
void store_fixture_sql(struct db *s, const char *sql);
