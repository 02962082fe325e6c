#include "agent/spool.h"
#include "agent/segments.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIND_SAMPLES 1
#define PATIENCE_MS  20000 /* unacknowledged for longer: to disk. The server needs up to 13 s */
#define LATE_MS      15000 /* sent that long after it was made, it is no news */
#define SYNC_MS      1000
#define PUMP_MS      250
#define STALL_MS     30000 /* a server that does not acknowledge is sent another window */
#define RETRY_MS     10000 /* a disk that failed */
#define MAX_FLIGHTS  4096

/* In memory, not acknowledged. */
struct item {
    uint64_t epoch, seq, made_ms;
    char *data;
    size_t size;
    bool is_sent, is_stored;
};

/* Sent from disk, not acknowledged. */
struct flight {
    uint64_t epoch, seq;
    size_t size;
    struct segments_place end;
};

struct spool {
    struct spool_options o;
    uint64_t epoch;
    struct segments *disk;      /* NULL: none, or not usable */
    struct segments_place next; /* to be sent, while there is a connection */
    struct item *items; /* oldest first; all of them later than what is to be sent from disk */
    size_t n_items, item_capacity; /* elements */
    size_t item_bytes;
    struct flight *flights;
    size_t n_flights, flight_capacity;
    size_t flight_bytes;
    struct spool_sink sink;
    bool is_connected, is_refused;
    uint64_t acked_ms;       /* progress, or what counts as such */
    uint64_t disk_failed_ms; /* 0: it works */
    uint64_t unsynced_ms;    /* since when; 0: nothing */
    uint64_t n_lost, n_told; /* batches that had to go; how many of them were logged */
    char note[256];
    struct buf frame;
    struct loop_timer timer;
};

/* Disk */

static void disk_failed(struct spool *s, const struct error *err)
{
    if (s->disk_failed_ms == 0) {
        log_error(
            LOG_FIELDS("path", s->o.dir),
            "figures that the server has not got are kept in memory only, for a short while: %s",
            err->msg);
    }
    s->disk_failed_ms = time_monotonic_ms();
    if (s->disk && segments_bytes(s->disk) == 0)
        segments_close(TAKE_PTR(s->disk)); /* the next attempt makes the directory, too */
    (void)snprintf(s->note, sizeof(s->note), "spool: in memory only: %.200s", err->msg);
}

static void disk_works(struct spool *s)
{
    if (s->disk_failed_ms == 0)
        return;
    s->disk_failed_ms = 0;
    s->note[0] = '\0';
    log_info(LOG_FIELDS("path", s->o.dir), "figures can be kept on disk again");
}

static bool open_disk(struct spool *s)
{
    const struct segments_options o = {.dir = s->o.dir, .max_bytes = s->o.max_bytes};
    uint64_t now = time_monotonic_ms();
    struct error err = ERROR_INIT;

    if (s->o.max_bytes == 0 || (s->disk_failed_ms > 0 && now - s->disk_failed_ms < RETRY_MS))
        return false;
    if (s->disk)
        return true;
    if (segments_open(&s->disk, &o, &err) < 0) {
        disk_failed(s, &err);
        return false;
    }
    s->next = segments_begin(s->disk);
    return true;
}

static bool is_draining(const struct spool *s)
{
    return s->disk && !segments_is_end(s->disk, s->next);
}

static void tell_lost(struct spool *s)
{
    uint64_t n = s->n_lost + (s->disk ? segments_dropped(s->disk) : 0);

    if (n == s->n_told)
        return;
    if (s->n_told == 0) {
        log_warn(LOG_FIELDS("path", s->o.dir),
                 "the spool is full: the oldest figures that the server has not got are dropped");
    }
    s->n_told = n;
    if (s->disk_failed_ms == 0) {
        (void)snprintf(s->note, sizeof(s->note),
                       "spool: %" PRIu64 " batches were dropped, it was full", n);
    }
}

static bool store_item(struct spool *s, struct item *item)
{
    const struct spool_record r = {KIND_SAMPLES, item->epoch, item->seq, item->data, item->size};
    bool was_draining = is_draining(s);
    struct error err = ERROR_INIT;

    if (segments_append(s->disk, &r, &err) < 0) {
        disk_failed(s, &err);
        return false;
    }
    disk_works(s);
    item->is_stored = true;
    /* With a connection it is sent from memory, unless what is before it is not. */
    if (s->is_connected && !was_draining)
        s->next = segments_end(s->disk);
    if (s->unsynced_ms == 0)
        s->unsynced_ms = time_monotonic_ms();
    return true;
}

/* Items */

static void drop_items(struct spool *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->item_bytes -= s->items[i].size;
        free(s->items[i].data);
    }
    s->n_items -= n;
    if (n > 0)
        memmove(s->items, s->items + n, s->n_items * sizeof(s->items[0]));
}

/* All to disk, oldest first, as far as that goes; `until_ms`: only those made by then. */
static void store_items(struct spool *s, uint64_t until_ms)
{
    bool may_drop = !s->is_connected || is_draining(s);
    size_t n = 0;

    if (s->n_items == 0 || !open_disk(s))
        return;
    while (n < s->n_items && s->items[n].made_ms <= until_ms &&
           (s->items[n].is_stored || store_item(s, &s->items[n])))
        n++;
    if (may_drop)
        drop_items(s, n); /* they are read from there */
    tell_lost(s);
}

static void trim_items(struct spool *s)
{
    while (s->n_items > 1 && s->item_bytes > SPOOL_MEMORY) {
        s->n_lost += !s->items[0].is_stored;
        drop_items(s, 1);
    }
    tell_lost(s);
}

static void add_item(struct spool *s, const struct samples *batch)
{
    if (s->n_items == s->item_capacity) {
        s->item_capacity = s->item_capacity * 2 + 8;
        s->items = xrealloc(s->items, s->item_capacity, sizeof(*s->items));
    }
    s->items[s->n_items++] = (struct item){
        .epoch = batch->epoch,
        .seq = batch->seq,
        .made_ms = time_monotonic_ms(),
        .data = xmemdup(s->frame.data, s->frame.size),
        .size = s->frame.size,
    };
    s->item_bytes += s->frame.size;
}

/* Sending */

static bool send_frame(struct spool *s, const void *data, size_t size)
{
    int r = s->sink.send(s->sink.owner, data, size);

    if (r < 0 && r != -ENOBUFS)
        log_debug(NULL, "samples could not be sent: %s", error_text(r));
    return r == 0;
}

/* The same batch with the word that it is late. One that cannot be read any more has no use. */
static bool send_late(struct spool *s, const void *data, size_t size)
{
    struct samples batch;
    int r = samples_decode(data, size, &batch, NULL);
    bool is_sent = true;

    if (r < 0)
        return true;
    batch.is_late = true;
    buf_clear(&s->frame);
    if (samples_encode(&batch, &s->frame) == 0)
        is_sent = send_frame(s, s->frame.data, s->frame.size);
    samples_done(&batch);
    return is_sent;
}

static void add_flight(struct spool *s, const struct spool_record *r)
{
    if (s->n_flights == s->flight_capacity) {
        s->flight_capacity = s->flight_capacity * 2 + 8;
        s->flights = xrealloc(s->flights, s->flight_capacity, sizeof(*s->flights));
    }
    s->flights[s->n_flights++] = (struct flight){r->epoch, r->seq, r->size, s->next};
    s->flight_bytes += r->size;
}

static bool has_window(struct spool *s, size_t size)
{
    uint64_t now = time_monotonic_ms();

    if (s->flight_bytes == 0 || s->flight_bytes + size <= SPOOL_WINDOW)
        return s->n_flights < MAX_FLIGHTS;
    if (now - s->acked_ms < STALL_MS || s->n_flights >= MAX_FLIGHTS)
        return false;
    s->acked_ms = now;
    s->flight_bytes = 0;
    return true;
}

/* False: not all of it could be sent now. */
static bool send_from_disk(struct spool *s)
{
    while (is_draining(s)) {
        struct segments_place at = s->next;
        struct spool_record r;

        if (!segments_read(s->disk, &at, &r)) {
            s->next = segments_end(s->disk);
            break;
        }
        if (s->sink.is_busy(s->sink.owner) || !has_window(s, r.size) ||
            !send_late(s, r.data, r.size))
            return false;
        s->next = at;
        add_flight(s, &r);
    }
    return true;
}

static void send_items(struct spool *s)
{
    uint64_t now = time_monotonic_ms();

    for (size_t i = 0; i < s->n_items; i++) {
        struct item *item = &s->items[i];

        if (item->is_sent)
            continue;
        if (s->sink.is_busy(s->sink.owner))
            return;
        item->is_sent = now - item->made_ms > LATE_MS ? send_late(s, item->data, item->size)
                                                      : send_frame(s, item->data, item->size);
        if (!item->is_sent)
            return;
    }
}

static bool is_all_sent(const struct spool *s)
{
    return !is_draining(s) && (s->n_items == 0 || s->items[s->n_items - 1].is_sent);
}

/* Timer: what is due next, and nothing while nothing is. */

static void on_timer(struct loop_timer *t);

static uint64_t due_at(const struct spool *s, uint64_t now)
{
    uint64_t due = UINT64_MAX;

    if (s->unsynced_ms > 0)
        due = s->unsynced_ms + SYNC_MS;
    if (s->is_connected && !is_all_sent(s) && now + PUMP_MS < due)
        due = now + PUMP_MS;
    for (size_t i = 0; i < s->n_items && s->is_connected && s->o.max_bytes > 0; i++) {
        uint64_t patience = s->items[i].made_ms + PATIENCE_MS;

        if (s->items[i].is_stored)
            continue;
        if (patience <= now)
            patience = now + RETRY_MS; /* the disk did not take it */
        return patience < due ? patience : due;
    }
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

static void sync_disk(struct spool *s)
{
    struct error err = ERROR_INIT;

    if (s->disk && segments_sync(s->disk, &err) < 0)
        disk_failed(s, &err);
    s->unsynced_ms = 0;
}

static void on_timer(struct loop_timer *t)
{
    struct spool *s = CONTAINER_OF(t, struct spool, timer);
    uint64_t now = time_monotonic_ms();

    if (s->n_items > 0 && now - s->items[0].made_ms >= PATIENCE_MS)
        store_items(s, now - PATIENCE_MS);
    if (s->unsynced_ms > 0 && now - s->unsynced_ms >= SYNC_MS)
        sync_disk(s);
    pump(s);
}

/* Acknowledgements */

static bool is_covered(const struct msg_samples_ack *ack, uint64_t epoch, uint64_t seq)
{
    return epoch == ack->epoch && seq <= ack->seq;
}

static void drop_flights(struct spool *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t size = s->flights[i].size;

        s->flight_bytes -= size < s->flight_bytes ? (size_t)size : s->flight_bytes;
    }
    if (n > 0 && s->disk)
        segments_release(s->disk, s->flights[n - 1].end);
    s->n_flights -= n;
    if (n > 0)
        memmove(s->flights, s->flights + n, s->n_flights * sizeof(s->flights[0]));
}

/* Nothing that is on disk is wanted any more, unless it is among what is in memory. */
static void release_disk(struct spool *s)
{
    if (!s->disk || s->n_flights > 0 || is_draining(s))
        return;
    for (size_t i = 0; i < s->n_items; i++) {
        if (s->items[i].is_stored)
            return;
    }
    segments_release(s->disk, segments_end(s->disk));
    s->next = segments_end(s->disk);
    s->unsynced_ms = 0;
}

/* Everything up to the last that is covered: what was sent before it has arrived before it. */
static bool drop_covered(struct spool *s, const struct msg_samples_ack *ack)
{
    for (size_t i = s->n_items; i > 0; i--) {
        if (is_covered(ack, s->items[i - 1].epoch, s->items[i - 1].seq)) {
            drop_flights(s, s->n_flights);
            drop_items(s, i);
            return true;
        }
    }
    for (size_t i = s->n_flights; i > 0; i--) {
        if (is_covered(ack, s->flights[i - 1].epoch, s->flights[i - 1].seq)) {
            drop_flights(s, i);
            return true;
        }
    }
    return false;
}

void spool_on_ack(struct spool *s, const struct msg_samples_ack *ack)
{
    if (!s->is_connected || !drop_covered(s, ack))
        return;
    s->acked_ms = time_monotonic_ms();
    release_disk(s);
    pump(s);
}

/* The same for what is on disk, where records of one epoch stand together, with growing numbers. */
static void release_covered(struct spool *s, const struct msg_samples_ack *has)
{
    struct segments_place at = segments_begin(s->disk);
    struct spool_record r;
    bool is_found = false;

    while (segments_read(s->disk, &at, &r)) {
        if (is_covered(has, r.epoch, r.seq)) {
            segments_release(s->disk, at);
            is_found = true;
        } else if (is_found || r.epoch == has->epoch) {
            return;
        }
    }
}

/* Life */

void spool_connect(struct spool *s,
                   const struct spool_sink *sink,
                   const struct msg_samples_ack *has)
{
    size_t n = s->n_items;

    store_items(s, UINT64_MAX);
    s->sink = *sink;
    s->is_refused = false;
    s->acked_ms = time_monotonic_ms();
    if (has->epoch > 0) {
        n = s->n_items;
        (void)drop_covered(s, has);
    }
    if (s->disk && has->epoch > 0) {
        if (s->n_items < n) { /* what is in memory is later than what is on disk */
            segments_release(s->disk, segments_end(s->disk));
        } else {
            release_covered(s, has);
        }
    }
    if (s->disk)
        s->next = segments_begin(s->disk);
    s->is_connected = true;
    if (is_draining(s)) {
        log_info(LOG_FIELDS("path", s->o.dir),
                 "figures from before the connection are sent: %" PRIu64 " bytes",
                 segments_bytes(s->disk));
    }
    pump(s);
}

void spool_disconnect(struct spool *s)
{
    if (!s->is_connected)
        return;
    s->is_connected = false;
    s->n_flights = s->flight_bytes = 0;
    for (size_t i = 0; i < s->n_items; i++)
        s->items[i].is_sent = false;
    store_items(s, UINT64_MAX);
    set_timer(s);
}

void spool_refuse(struct spool *s)
{
    s->is_refused = true;
    drop_items(s, s->n_items);
    if (s->disk)
        segments_release(s->disk, segments_end(s->disk));
    s->unsynced_ms = 0;
    set_timer(s);
}

void spool_put(struct spool *s, const struct samples *batch)
{
    if (s->is_refused)
        return;
    buf_clear(&s->frame);
    if (samples_encode(batch, &s->frame) < 0) {
        log_warn(NULL, "samples could not be kept: %s", error_text(-EMSGSIZE));
        return;
    }
    add_item(s, batch);
    if (!s->is_connected || is_draining(s))
        store_items(s, UINT64_MAX);
    trim_items(s);
    pump(s);
}

/* Epochs of this process: after all that is kept. */
static uint64_t next_epoch(struct spool *s)
{
    uint64_t epoch = (uint64_t)time_utc_ms();
    struct segments_place at;
    struct spool_record r;

    if (!s->disk)
        return epoch;
    at = segments_begin(s->disk);
    while (segments_read(s->disk, &at, &r)) {
        if (r.epoch >= epoch && r.epoch < INT64_MAX)
            epoch = r.epoch + 1;
    }
    return epoch;
}

struct spool *spool_new(const struct spool_options *o)
{
    struct spool *s = xcalloc(1, sizeof(*s));

    s->o = *o;
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
    if (s->n_items > 0)
        store_items(s, UINT64_MAX);
    sync_disk(s);
    loop_timer_stop(&s->timer);
    segments_close(s->disk);
    drop_items(s, s->n_items);
    free(s->items);
    free(s->flights);
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
