#pragma once

/*
 * The store: one SQLite handle and its tables. Everything here is synchronous and is called inside jobs
 * of one queue only (or from the offline administration commands). One file per table; every file
 * exports verbs of the domain. Rows are plain structs with x_done(); times are UTC milliseconds.
 *
 * Other processes may have the file open at the same time: a write waits up to 5 s for theirs, then
 * fails with -ENOBUFS. Codes of all table functions beside those they name: -EEXIST unique constraint,
 * -EINVAL another constraint, -ENOBUFS locked, -EROFS not writable, -ENOSPC, -EUCLEAN damaged, -EIO.
 */

#include "base/error.h"
#include <stdint.h>

struct store;

/* Creates or migrates DIR/dockmon.db. Errors name the file and say what to do. */
int store_open(struct store **ret, const char *data_dir, struct error *err) _nodiscard_;
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close);

/* How many agents may join; at first STORE_MAX_AGENTS. */
#define STORE_MAX_AGENTS 20000
void store_set_max_agents(struct store *s, uint64_t max);
uint64_t store_max_agents(const struct store *s);

/* The daemon's claim on the data directory until store_close(): a second daemon gets -EBUSY. */
int store_claim(struct store *s, struct error *err) _nodiscard_;
/* Reads the whole file and verifies its structure: for --check. -EUCLEAN when damaged. */
int store_check(struct store *s, struct error *err) _nodiscard_;

/*
 * What the last writes came to, from any thread: 0 while they work, else -ENOSPC, -EROFS, -ENOBUFS
 * (locked by others) or -EIO until one succeeds again, or -EUCLEAN (damaged) for good.
 */
int store_state(const struct store *s);
/* A write that changes nothing, for store_state() to be about now. */
int store_probe(struct store *s, struct error *err) _nodiscard_;

/* Runs fn inside one IMMEDIATE transaction: commit when it returns 0, else rollback and its code. */
typedef int (*store_tx_fn)(struct store *s, void *arg, struct error *err);
int store_tx(struct store *s, store_tx_fn fn, void *arg, struct error *err) _nodiscard_;
