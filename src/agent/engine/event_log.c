#include "agent/engine/event_log.h"
#include "agent/spool/spool_disk.h"
#include "base/alloc.h"

#include <string.h>
#include <sys/stat.h>

#define KIND_EVENT 2
#define SYNC_MS    1000

struct event_log {
    struct event_log_options o;
    struct spool_disk disk;
    struct loop_timer timer;
};

struct event_log *event_log_new(const struct event_log_options *o)
{
    struct event_log *log = xcalloc(1, sizeof(*log));

    log->o = *o;
    log->disk = (struct spool_disk){
        .dir = log->o.dir, .max_bytes = EVENT_LOG_BYTES, .what = "container events"};
    return log;
}

static void on_timer(struct loop_timer *t)
{
    spool_disk_sync(&CONTAINER_OF(t, struct event_log, timer)->disk);
}

void event_log_free(struct event_log *log)
{
    if (!log)
        return;
    spool_disk_sync(&log->disk);
    loop_timer_stop(&log->timer);
    spool_disk_close(&log->disk);
    free(log);
}

void event_log_add(struct event_log *log, const struct event *e, const char *text, size_t size)
{
    const struct spool_record r = {KIND_EVENT, (uint64_t)e->time_ns, 0, text, size};

    if (!spool_disk_open(&log->disk) || !spool_disk_append(&log->disk, &r))
        return;
    if (!loop_timer_is_running(&log->timer))
        loop_timer_start(log->o.loop, &log->timer, SYNC_MS, on_timer);
}

bool event_log_next(struct event_log *log,
                    struct event_log_place *at,
                    int64_t since_ns,
                    struct event *ret)
{
    struct segments_place place = {at->file, at->offset};
    struct spool_record r;

    if (!spool_disk_open(&log->disk))
        return false;
    while (segments_read(log->disk.segments, &place, &r)) {
        *at = (struct event_log_place){place.file, place.offset};
        if (r.kind == KIND_EVENT && (int64_t)r.epoch >= since_ns &&
            event_decode(r.data, r.size, ret, NULL) == 0)
            return true;
    }
    return false;
}

void event_log_forget(struct event_log *log, int64_t before_ns)
{
    struct segments_place at, end;
    struct spool_record r;

    if (!spool_disk_open(&log->disk))
        return;
    at = end = segments_begin(log->disk.segments);
    while (segments_read(log->disk.segments, &at, &r) && (int64_t)r.epoch < before_ns)
        end = at;
    segments_release(log->disk.segments, end);
}
