#include "agent/event_log.h"
#include "agent/segments.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"

#include <string.h>
#include <sys/stat.h>

#define KIND_EVENT 2
#define SYNC_MS    1000
#define RETRY_MS   10000

struct event_log {
    struct event_log_options o;
    struct segments *disk; /* NULL: none yet, or not usable */
    uint64_t failed_ms;    /* 0: it works */
    struct loop_timer timer;
};

static void failed(struct event_log *log, const struct error *err)
{
    if (log->failed_ms == 0) {
        log_error(LOG_FIELDS("path", log->o.dir),
                  "events of containers are kept in memory only: %s", err->msg);
    }
    log->failed_ms = time_monotonic_ms();
    if (log->disk && segments_bytes(log->disk) == 0)
        segments_close(TAKE_PTR(log->disk)); /* the next attempt makes the directory, too */
}

static bool open_disk(struct event_log *log)
{
    const struct segments_options o = {.dir = log->o.dir, .max_bytes = EVENT_LOG_BYTES};
    struct error err = ERROR_INIT;

    if (log->disk)
        return true;
    if (log->failed_ms > 0 && time_monotonic_ms() - log->failed_ms < RETRY_MS)
        return false;
    if (segments_open(&log->disk, &o, &err) == 0)
        return true;
    failed(log, &err);
    return false;
}

struct event_log *event_log_new(const struct event_log_options *o)
{
    struct event_log *log = xcalloc(1, sizeof(*log));

    log->o = *o;
    return log;
}

static void sync_disk(struct event_log *log)
{
    struct error err = ERROR_INIT;

    if (log->disk && segments_sync(log->disk, &err) < 0)
        failed(log, &err);
}

static void on_timer(struct loop_timer *t)
{
    sync_disk(CONTAINER_OF(t, struct event_log, timer));
}

void event_log_free(struct event_log *log)
{
    if (!log)
        return;
    sync_disk(log);
    loop_timer_stop(&log->timer);
    segments_close(log->disk);
    free(log);
}

void event_log_add(struct event_log *log, const struct event *e, const char *text, size_t size)
{
    const struct spool_record r = {KIND_EVENT, (uint64_t)e->time_ns, 0, text, size};
    struct error err = ERROR_INIT;

    if (!open_disk(log))
        return;
    if (segments_append(log->disk, &r, &err) < 0) {
        failed(log, &err);
        return;
    }
    if (log->failed_ms > 0)
        log_info(LOG_FIELDS("path", log->o.dir), "events can be kept on disk again");
    log->failed_ms = 0;
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

    if (!open_disk(log))
        return false;
    while (segments_read(log->disk, &place, &r)) {
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

    if (!open_disk(log))
        return;
    at = end = segments_begin(log->disk);
    while (segments_read(log->disk, &at, &r) && (int64_t)r.epoch < before_ns)
        end = at;
    segments_release(log->disk, end);
}
