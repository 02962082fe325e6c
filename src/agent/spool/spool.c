#include "agent/spool/spool.h"
#include "agent/spool/spool_batch.h"
#include "agent/spool/spool_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

/* an item that is not acknowledged for longer is stored; the server needs up to 13 s */
#define PATIENCE_MS 20000
#define SYNC_MS     1000
#define PUMP_MS     250

/* Timer: runs only while something is due */

static void on_timer(struct loop_timer *t);

/* The time when an item must be stored on disk. */
static uint64_t store_at(const struct spool *s)
{
    const struct spool_item *item = spool_first_doubtful(s);
    uint64_t at = UINT64_MAX;

    if (!s->is_connected || s->o.max_bytes == 0)
        return at;
    if (item && !item->is_stored)
        at = item->made_ms + SPOOL_RECEIPT_MS;
    for (size_t i = 0; i < s->items.n; i++) {
        item = &s->items.list[i];
        if (item->is_stored)
            continue;
        at = item->made_ms + PATIENCE_MS < at ? item->made_ms + PATIENCE_MS : at;
        break;
    }
    if (s->disk.failed_ms > 0 && at < s->disk.failed_ms + SPOOL_DISK_RETRY_MS)
        at = s->disk.failed_ms + SPOOL_DISK_RETRY_MS;
    return at;
}

static uint64_t due_at(const struct spool *s, uint64_t now)
{
    uint64_t due = store_at(s);

    if (s->unsynced_ms > 0 && s->unsynced_ms + SYNC_MS < due)
        due = s->unsynced_ms + SYNC_MS;
    if (s->is_connected && !spool_is_all_sent(s) && now + PUMP_MS < due)
        due = now + PUMP_MS;
    return due;
}

static void set_timer(struct spool *s)
{
    uint64_t now = time_monotonic_ms(), due = due_at(s, now);

    if (due == UINT64_MAX) {
        loop_timer_stop(&s->timer);
    } else {
        loop_timer_start(s->o.loop, &s->timer, due > now ? due - now : 0, on_timer);
    }
}

static void pump(struct spool *s)
{
    spool_send_pending(s);
    set_timer(s);
}

static void on_timer(struct loop_timer *t)
{
    struct spool *s = CONTAINER_OF(t, struct spool, timer);
    uint64_t now = time_monotonic_ms();
    const struct spool_item *stalled = s->is_connected ? spool_first_stalled(s, now) : NULL;

    if (stalled) {
        bool is_new = !stalled->is_stored;

        spool_store_items(s, UINT64_MAX);
        if (is_new)
            spool_sync(s); /* a second after the oldest unsynced write */
    } else if (s->items.n > 0 && now - s->items.list[0].made_ms >= PATIENCE_MS) {
        spool_store_items(s, now - PATIENCE_MS);
    }
    if (s->unsynced_ms > 0 && now - s->unsynced_ms >= SYNC_MS)
        spool_sync(s);
    pump(s);
}

/* Acknowledgements */

static void drop_flights(struct spool *s, size_t n)
{
    if (n > 0 && s->disk.segments)
        segments_release(s->disk.segments, s->flights.list[n - 1].end);
    spool_flights_drop(&s->flights, n);
}

/* Releases everything on disk, unless a batch in memory is stored there as well. */
static void release_disk(struct spool *s)
{
    if (!s->disk.segments || s->flights.n > 0 || spool_is_draining(s))
        return;
    for (size_t i = 0; i < s->items.n; i++) {
        if (s->items.list[i].is_stored)
            return;
    }
    segments_release(s->disk.segments, segments_end(s->disk.segments));
    s->next = segments_end(s->disk.segments);
    s->unsynced_ms = 0;
    s->is_loss_logged = false;
}

static bool drop_covered(struct spool *s, const struct msg_samples_ack *ack)
{
    size_t n = spool_items_covered(&s->items, ack);

    if (n > 0) {
        drop_flights(s, s->flights.n); /* they were sent before these items */
        spool_items_drop(&s->items, n);
        return true;
    }
    n = spool_flights_covered(&s->flights, ack);
    drop_flights(s, n);
    return n > 0;
}

void spool_on_ack(struct spool *s, const struct msg_samples_ack *ack)
{
    if (!s->is_connected || !drop_covered(s, ack))
        return;
    s->acked_ms = time_monotonic_ms();
    release_disk(s);
    pump(s);
}

void spool_on_receipt(struct spool *s, uint64_t number)
{
    if (!s->is_connected || number > s->asked)
        return;
    spool_items_receive(&s->items, number);
    set_timer(s);
}

/* Releases acknowledged records on disk. Those of one epoch are contiguous, in order of `seq`. */
static void release_covered(struct spool *s, const struct msg_samples_ack *has)
{
    struct segments_place at = segments_begin(s->disk.segments);
    struct spool_record r;
    bool is_found = false;

    while (segments_read(s->disk.segments, &at, &r)) {
        if (spool_is_covered(has, r.epoch, r.seq)) {
            segments_release(s->disk.segments, at);
            is_found = true;
        } else if (is_found || r.epoch == has->epoch) {
            return;
        }
    }
}

/* Life */

void spool_connect(struct spool *s, struct batch_sink *sink, const struct msg_samples_ack *has)
{
    size_t n;

    spool_store_items(s, UINT64_MAX);
    n = s->items.n;
    s->sink = sink;
    s->is_refused = false;
    s->acked_ms = time_monotonic_ms();
    if (has->epoch > 0) {
        (void)drop_covered(s, has);
    }
    if (s->disk.segments && has->epoch > 0) {
        if (s->items.n < n) { /* the batches on disk are older than those in memory */
            segments_release(s->disk.segments, segments_end(s->disk.segments));
        } else {
            release_covered(s, has);
        }
    }
    if (s->disk.segments)
        s->next = segments_begin(s->disk.segments);
    s->is_connected = true;
    if (spool_is_draining(s)) {
        log_info(LOG_FIELDS("path", s->o.dir), "sending spooled samples: %" PRIu64 " bytes",
                 segments_bytes(s->disk.segments));
    }
    pump(s);
}

void spool_disconnect(struct spool *s)
{
    if (!s->is_connected)
        return;
    s->is_connected = false;
    s->sink = NULL;
    s->flights.n = s->flights.bytes = 0;
    spool_items_rewind(&s->items);
    spool_store_items(s, UINT64_MAX);
    set_timer(s);
}

void spool_refuse(struct spool *s)
{
    s->is_refused = true;
    spool_items_drop(&s->items, s->items.n);
    if (s->disk.segments)
        segments_release(s->disk.segments, segments_end(s->disk.segments));
    s->unsynced_ms = 0;
    set_timer(s);
}

static void add_item(struct spool *s, const struct samples *batch)
{
    spool_items_add(&s->items, &(struct spool_item){
                                   .epoch = batch->epoch,
                                   .seq = batch->seq,
                                   .made_ms = time_monotonic_ms(),
                                   .data = s->frame.data,
                                   .size = s->frame.size,
                               });
}

void spool_put(struct spool *s, const struct samples *batch)
{
    struct spool_clock now;

    if (s->is_refused)
        return;
    spool_clock_read(&now);
    buf_clear(&s->frame);
    if (spool_batch_pack(batch, &now, &s->frame) < 0) {
        log_warn(NULL, "could not spool samples: %s", error_text(-EMSGSIZE));
        return;
    }
    add_item(s, batch);
    if (!s->is_connected || spool_is_draining(s) || spool_first_stalled(s, time_monotonic_ms()))
        spool_store_items(s, UINT64_MAX);
    spool_trim_items(s);
    pump(s);
}

/* Later than every epoch on disk, also after the clock was set back. */
static uint64_t next_epoch(const struct spool *s)
{
    uint64_t epoch = (uint64_t)time_utc_ms();
    uint64_t last = s->disk.segments ? segments_last_epoch(s->disk.segments) : 0;

    return last >= epoch && last < INT64_MAX ? last + 1 : epoch;
}

struct spool *spool_new(const struct spool_options *o)
{
    struct spool *s = xcalloc(1, sizeof(*s));

    s->o = *o;
    s->disk = (struct spool_disk){
        .dir = o->dir, .max_bytes = o->max_bytes, .what = "unacknowledged samples"};
    buf_init(&s->frame, SAMPLES_MAX_SIZE);
    if (o->max_bytes > 0 && access(o->dir, F_OK) == 0)
        (void)spool_open_disk(s);
    s->epoch = next_epoch(s);
    return s;
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    s->is_connected = false;
    spool_store_items(s, UINT64_MAX);
    spool_sync(s);
    loop_timer_stop(&s->timer);
    spool_disk_close(&s->disk);
    spool_items_done(&s->items);
    spool_flights_done(&s->flights);
    buf_done(&s->frame);
    free(s);
}

uint64_t spool_epoch(const struct spool *s)
{
    return s->epoch;
}

const char *spool_note(const struct spool *s)
{
    return s->note;
}

int spool_check(const char *dir, struct error *err)
{
    bool is_new = mkdir(dir, 0700) == 0;

    if (!is_new && errno != EEXIST)
        return error_set(err, -errno, "cannot create the directory: %s", error_text(-errno));
    if (access(dir, R_OK | W_OK | X_OK) < 0)
        return error_set(err, -errno, "cannot write to the directory: %s", error_text(-errno));
    if (is_new)
        (void)rmdir(dir);
    return 0;
}
