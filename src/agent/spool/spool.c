#include "agent/spool/spool.h"
#include "agent/spool/spool_batch.h"
#include "agent/spool/spool_disk.h"
#include "agent/spool/spool_queue.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECEIPT_MS  1000  /* not known to have been received for longer: to disk */
#define PATIENCE_MS 20000 /* nor acknowledged: the same. The server needs up to 13 s */
#define LATE_MS     15000 /* sent that long after it was made, it is no news */
#define SYNC_MS     1000
#define PUMP_MS     250
#define STALL_MS    30000 /* a server that does not acknowledge is sent another window */
#define MAX_FLIGHTS 4096

struct spool {
    struct spool_options o;
    uint64_t epoch;
    struct spool_disk disk;
    struct segments_place next; /* to be sent, while there is a connection */
    struct spool_items items;   /* all of them later than what is to be sent from disk */
    struct spool_flights flights;
    uint64_t asked;          /* for which receipt last */
    struct batch_sink *sink; /* while connected */
    bool is_connected, is_refused;
    uint64_t acked_ms;    /* progress, or what counts as such */
    uint64_t unsynced_ms; /* since when; 0: nothing */
    uint64_t n_lost;      /* batches that had to go */
    uint64_t n_dropped;   /* of them from disk, since it was opened */
    uint64_t n_told;
    bool is_loss_told; /* since the server had everything last */
    char note[256];
    struct buf frame;
    struct loop_timer timer;
};

/* Disk */

static bool open_disk(struct spool *s)
{
    bool is_new = !s->disk.segments;

    if (!spool_disk_open(&s->disk))
        return false;
    if (is_new)
        s->next = segments_begin(s->disk.segments);
    return true;
}

static bool is_draining(const struct spool *s)
{
    return s->disk.segments && !segments_is_end(s->disk.segments, s->next);
}

/* What whoever looks is told, after anything that may change it. */
static void take_note(struct spool *s)
{
    uint64_t dropped = s->disk.segments ? segments_dropped(s->disk.segments) : 0;
    bool is_lossy = s->n_lost > s->n_told;

    spool_disk_tell_damage(&s->disk);
    if (dropped > s->n_dropped) {
        s->n_lost += dropped - s->n_dropped;
        is_lossy = true;
    }
    s->n_dropped = dropped;
    s->n_told = s->n_lost;
    if (is_lossy && !s->is_loss_told) {
        s->is_loss_told = true;
        log_warn(LOG_FIELDS("path", s->o.dir),
                 "the spool is full: the oldest figures that the server has not got are dropped");
    }
    s->note[0] = '\0';
    if (s->disk.failed_ms > 0) {
        (void)snprintf(s->note, sizeof(s->note), "spool: in memory only: %.200s", s->disk.why);
    } else if (s->n_lost > 0) {
        (void)snprintf(s->note, sizeof(s->note),
                       "spool: %" PRIu64 " batches were dropped, it was full", s->n_lost);
    }
}

static bool store_item(struct spool *s, struct spool_item *item)
{
    const struct spool_record r = {SPOOL_BATCH, item->epoch, item->seq, item->data, item->size};
    bool was_draining = is_draining(s);

    item->begin = segments_end(s->disk.segments);
    if (!spool_disk_append(&s->disk, &r))
        return false;
    item->end = segments_end(s->disk.segments);
    item->is_stored = true;
    /* With a connection it is sent from memory, unless what is before it is not. */
    if (s->is_connected && !was_draining)
        s->next = item->end;
    if (s->unsynced_ms == 0)
        s->unsynced_ms = time_monotonic_ms();
    return true;
}

static void sync_disk(struct spool *s)
{
    spool_disk_sync(&s->disk);
    s->unsynced_ms = 0;
    take_note(s);
}

/* Items */

/* All to disk, oldest first, as far as that goes; `until_ms`: only those made by then. */
static void store_items(struct spool *s, uint64_t until_ms)
{
    struct spool_items *q = &s->items;
    bool may_drop = !s->is_connected || is_draining(s);
    size_t n = 0;

    if (q->n > 0 && open_disk(s)) {
        while (n < q->n && q->list[n].made_ms <= until_ms &&
               (q->list[n].is_stored || store_item(s, &q->list[n])))
            n++;
        if (may_drop)
            spool_items_drop(q, n); /* they are read from there */
    }
    take_note(s);
}

/* Those at the front that are on disk need not be in memory: what of them was not sent is sent from there. */
static void spill_items(struct spool *s)
{
    struct spool_items *q = &s->items;
    size_t n_stored = 0;

    while (n_stored < q->n && q->list[n_stored].is_stored)
        n_stored++;
    for (size_t i = 0; i < n_stored; i++) {
        const struct spool_item *item = &q->list[i];

        if (!item->is_sent) {
            s->next = item->begin;
            break;
        }
        spool_flights_add(&s->flights,
                          &(struct spool_flight){item->epoch, item->seq, item->size, item->end});
    }
    spool_items_drop(q, n_stored);
}

static void trim_items(struct spool *s)
{
    struct spool_items *q = &s->items;

    if (q->n <= 1 || q->bytes <= SPOOL_MEMORY)
        return;
    store_items(s, UINT64_MAX);
    if (s->is_connected)
        spill_items(s);
    while (q->n > 1 && q->bytes > SPOOL_MEMORY) {
        s->n_lost += !q->list[0].is_received;
        spool_items_drop(q, 1);
    }
    take_note(s);
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

/* The oldest one that the server may not have received; NULL: it has them all. */
static const struct spool_item *first_doubtful(const struct spool *s)
{
    for (size_t i = 0; i < s->items.n; i++) {
        if (!s->items.list[i].is_received)
            return &s->items.list[i];
    }
    return NULL;
}

/* What is sent does not arrive from here on, or nobody can say that it does. NULL: all is well. */
static const struct spool_item *first_stalled(const struct spool *s, uint64_t now)
{
    const struct spool_item *item = first_doubtful(s);

    return item && now - item->made_ms >= RECEIPT_MS ? item : NULL;
}

/* Sending */

static bool send_frame(struct spool *s, const void *data, size_t size)
{
    int r = s->sink->send(s->sink, data, size);

    if (r < 0 && r != -ENOBUFS)
        log_debug(NULL, "samples could not be sent: %s", error_text(r));
    return r == 0;
}

/* One that cannot be read any more has no use: it counts as sent. */
static bool send_late(struct spool *s, const struct spool_record *r)
{
    struct spool_clock now;

    spool_clock_read(&now);
    buf_clear(&s->frame);
    return spool_batch_late(r, &now, &s->frame) < 0 || send_frame(s, s->frame.data, s->frame.size);
}

static bool send_item(struct spool *s, const struct spool_item *item, uint64_t now)
{
    const struct spool_record r = {SPOOL_BATCH, item->epoch, item->seq, item->data, item->size};
    const void *message;
    size_t size;

    if (now - item->made_ms > LATE_MS)
        return send_late(s, &r);
    message = spool_batch_message(&r, &size);
    return send_frame(s, message, size);
}

static bool has_window(struct spool *s, size_t size)
{
    uint64_t now = time_monotonic_ms();

    if (s->flights.bytes == 0 || s->flights.bytes + size <= SPOOL_WINDOW)
        return s->flights.n < MAX_FLIGHTS;
    if (now - s->acked_ms < STALL_MS || s->flights.n >= MAX_FLIGHTS)
        return false;
    s->acked_ms = now;
    s->flights.bytes = 0;
    return true;
}

/* False: not all of it could be sent now. */
static bool send_from_disk(struct spool *s)
{
    while (is_draining(s)) {
        struct segments_place at = s->next;
        struct spool_record r;

        if (!segments_read(s->disk.segments, &at, &r)) {
            s->next = segments_end(s->disk.segments);
            break;
        }
        if (s->sink->is_busy(s->sink) || !has_window(s, r.size) || !send_late(s, &r))
            return false;
        s->next = at;
        spool_flights_add(&s->flights, &(struct spool_flight){r.epoch, r.seq, r.size, at});
    }
    return true;
}

static void send_items(struct spool *s)
{
    struct spool_items *q = &s->items;
    uint64_t now = time_monotonic_ms();
    size_t n = 0;

    while (n < q->n && q->list[n].is_sent)
        n++;
    for (size_t i = n; i < q->n && !s->sink->is_busy(s->sink); i++) {
        struct spool_item *item = &q->list[i];

        item->is_sent = send_item(s, item, now);
        if (!item->is_sent)
            break;
    }
    if (n == q->n || !q->list[n].is_sent || s->sink->ask_receipt(s->sink, s->asked + 1) < 0)
        return;
    s->asked++;
    for (; n < q->n && q->list[n].is_sent; n++)
        q->list[n].receipt = s->asked;
}

static bool is_all_sent(const struct spool *s)
{
    return !is_draining(s) && (s->items.n == 0 || s->items.list[s->items.n - 1].is_sent);
}

/* Timer: what is due next, and nothing while nothing is. */

static void on_timer(struct loop_timer *t);

/* When something in memory has to go to disk. */
static uint64_t store_at(const struct spool *s)
{
    const struct spool_item *item = first_doubtful(s);
    uint64_t at = UINT64_MAX;

    if (!s->is_connected || s->o.max_bytes == 0)
        return at;
    if (item && !item->is_stored)
        at = item->made_ms + RECEIPT_MS;
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
    if (s->is_connected && !is_all_sent(s) && now + PUMP_MS < due)
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
    if (s->is_connected && send_from_disk(s))
        send_items(s);
    set_timer(s);
}

static void on_timer(struct loop_timer *t)
{
    struct spool *s = CONTAINER_OF(t, struct spool, timer);
    uint64_t now = time_monotonic_ms();
    const struct spool_item *stalled = s->is_connected ? first_stalled(s, now) : NULL;

    if (stalled) {
        bool is_news = !stalled->is_stored;

        store_items(s, UINT64_MAX);
        if (is_news)
            sync_disk(s); /* its second is over */
    } else if (s->items.n > 0 && now - s->items.list[0].made_ms >= PATIENCE_MS) {
        store_items(s, now - PATIENCE_MS);
    }
    if (s->unsynced_ms > 0 && now - s->unsynced_ms >= SYNC_MS)
        sync_disk(s);
    pump(s);
}

/* Acknowledgements */

static void drop_flights(struct spool *s, size_t n)
{
    if (n > 0 && s->disk.segments)
        segments_release(s->disk.segments, s->flights.list[n - 1].end);
    spool_flights_drop(&s->flights, n);
}

/* Nothing that is on disk is wanted any more, unless it is among what is in memory. */
static void release_disk(struct spool *s)
{
    if (!s->disk.segments || s->flights.n > 0 || is_draining(s))
        return;
    for (size_t i = 0; i < s->items.n; i++) {
        if (s->items.list[i].is_stored)
            return;
    }
    segments_release(s->disk.segments, segments_end(s->disk.segments));
    s->next = segments_end(s->disk.segments);
    s->unsynced_ms = 0;
    s->is_loss_told = false;
}

static bool drop_covered(struct spool *s, const struct msg_samples_ack *ack)
{
    size_t n = spool_items_covered(&s->items, ack);

    if (n > 0) {
        drop_flights(s, s->flights.n); /* they were before these */
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

/* Acknowledged among what is on disk, where records of one epoch stand together, with growing numbers. */
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

    store_items(s, UINT64_MAX);
    n = s->items.n;
    s->sink = sink;
    s->is_refused = false;
    s->acked_ms = time_monotonic_ms();
    if (has->epoch > 0) {
        (void)drop_covered(s, has);
    }
    if (s->disk.segments && has->epoch > 0) {
        if (s->items.n < n) { /* what is in memory is later than what is on disk */
            segments_release(s->disk.segments, segments_end(s->disk.segments));
        } else {
            release_covered(s, has);
        }
    }
    if (s->disk.segments)
        s->next = segments_begin(s->disk.segments);
    s->is_connected = true;
    if (is_draining(s)) {
        log_info(LOG_FIELDS("path", s->o.dir),
                 "figures from before the connection are sent: %" PRIu64 " bytes",
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
    store_items(s, UINT64_MAX);
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

void spool_put(struct spool *s, const struct samples *batch)
{
    struct spool_clock now;

    if (s->is_refused)
        return;
    spool_clock_read(&now);
    buf_clear(&s->frame);
    if (spool_batch_pack(batch, &now, &s->frame) < 0) {
        log_warn(NULL, "samples could not be kept: %s", error_text(-EMSGSIZE));
        return;
    }
    add_item(s, batch);
    if (!s->is_connected || is_draining(s) || first_stalled(s, time_monotonic_ms()))
        store_items(s, UINT64_MAX);
    trim_items(s);
    pump(s);
}

/* Epochs of this process: after all that is kept. */
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
        .dir = o->dir, .max_bytes = o->max_bytes, .what = "figures that the server has not got"};
    buf_init(&s->frame, SAMPLES_MAX_SIZE);
    if (o->max_bytes > 0 && access(o->dir, F_OK) == 0)
        (void)open_disk(s);
    s->epoch = next_epoch(s);
    return s;
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    s->is_connected = false;
    store_items(s, UINT64_MAX);
    sync_disk(s);
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
        return error_set(err, -errno, "cannot make it: %s", error_text(-errno));
    if (access(dir, R_OK | W_OK | X_OK) < 0)
        return error_set(err, -errno, "cannot write to it: %s", error_text(-errno));
    if (is_new)
        (void)rmdir(dir);
    return 0;
}
