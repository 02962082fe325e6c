#pragma once

/*
 * For tests: MessagePack that samples_encode() would not write, and decoded samples as JSON.
 */

#include "proto/samples.h"

/*
 * Packs any JSON value; a string that begins with "hex:" becomes bytes. Aborts if `out` is too
 * small.
 */
void samples_fixture_pack(const json_t *v, struct buf *out);

/* All members except METRIC_NONE, with the names of proto/metric.h. */
json_t *samples_fixture_describe(const struct samples *s) _nodiscard_;
