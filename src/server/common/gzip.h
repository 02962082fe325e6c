#pragma once

/*
 * Compresses a stream of text for a client that accepts gzip. Each piece can be read by the client
 * as soon as it has arrived. A stream holds about 256 KiB.
 */

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

struct gzip;

struct gzip *gzip_new(void);
void gzip_free(struct gzip *z);
/* Appends the compressed piece to `out`, and the end of the stream after the last one. */
void gzip_write(struct gzip *z, const void *data, size_t size, bool is_last, struct buf *out);
