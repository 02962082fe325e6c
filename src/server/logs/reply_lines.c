#include "server/logs/reply_lines.h"

#include "base/alloc.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>

#define REPLACED "\xef\xbf\xbd" /* U+FFFD, instead of a byte that is not UTF-8 */

static struct reply_line *add_line(struct reply_lines *lines, size_t *capacity)
{
    struct reply_line *line;

    if (lines->n == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 64;
        lines->items = xrealloc(lines->items, *capacity, sizeof(*lines->items));
    }
    line = &lines->items[lines->n];
    *line = (struct reply_line){.kind = LOG_KIND_UNKNOWN, .place = lines->n};
    lines->n++;
    return line;
}

/* --- frames of the engine --- */

struct frame {
    enum log_kind kind;
    size_t header;  /* bytes of the header in the reply */
    size_t payload; /* bytes of its text; valid if `is_exact` */
    bool is_exact;  /* no byte of the size was replaced */
};

/* Reads the header of a frame; false: there is none. */
static bool read_header(const char *p, const char *end, struct frame *ret)
{
    struct frame f = {.header = 4, .is_exact = true};

    if (end - p < 8 || (p[0] != 1 && p[0] != 2) || p[1] || p[2] || p[3])
        return false;
    f.kind = p[0] == 2 ? LOG_KIND_STDERR : LOG_KIND_STDOUT;
    for (size_t i = 0; i < 4; i++) {
        const char *at = p + f.header;

        if (at >= end)
            return false;
        if (end - at >= 3 && memcmp(at, REPLACED, 3) == 0) {
            f.is_exact = false;
            f.header += 3;
        } else {
            f.payload = f.payload << 8 | (unsigned char)*at;
            f.header++;
        }
    }
    *ret = f;
    return true;
}

/* Returns the end of the text of a frame that begins at `p`: the next header, or the end. */
static const char *find_frame_end(const struct frame *f, const char *p, const char *end)
{
    struct frame next;

    if (f->is_exact && f->payload <= (size_t)(end - p) &&
        (p + f->payload == end || read_header(p + f->payload, end, &next)))
        return p + f->payload;
    /* Replaced bytes have changed the length. */
    for (; p < end; p++) {
        if ((*p == 1 || *p == 2) && read_header(p, end, &next))
            return p;
    }
    return end;
}

static void add_text(struct reply_lines *lines,
                     size_t *capacity,
                     enum log_kind kind,
                     const char *text,
                     const char *end)
{
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct reply_line *line = add_line(lines, capacity);

        line->kind = kind;
        line->text = text;
        line->size = (size_t)((newline ? newline : end) - text);
        line->is_partial = !newline && kind != LOG_KIND_UNKNOWN;
        text = newline ? newline + 1 : end;
    }
}

static void read_frames(struct reply_lines *lines, size_t *capacity, const char *p, const char *end)
{
    struct frame f;

    while (p < end && read_header(p, end, &f)) {
        const char *text = p + f.header;

        p = find_frame_end(&f, text, end);
        add_text(lines, capacity, f.kind, text, p);
    }
    if (lines->n > 0)
        lines->items[lines->n - 1].is_partial = false; /* the reply ends, and so does the line */
}

/* --- lines with times --- */

/* A line without a time belongs to the one before it. */
static void read_times(struct reply_lines *lines)
{
    int64_t newest = 0;

    for (size_t i = 0; i < lines->n; i++) {
        struct reply_line *line = &lines->items[i];
        size_t stamp = time_parse_stamp(line->text, line->size, &newest);

        line->text += stamp;
        line->size -= stamp;
        line->time_ns = newest;
        lines->has_times = lines->has_times || stamp > 0;
    }
}

/* Where the times go back once, stdout ends and stderr begins. */
static void find_streams(struct reply_lines *lines)
{
    size_t n_steps = 0, begin = 0;

    for (size_t i = 1; i < lines->n; i++) {
        if (lines->items[i].time_ns < lines->items[i - 1].time_ns) {
            n_steps++;
            begin = i;
        }
    }
    for (size_t i = 0; n_steps == 1 && i < lines->n; i++)
        lines->items[i].kind = i < begin ? LOG_KIND_STDOUT : LOG_KIND_STDERR;
}

static int compare_times(const void *a, const void *b)
{
    const struct reply_line *x = a, *y = b;

    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void take_streams(struct reply_lines *lines, const char *streams)
{
    for (size_t i = 0; i < lines->n && streams[i]; i++)
        lines->items[i].kind = streams[i] == 'e' ? LOG_KIND_STDERR : LOG_KIND_STDOUT;
}

static void drop_carriage_returns(struct reply_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        struct reply_line *line = &lines->items[i];

        if (!line->is_partial && line->size > 0 && line->text[line->size - 1] == '\r')
            line->size--; /* of a terminal */
    }
}

void reply_lines_read(const char *text, size_t size, const char *streams, struct reply_lines *ret)
{
    const char *end = text + size;
    size_t capacity = 0;
    struct frame first;

    *ret = (struct reply_lines){0};
    if (!streams && read_header(text, end, &first)) {
        read_frames(ret, &capacity, text, end);
        drop_carriage_returns(ret);
        return;
    }
    add_text(ret, &capacity, LOG_KIND_UNKNOWN, text, end);
    read_times(ret);
    drop_carriage_returns(ret);
    if (streams) {
        take_streams(ret, streams); /* its lines are in order */
    } else if (ret->has_times) {
        find_streams(ret);
        qsort(ret->items, ret->n, sizeof(*ret->items), compare_times);
    }
}

void reply_lines_done(struct reply_lines *lines)
{
    free(lines->items);
    *lines = (struct reply_lines){0};
}
