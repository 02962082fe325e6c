#include "cli/stats/spark.h"

#include "base/macros.h"

#include <math.h>

#define LEVELS 8

struct spark_summary spark_summarise(const double *values, size_t n)
{
    struct spark_summary s = {(double)NAN, (double)NAN, (double)NAN, (double)NAN, 0};
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (isnan(values[i]))
            continue;
        s.min = s.n == 0 || values[i] < s.min ? values[i] : s.min;
        s.max = s.n == 0 || values[i] > s.max ? values[i] : s.max;
        s.last = values[i];
        sum += values[i];
        s.n++;
    }
    if (s.n > 0)
        s.mean = sum / (double)s.n;
    return s;
}

static size_t find_level(double v, double low, double high)
{
    double share = high > low ? (v - low) / (high - low) : 0;

    if (share >= 1)
        return LEVELS - 1;
    return share > 0 ? (size_t)(share * LEVELS) : 0; /* NAN: the range overflows */
}

/* The mean of the values behind cell `i` of `n_cells`. */
static double average_cell(const double *values, size_t n, size_t i, size_t n_cells)
{
    size_t begin = i * n / n_cells, end = (i + 1) * n / n_cells;

    return spark_summarise(values + begin, end - begin).mean;
}

void spark_append(struct buf *out, const double *values, size_t n, size_t width, bool is_ascii)
{
    static const char *const blocks[LEVELS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[LEVELS] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    size_t n_cells = n < width ? n : width;
    double low = 0, high = 0;

    for (size_t i = 0; i < n_cells; i++) {
        double v = average_cell(values, n, i, n_cells);

        low = v < low ? v : low; /* comparing with NAN is false */
        high = v > high ? v : high;
    }
    for (size_t i = 0; i < n_cells; i++) {
        double v = average_cell(values, n, i, n_cells);
        const char *cell = " ";

        if (!isnan(v))
            cell = (is_ascii ? ascii : blocks)[find_level(v, low, high)];
        (void)buf_append_str(out, cell); /* the caller's buffer is large enough */
    }
}
