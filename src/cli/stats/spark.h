#pragma once

/*
 * Sparklines: a series of values as a graph in one line of text. No input or output.
 */

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

/* NAN in a series means unknown; such values are ignored. */
struct spark_summary {
    double min, mean, max, last; /* of the known values; NAN if there are none */
    size_t n;                    /* known values */
};

struct spark_summary spark_summarise(const double *values, size_t n);

/*
 * Appends at most `width` characters, each for the mean of an equal share of the values, and a
 * blank if all of these are unknown. The scale goes from 0, or from the lowest mean if that is
 * negative, to the highest. `is_ascii`: characters such as "_.-=*#" instead of Unicode's blocks.
 */
void spark_append(struct buf *out, const double *values, size_t n, size_t width, bool is_ascii);
