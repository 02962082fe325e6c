#pragma once

/*
 * Curves in a line of text. Pure.
 */

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

/* Of one curve; NAN means not known and counts for nothing. */
struct spark_summary {
    double min, mean, max, last; /* NAN: nothing is known. last: the newest that is known */
    size_t n;                    /* values that are known */
};

struct spark_summary spark_summarise(const double *values, size_t n);

/*
 * `width` characters at most, each the mean of as many values; a blank where nothing is known. Heights go from 0, or
 * the lowest value when that is negative, to the highest. ASCII: "_.-=*#" and the like instead of Unicode's blocks.
 */
void spark_append(struct buf *out, const double *values, size_t n, size_t width, bool is_ascii);
