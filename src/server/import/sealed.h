#pragma once

/*
 * Values that DockMon seals with its encryption key. They are counted for the report, and a key that
 * is given must open them. Only those of registries have a place in our database (registries.c).
 */

#include "server/import/fernet.h"
#include "server/store/foreign_file.h"

struct import_sealed {
    unsigned n_sealed, n_opened;
};

/* Counts the sealed values of a table; `key` may be NULL. Values in JSON count, too. */
int import_sealed_count(struct db *from,
                        const char *table,
                        const struct fernet_key *key,
                        struct import_sealed *ret,
                        struct error *err) _nodiscard_;
/* Returns -EKEYREJECTED if the file has sealed values, and the key opens none of them. */
int import_sealed_check(struct db *from, const struct fernet_key *key, struct error *err)
    _nodiscard_;
