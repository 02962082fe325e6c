#include "docker/json_scan.h"
#include "docker/log_lines.h"
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static char *collect(const uint8_t *data, size_t size, bool is_raw, size_t step)
{
    struct log_lines *lines = log_lines_new(&(struct log_lines_options){5, 200});
    struct buf text = BUF_INIT(202);
    struct log_lines_result result;
    struct log_demux d;
    int r = 0;

    log_demux_init(&d, is_raw, log_lines_add, lines);
    for (size_t at = 0; r == 0 && at < size; at += step)
        r = log_demux_feed(&d, data + at, size - at < step ? size - at : step);
    r = log_lines_take(lines, &text, &result);
    assert(r == 0 && result.n_lines <= 5);
    assert(json_scan_check(buf_str(&text), text.size, NULL) == 0);
    log_lines_free(lines);
    return buf_take(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int is_raw = 0; is_raw < 2; is_raw++) {
        char *whole = collect(data, size, is_raw, size ? size : 1);
        char *bytes = collect(data, size, is_raw, 1);

        assert(strcmp(whole, bytes) == 0); /* wherever the input is cut */
        free(whole);
        free(bytes);
    }
    return 0;
}
