#pragma once

/*
 * Migrations are the numbered files of store/migrations/, embedded into the program. They are
 * applied in order, each in a transaction of its own, and never reverted. PRAGMA user_version is
 * the number of the last one applied.
 */

#include "server/sqlite/db.h"

struct migration {
    const char *name;
    const char *sql;
};

extern const struct migration migrations[]; /* generated at build time by migrations/embed.sh */
extern const unsigned n_migrations;

/*
 * Applies all missing migrations. -EDOM: the database is newer, or of another program; it is
 * unchanged.
 */
int migrate_run(struct db *s, struct error *err) _nodiscard_;
/* Checks without writing that migrate_run() would accept the file. -EDOM: not, or it is empty. */
int migrate_check(struct db *s, struct error *err) _nodiscard_;
/*
 * Compares the schema with the one that the migrations make, up to the version of the file, for a
 * file that may not come from this program: a trigger or a view of others would act with its
 * rights. -EUCLEAN names the first difference.
 */
int migrate_check_schema(struct db *s, struct error *err) _nodiscard_;
