#include "docker/log_assembler.h"
#include "base/alloc.h"
#include "base/time.h"

#include <assert.h>
#include <string.h>

#define PIECE_SIZE ((size_t)16384) /* longest piece of a line that the engine stores as one entry */
#define MAX_STAMP  36              /* longest "2026-11-23T01:53:00.123456789+01:00 " */

enum part {
    PART_STAMP,  /* at the start of a line: a timestamp may follow */
    PART_REPEAT, /* at the start of a further entry: the same timestamp may follow */
    PART_TEXT,
};

/* The incomplete line of an output stream. */
struct incoming {
    enum part part;
    char stamp[MAX_STAMP + 1];
    size_t stamp_size;
    struct buf text;
    size_t text_stamp_size; /* bytes of the timestamp in `text` */
    size_t n_bytes;         /* bytes of text so far, without timestamp */
    int64_t time_ns;
    bool is_cut;
};

struct log_assembler {
    struct log_assembler_options o;
    int64_t last_time_ns;
    size_t n_entries;
    struct incoming streams[LOG_N_STREAMS];
};

struct log_assembler *log_assembler_new(const struct log_assembler_options *o)
{
    struct log_assembler *la = xcalloc(1, sizeof(*la));

    la->o = *o;
    for (size_t i = 0; i < LOG_N_STREAMS; i++)
        buf_init(&la->streams[i].text, o->max_line + MAX_STAMP);
    return la;
}

void log_assembler_free(struct log_assembler *la)
{
    if (!la)
        return;
    for (size_t i = 0; i < LOG_N_STREAMS; i++)
        buf_done(&la->streams[i].text);
    free(la);
}

static void clear_text(struct incoming *in)
{
    if (in->text.capacity > 2 * PIECE_SIZE) {
        buf_done(&in->text);
    } else {
        buf_clear(&in->text);
    }
    in->text_stamp_size = 0;
    in->is_cut = false;
}

static void give_line(struct log_assembler *la, struct incoming *in, bool is_ended, bool is_partial)
{
    la->o.on_line(la->o.owner, &(struct log_line){
                                   .stream = (enum log_stream)(in - la->streams),
                                   .time_ns = in->time_ns,
                                   .text = buf_str(&in->text),
                                   .size = in->text.size,
                                   .stamp_size = in->text_stamp_size,
                                   .is_ended = is_ended,
                                   .is_cut = in->is_cut,
                                   .is_partial = is_partial,
                               });
    clear_text(in);
}

static void start_line(struct incoming *in)
{
    clear_text(in);
    in->part = PART_STAMP;
    in->stamp_size = 0;
    in->n_bytes = 0;
}

static void end_line(struct log_assembler *la, struct incoming *in, bool is_ended)
{
    give_line(la, in, is_ended, false);
    start_line(in);
}

static void add_text(struct log_assembler *la, struct incoming *in, const char *data, size_t size)
{
    while (size > 0) {
        size_t room = la->o.max_line + in->text_stamp_size - in->text.size;
        size_t n = size < room ? size : room;
        int r = buf_append(&in->text, data, n);

        assert(r == 0);
        data += n;
        size -= n;
        if (size > 0 && !la->o.splits) {
            in->is_cut = true;
            return;
        }
        if (size > 0)
            give_line(la, in, false, true);
    }
}

static void add_stamp(struct log_assembler *la, struct incoming *in, int64_t time_ns)
{
    int r = buf_append(&in->text, in->stamp, in->stamp_size);

    assert(r == 0);
    in->text_stamp_size = in->stamp_size;
    in->time_ns = time_ns;
    la->last_time_ns = time_ns;
}

/* The collected start of a line or piece is complete: a timestamp with its space, or just text. */
static void end_stamp(struct log_assembler *la, struct incoming *in)
{
    bool is_stamp = in->stamp_size > 0 && in->stamp[in->stamp_size - 1] == ' ';
    size_t size = in->stamp_size;
    int64_t time_ns = 0;

    if (is_stamp) {
        in->stamp[size - 1] = '\0';
        is_stamp = time_parse_ns(in->stamp, &time_ns) == 0;
        in->stamp[size - 1] = ' ';
    }
    la->n_entries += is_stamp ? 1 : 0;
    if (in->part == PART_REPEAT && is_stamp && la->o.splits && time_ns != in->time_ns) {
        end_line(la, in, false);
        in->stamp_size = size;
    }
    if (in->part == PART_STAMP && is_stamp) {
        add_stamp(la, in, time_ns);
    } else if (in->part == PART_STAMP) {
        in->time_ns = la->last_time_ns;
    }
    in->part = PART_TEXT;
    in->stamp_size = 0;
    if (!is_stamp) {
        in->n_bytes += size;
        add_text(la, in, in->stamp, size);
    }
}

/* Takes bytes that may be a timestamp; returns how many. */
static size_t feed_stamp(struct log_assembler *la,
                         struct incoming *in,
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
        in->stamp[in->stamp_size++] = c;
        is_complete = c == ' ' || in->stamp_size == MAX_STAMP ||
                      (in->stamp_size == 1 && (c < '0' || c > '9'));
    }
    if (is_complete)
        end_stamp(la, in);
    return n;
}

/* Takes text up to the end of the line or of the piece; returns how many bytes. */
static size_t feed_text(struct log_assembler *la,
                        struct incoming *in,
                        const char *data,
                        size_t size)
{
    size_t in_piece = PIECE_SIZE - in->n_bytes % PIECE_SIZE;
    size_t n = size < in_piece ? size : in_piece;
    const char *newline = memchr(data, '\n', n);

    if (newline)
        n = (size_t)(newline - data);
    add_text(la, in, data, n);
    in->n_bytes += n;
    if (newline) {
        end_line(la, in, true);
        return n + 1;
    }
    if (n > 0 && in->n_bytes % PIECE_SIZE == 0)
        in->part = PART_REPEAT;
    return n;
}

void log_assembler_add(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start)
{
    struct log_assembler *la = owner;
    struct incoming *in = &la->streams[stream];

    if (is_start && in->part == PART_TEXT)
        in->part = PART_REPEAT;
    while (size > 0) {
        size_t n = in->part == PART_TEXT ? feed_text(la, in, data, size)
                                         : feed_stamp(la, in, data, size);

        data += n;
        size -= n;
    }
}

static void end_stream(struct log_assembler *la, struct incoming *in)
{
    if (in->part != PART_TEXT && in->stamp_size > 0)
        end_stamp(la, in);
    if (in->text.size > 0)
        end_line(la, in, false);
}

void log_assembler_end(struct log_assembler *la)
{
    for (size_t i = 0; i < LOG_N_STREAMS; i++) {
        end_stream(la, &la->streams[i]);
        start_line(&la->streams[i]);
    }
}

void log_assembler_drop(struct log_assembler *la)
{
    for (size_t i = 0; i < LOG_N_STREAMS; i++)
        start_line(&la->streams[i]);
}

size_t log_assembler_entries(const struct log_assembler *la)
{
    return la->n_entries;
}
