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
/* For cmocka: *state is a struct store_fixture on the heap. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);
struct db *store_fixture_store(void **state);

char *store_fixture_token(struct db *s,
                          bool is_multi_use,
                          int64_t now_ms); /* the caller frees it */
/* Inserts a host; connection is "local", "remote" or "agent". The caller frees the returned id. */
char *store_fixture_host(struct db *s,
                         const char *connection,
                         const char *name,
                         const char *engine_id);
/*
 * Inserts an agent of a migrated database, which has no secret yet. The caller frees the returned
 * id.
 */
char *store_fixture_legacy_agent(struct db *s, const char *name, const char *engine_id);
void store_fixture_sql(struct db *s, const char *sql);
