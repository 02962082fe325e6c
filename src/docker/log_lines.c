#include "docker/log_lines.h"
#include "base/alloc.h"
#include "docker/json_scan.h"
#include "docker/log_assembler.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct line {
    int64_t time_ns;
    uint64_t seq; /* keeps lines with equal times in the order of arrival */
    char *text;
    size_t size;
    size_t encoded; /* bytes as JSON, including the newline */
    bool is_ended;  /* the line ended with a newline */
    bool is_stderr;
};

struct log_lines {
    struct log_lines_options options;
    struct line *items; /* [first, first + n) */
    size_t first, n, capacity;
    size_t bytes;
    uint64_t next_seq;
    struct log_lines_result result;
    struct log_assembler *assembler;
};

static void drop_oldest(struct log_lines *lines)
{
    struct line *line = &lines->items[lines->first];

    lines->bytes -= line->encoded;
    free(line->text);
    lines->first++;
    lines->n--;
}

static void make_room(struct log_lines *lines)
{
    if (lines->first + lines->n < lines->capacity)
        return;
    if (lines->first > lines->capacity / 2) {
        memmove(lines->items, lines->items + lines->first, lines->n * sizeof(*lines->items));
        lines->first = 0;
        return;
    }
    lines->capacity = lines->capacity ? lines->capacity * 2 : 64;
    lines->items = xrealloc(lines->items, lines->capacity, sizeof(*lines->items));
}

static void push_line(void *owner, const struct log_line *line)
{
    struct log_lines *lines = owner;
    size_t encoded, size, max = lines->options.max_bytes;

    size = json_string_fit(line->text, line->size, max > 2 ? max - 2 : 0, &encoded);
    if (size < line->size || line->is_cut)
        lines->result.bytes_dropped = true;
    make_room(lines);
    lines->items[lines->first + lines->n++] = (struct line){
        .time_ns = line->time_ns,
        .seq = lines->next_seq++,
        .text = xmemdup(line->text, size + 1),
        .size = size,
        .encoded = encoded + 2,
        .is_ended = line->is_ended,
        .is_stderr = line->stream == LOG_STDERR,
    };
    lines->bytes += encoded + 2;
    while (lines->n > lines->options.max_lines) {
        drop_oldest(lines);
        lines->result.lines_dropped = true;
    }
    while (lines->bytes > max && lines->n > 0) {
        drop_oldest(lines);
        lines->result.bytes_dropped = true;
    }
}

struct log_lines *log_lines_new(const struct log_lines_options *o)
{
    struct log_lines *lines = xcalloc(1, sizeof(*lines));

    lines->options = *o;
    lines->assembler = log_assembler_new(&(struct log_assembler_options){
        .max_line = o->max_bytes,
        .on_line = push_line,
        .owner = lines,
    });
    return lines;
}

void log_lines_free(struct log_lines *lines)
{
    if (!lines)
        return;
    for (size_t i = 0; i < lines->n; i++)
        free(lines->items[lines->first + i].text);
    free(lines->items);
    log_assembler_free(lines->assembler);
    free(lines);
}

void log_lines_add(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start)
{
    struct log_lines *lines = owner;

    log_assembler_add(lines->assembler, stream, data, size, is_start);
}

static int compare_lines(const void *left, const void *right)
{
    const struct line *a = left, *b = right;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* Ends the last lines, and sorts all. */
static void order_lines(struct log_lines *lines)
{
    log_assembler_end(lines->assembler);
    if (lines->n > 1)
        qsort(lines->items + lines->first, lines->n, sizeof(*lines->items), compare_lines);
}

int log_lines_streams(struct log_lines *lines, struct buf *b)
{
    int r = 0;

    order_lines(lines);
    for (size_t i = 0; r == 0 && i < lines->n; i++)
        r = buf_append_char(b, lines->items[lines->first + i].is_stderr ? 'e' : 'o');
    return r;
}

int log_lines_take(struct log_lines *lines, struct buf *b, struct log_lines_result *ret)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    int r = 0;

    order_lines(lines);
    for (size_t i = 0; r == 0 && i < lines->n; i++) {
        const struct line *line = &lines->items[lines->first + i];

        r = buf_append(&text, line->text, line->size);
        if (r == 0 && (line->is_ended || i + 1 < lines->n))
            r = buf_append_char(&text, '\n');
    }
    if (r == 0)
        r = json_append_string(b, buf_str(&text), text.size);
    buf_done(&text);
    lines->result.n_lines = lines->n;
    lines->result.n_entries = log_assembler_entries(lines->assembler);
    *ret = lines->result;
    while (lines->n > 0)
        drop_oldest(lines);
    return r;
}
