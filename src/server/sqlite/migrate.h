#pragma once

/*
 * Migrations: the numbered files of migrations/, embedded, applied in order, each in a transaction of
 * its own. PRAGMA user_version is the number of the last one applied; forward only.
 */

#include "server/sqlite/db.h"

struct migration {
    const char *name;
    const char *sql;
};

extern const struct migration migrations[]; /* made at build time by migrations/embed.sh */
extern const unsigned n_migrations;

/* Brings the database to n_migrations. A newer one, or one that is not ours, is refused untouched. */
int migrate_run(struct db *s, struct error *err) _nodiscard_;
/* Whether the file is one of ours that migrate_run() would take; reads only. */
int migrate_check(struct db *s, struct error *err) _nodiscard_;
