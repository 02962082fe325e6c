#include "docker/log_lines.h"
#include "base/alloc.h"
#include "base/time.h"
#include "docker/json_scan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PIECE_SIZE ((size_t)16384) /* longest piece of a line that the engine stores as one entry */
#define MAX_STAMP  36              /* longest "2026-11-23T01:53:00.123456789+01:00 " */

struct line {
    int64_t time_ns;
    uint64_t seq; /* keeps lines of one time in the order they came */
    char *text;
    size_t size;
    size_t encoded; /* bytes as JSON, newline included */
    bool is_ended;  /* a newline came */
};

enum part {
    PART_STAMP,  /* at the start of a line: a timestamp may come */
    PART_REPEAT, /* at the start of a further piece: the same timestamp may come again */
    PART_TEXT,
};

/* One output stream: the line that is coming in. */
struct assembler {
    enum part part;
    char stamp[MAX_STAMP + 1];
    size_t stamp_size;
    struct buf text;
    size_t n_bytes; /* of the line's own text so far */
    int64_t time_ns;
    bool is_cut;
};

struct log_lines {
    struct log_lines_options options;
    struct line *items; /* [first, first + n) */
    size_t first, n, capacity;
    size_t bytes;
    uint64_t next_seq;
    int64_t last_time_ns;
    struct log_lines_result result;
    struct assembler streams[LOG_N_STREAMS];
};

struct log_lines *log_lines_new(const struct log_lines_options *o)
{
    struct log_lines *lines = xcalloc(1, sizeof(*lines));

    lines->options = *o;
    for (size_t i = 0; i < LOG_N_STREAMS; i++)
        buf_init(&lines->streams[i].text, o->max_bytes + MAX_STAMP);
    return lines;
}

void log_lines_free(struct log_lines *lines)
{
    if (!lines)
        return;
    for (size_t i = 0; i < lines->n; i++)
        free(lines->items[lines->first + i].text);
    free(lines->items);
    for (size_t i = 0; i < LOG_N_STREAMS; i++)
        buf_done(&lines->streams[i].text);
    free(lines);
}

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

static void push_line(struct log_lines *lines, struct assembler *a, bool is_ended)
{
    size_t encoded, size, max = lines->options.max_bytes;

    size = json_string_fit(buf_str(&a->text), a->text.size, max > 2 ? max - 2 : 0, &encoded);
    if (size < a->text.size || a->is_cut)
        lines->result.bytes_dropped = true;
    make_room(lines);
    lines->items[lines->first + lines->n++] = (struct line){
        .time_ns = a->time_ns,
        .seq = lines->next_seq++,
        .text = xmemdup(buf_str(&a->text), size + 1),
        .size = size,
        .encoded = encoded + 2,
        .is_ended = is_ended,
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

static void end_line(struct log_lines *lines, struct assembler *a, bool is_ended)
{
    push_line(lines, a, is_ended);
    if (a->text.capacity > 2 * PIECE_SIZE) {
        buf_done(&a->text);
    } else {
        buf_clear(&a->text);
    }
    a->part = PART_STAMP;
    a->stamp_size = 0;
    a->n_bytes = 0;
    a->is_cut = false;
}

static void add_text(struct assembler *a, const char *data, size_t size)
{
    size_t room = a->text.max - a->text.size;
    size_t n = size < room ? size : room;
    int r = buf_append(&a->text, data, n);

    assert(r == 0);
    if (n < size)
        a->is_cut = true;
}

/* The collected start of a line or piece is complete: a timestamp with its space, or just text. */
static void end_stamp(struct log_lines *lines, struct assembler *a)
{
    bool is_stamp = a->stamp_size > 0 && a->stamp[a->stamp_size - 1] == ' ';
    int64_t time_ns = 0;

    if (is_stamp) {
        a->stamp[a->stamp_size - 1] = '\0';
        is_stamp = time_parse_ns(a->stamp, &time_ns) == 0;
        a->stamp[a->stamp_size - 1] = ' ';
    }
    lines->result.n_entries += is_stamp ? 1 : 0;
    if (a->part == PART_STAMP) {
        a->time_ns = is_stamp ? time_ns : lines->last_time_ns;
        lines->last_time_ns = a->time_ns;
    }
    if (a->part == PART_STAMP || !is_stamp)
        add_text(a, a->stamp, a->stamp_size);
    if (!is_stamp)
        a->n_bytes += a->stamp_size;
    a->stamp_size = 0;
    a->part = PART_TEXT;
}

/* Takes bytes that may be a timestamp; returns how many. */
static size_t feed_stamp(struct log_lines *lines,
                         struct assembler *a,
                         const char *data,
                         size_t size)
{
    bool is_complete = false;
    size_t n = 0;

    while (!is_complete && n < size) {
        char c = data[n];

        if (c == '\n') {
            is_complete = true;
            continue;
        }
        n++;
        a->stamp[a->stamp_size++] = c;
        is_complete = c == ' ' || a->stamp_size == MAX_STAMP ||
                      (a->stamp_size == 1 && (c < '0' || c > '9'));
    }
    if (is_complete)
        end_stamp(lines, a);
    return n;
}

/* Takes text up to the end of the line or of the piece; returns how many bytes. */
static size_t feed_text(struct log_lines *lines, struct assembler *a, const char *data, size_t size)
{
    size_t in_piece = PIECE_SIZE - a->n_bytes % PIECE_SIZE;
    size_t n = size < in_piece ? size : in_piece;
    const char *newline = memchr(data, '\n', n);

    if (newline)
        n = (size_t)(newline - data);
    add_text(a, data, n);
    a->n_bytes += n;
    if (newline) {
        end_line(lines, a, true);
        return n + 1;
    }
    if (n > 0 && a->n_bytes % PIECE_SIZE == 0)
        a->part = PART_REPEAT;
    return n;
}

void log_lines_add(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start)
{
    struct log_lines *lines = owner;
    struct assembler *a = &lines->streams[stream];

    if (is_start && a->part == PART_TEXT)
        a->part = PART_REPEAT;
    while (size > 0) {
        size_t n = a->part == PART_TEXT ? feed_text(lines, a, data, size)
                                        : feed_stamp(lines, a, data, size);

        data += n;
        size -= n;
    }
}

static int compare_lines(const void *left, const void *right)
{
    const struct line *a = left, *b = right;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

int log_lines_take(struct log_lines *lines, struct buf *b, struct log_lines_result *ret)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    int r = 0;

    for (size_t i = 0; i < LOG_N_STREAMS; i++) {
        struct assembler *a = &lines->streams[i];

        if (a->part != PART_TEXT && a->stamp_size > 0)
            end_stamp(lines, a);
        if (a->text.size > 0)
            end_line(lines, a, false);
    }
    if (lines->n > 1)
        qsort(lines->items + lines->first, lines->n, sizeof(*lines->items), compare_lines);
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
    *ret = lines->result;
    while (lines->n > 0)
        drop_oldest(lines);
    return r;
}
