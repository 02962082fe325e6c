#pragma once

/*
 * The query of a request's path. The first parameter is written by the caller ("/path?first=1");
 * these functions append the others as "&NAME=VALUE", percent-encoded.
 */

#include "base/buf.h"
#include "base/error.h"

int query_add(struct buf *query, const char *name, const char *value) _nodiscard_;

/*
 * For --since and --until: a time as text_parse_time() reads it. NULL adds nothing. -EINVAL names
 * the flag.
 */
int query_add_time(struct buf *query,
                   const char *name,
                   const char *flag,
                   const char *value,
                   struct error *err) _nodiscard_;
