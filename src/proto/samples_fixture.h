#pragma once

/*
 * For tests: MessagePack that is not made by samples_encode(), and decoded samples as JSON.
 */

#include "proto/samples.h"

/* Any JSON value as MessagePack; a string that begins with "hex:" becomes bytes. Aborts when `out` is too small. */
void samples_fixture_pack(const json_t *v, struct buf *out);

/* Everything but what is METRIC_NONE, with the names of proto/metric.h. */
json_t *samples_fixture_describe(const struct samples *s) _nodiscard_;
