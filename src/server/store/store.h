#pragma once

/*
 * The store: one SQLite handle and its tables. Everything here is synchronous and is called inside jobs
 * of one queue only (or from the offline administration commands). One file per table; every file
 * exports verbs of the domain. Rows are plain structs with x_done(); times are UTC milliseconds.
 */

#include "base/error.h"

struct store;

/* Creates or migrates DIR/dockmon.db. Errors name the file and say what to do. */
int store_open(struct store **ret, const char *data_dir, struct error *err) _nodiscard_;
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close);

/* Runs fn inside one IMMEDIATE transaction: commit when it returns 0, else rollback and its code. */
typedef int (*store_tx_fn)(struct store *s, void *arg, struct error *err);
int store_tx(struct store *s, store_tx_fn fn, void *arg, struct error *err) _nodiscard_;
