#pragma once

/*
 * A store in a temporary data directory of its own, for unit tests.
 */

#include "server/store/store.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    struct db *store;
};

int fixture_setup(void **state); /* *state: a struct fixture with an open store */
int fixture_teardown(void **state);
int fixture_setup_empty(void **state);                         /* only the directory */
char *fixture_path(const struct fixture *f, const char *name); /* the caller frees it */

/* Insert a host, and an agent on it, with valid columns. */
void fixture_add_host(struct db *s, const char *id, const char *name);
void fixture_add_agent(struct db *s, const char *id, const char *host_id, const char *engine_id);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
