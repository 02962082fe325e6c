#include "agent/logs/reader.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/model/container.h"

#include <stdio.h>
#include <string.h>

#define LATE_LINES_NS (20 * INT64_C(1000000))
#define RESTARTED     "restarted"

/* Whether the line was passed on from an earlier body. */
static bool is_known(struct log_reader *r, const struct log_line *line)
{
    struct log_mark *m = &r->skip.streams[line->stream == LOG_STDERR];

    if (!m->time_ns)
        return line->time_ns < r->floor_ns;
    if (line->time_ns < m->time_ns)
        return true;
    if (line->time_ns == m->time_ns && m->n_same > 0) {
        m->n_same--;
        return true;
    }
    return false;
}

static void add_note(struct log_reader *r, int64_t time_ns, const char *text, size_t size)
{
    log_outbox_add(r->box, &(struct msg_log_line){.time_ns = time_ns, .text = text, .size = size});
}

static void note_run(struct log_reader *r, int64_t time_ns)
{
    add_note(r, time_ns, RESTARTED, strlen(RESTARTED));
    r->run_ns = 0;
}

/*
 * The engine reports a log that it cannot read in each body, so the same message is passed on once.
 */
static void note_engine(struct log_reader *r, const struct log_line *line)
{
    _cleanup_free_ char *text = xstrndup(line->text + line->stamp_size,
                                         line->size - line->stamp_size);
    bool is_known = str_eq(r->said, text);

    r->has_failed = true;
    if (is_known)
        return;
    add_note(r, line->time_ns, line->text, line->size);
    free(r->said);
    r->said = TAKE_PTR(text);
}

static void on_line(void *owner, const struct log_line *line)
{
    struct log_reader *r = owner;
    enum log_kind kind = line->stream == LOG_STDERR ? LOG_KIND_STDERR : LOG_KIND_STDOUT;
    struct msg_log_line out = {
        .kind = kind,
        .time_ns = line->time_ns,
        .text = line->text + line->stamp_size,
        .size = line->size - line->stamp_size,
        .is_partial = line->is_partial,
    };

    if (line->stream == LOG_SYSTEM) { /* a message of the engine itself, between the lines */
        note_engine(r, line);
        return;
    }
    if (is_known(r, line) || log_recent_has(&r->recent, line, log_position_newest(&r->position)) ||
        (r->until_ns && line->time_ns > r->until_ns))
        return;
    if (!r->floor_ns)
        r->floor_ns = line->time_ns;
    r->n_lines++;
    log_position_add(&r->position, kind, line->time_ns);
    if (r->is_seek)
        return;
    if (r->run_ns && line->time_ns >= r->run_ns)
        note_run(r, line->time_ns);
    if (r->is_tty && out.size > 0 && out.text[out.size - 1] == '\r')
        out.size--; /* a terminal ends lines with CR LF */
    log_outbox_add(r->box, &out);
}

void log_reader_init(struct log_reader *r, struct log_outbox *box)
{
    *r = (struct log_reader){.box = box};
    r->lines = log_assembler_new(&(struct log_assembler_options){
        .max_line = LOG_STREAM_MAX_LINE, .splits = true, .on_line = on_line, .owner = r});
}

void log_reader_done(struct log_reader *r)
{
    log_assembler_free(TAKE_PTR(r->lines));
    free(TAKE_PTR(r->said));
}

/*
 * Finds the time at which the next run begins. A process may write long before the engine records
 * its start, and the last lines of a process may be recorded a moment after its end.
 */
static void find_run(struct log_reader *r, int64_t started_ns, int64_t ended_ns)
{
    int64_t least = ended_ns + (started_ns - ended_ns) / 4, late = ended_ns + LATE_LINES_NS;
    int64_t newest = log_position_newest(&r->position);

    if (r->started_ns && started_ns > r->started_ns) {
        if (ended_ns == 0 || ended_ns > started_ns) {
            r->run_ns = started_ns;
        } else {
            r->run_ns = late < least ? late : least;
        }
    }
    r->started_ns = started_ns;
    if (r->run_ns && newest >= r->run_ns)
        note_run(r, newest); /* its first lines were passed on already: better late than never */
}

void log_reader_set_container(struct log_reader *r, struct json_span inspect)
{
    r->is_tty = container_inspect_has_tty(inspect);
    find_run(r, container_inspect_time(inspect, "StartedAt"),
             container_inspect_time(inspect, "FinishedAt"));
}

void log_reader_begin(struct log_reader *r, bool is_seek)
{
    log_demux_init(&r->demux, r->is_tty, log_assembler_add, r->lines);
    log_assembler_drop(r->lines);
    r->is_seek = is_seek;
    r->skip = r->position;
    r->n_lines = 0;
    r->has_failed = false;
}

int log_reader_feed(struct log_reader *r, const void *data, size_t size)
{
    return log_demux_feed(&r->demux, data, size);
}

bool log_reader_is_sound(struct log_reader *r)
{
    if (!r->has_failed)
        free(TAKE_PTR(r->said));
    return !r->has_failed;
}

void log_reader_drop(struct log_reader *r)
{
    log_assembler_drop(r->lines);
}

void log_reader_end_seek(struct log_reader *r)
{
    log_assembler_end(r->lines);
}

/*
 * Without frames the engine would join such a line with the next one of its stream, so the next
 * body is read from behind it.
 */
void log_reader_end_run(struct log_reader *r)
{
    struct log_position before = r->position;

    log_assembler_end(r->lines);
    for (size_t i = 0; i < ARRAY_LEN(before.streams); i++) {
        struct log_mark *m = &r->position.streams[i];

        if (m->time_ns > before.streams[i].time_ns || m->n_same > before.streams[i].n_same)
            *m = (struct log_mark){m->time_ns + 1, 0};
    }
}

bool log_reader_is_empty(const struct log_reader *r)
{
    return log_position_is_empty(&r->position);
}

void log_reader_format_since(const struct log_reader *r, char *ret, size_t size)
{
    int64_t from_ns = log_position_from(&r->position, r->floor_ns);

    (void)snprintf(ret, size, "%lld.%09lld", (long long)(from_ns / NS_PER_S),
                   (long long)(from_ns % NS_PER_S));
}
