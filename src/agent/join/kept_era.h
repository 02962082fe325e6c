#pragma once

/*
 * That the server refuses the members of `register` that are newer than the seed era, in the file
 * `server_era` of the data directory, so that it need not refuse them at each connection. The file
 * counts only beside a permanent token, and for a day: the server may have been upgraded since.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

#define KEPT_ERA_MS ((int64_t)24 * 3600 * 1000)

struct kept_era {
    const char *path;      /* borrowed; NULL: not stored */
    int64_t refused_at_ms; /* UTC; 0: the server has refused nothing */
    bool is_stored;        /* the file has that time */
};

/* Reads the file. A missing or invalid one is the same as none. */
void kept_era_load(struct kept_era *k, const char *path);

bool kept_era_is_seed(const struct kept_era *k); /* refused within KEPT_ERA_MS */
void kept_era_refuse(struct kept_era *k);        /* the server refuses newer members */
void kept_era_accept(struct kept_era *k);        /* it has accepted all members */
/* Writes or removes the file unless it is as it should be. */
int kept_era_save(struct kept_era *k, struct error *err) _nodiscard_;
