#include "agent/spool/spool_batch.h"
#include "agent/spool/spool_internal.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>

bool spool_open_disk(struct spool *s)
{
    bool is_new = !s->disk.segments;

    if (!spool_disk_open(&s->disk))
        return false;
    if (is_new)
        s->next = segments_begin(s->disk.segments);
    return true;
}

bool spool_is_draining(const struct spool *s)
{
    return s->disk.segments && !segments_is_end(s->disk.segments, s->next);
}

void spool_refresh_note(struct spool *s)
{
    uint64_t dropped = s->disk.segments ? segments_dropped(s->disk.segments) : 0;
    bool is_lossy = s->n_lost > s->n_noted;

    spool_disk_log_damage(&s->disk);
    if (dropped > s->n_dropped) {
        s->n_lost += dropped - s->n_dropped;
        is_lossy = true;
    }
    s->n_dropped = dropped;
    s->n_noted = s->n_lost;
    if (is_lossy && !s->is_loss_logged) {
        s->is_loss_logged = true;
        log_warn(LOG_FIELDS("path", s->o.dir),
                 "the spool is full: dropping the oldest unacknowledged samples");
    }
    s->note[0] = '\0';
    if (s->disk.failed_ms > 0) {
        (void)snprintf(s->note, sizeof(s->note), "spool: in memory only: %.*s",
                       STR_CUT(s->disk.why, 200));
    } else if (s->n_lost > 0) {
        (void)snprintf(s->note, sizeof(s->note),
                       "spool: %" PRIu64 " batches were dropped because it was full", s->n_lost);
    }
}

static bool store_item(struct spool *s, struct spool_item *item)
{
    const struct spool_record r = {SPOOL_BATCH, item->epoch, item->seq, item->data, item->size};
    bool was_draining = spool_is_draining(s);

    item->begin = segments_end(s->disk.segments);
    if (!spool_disk_append(&s->disk, &r))
        return false;
    item->end = segments_end(s->disk.segments);
    item->is_stored = true;
    /* While connected it is sent from memory, unless older batches must be sent from disk first. */
    if (s->is_connected && !was_draining)
        s->next = item->end;
    if (s->unsynced_ms == 0)
        s->unsynced_ms = time_monotonic_ms();
    return true;
}

void spool_sync(struct spool *s)
{
    spool_disk_sync(&s->disk);
    s->unsynced_ms = 0;
    spool_refresh_note(s);
}

void spool_store_items(struct spool *s, uint64_t until_ms)
{
    struct spool_items *q = &s->items;
    bool may_drop = !s->is_connected || spool_is_draining(s);
    size_t n = 0;

    if (q->n > 0 && spool_open_disk(s)) {
        while (n < q->n && q->list[n].made_ms <= until_ms &&
               (q->list[n].is_stored || store_item(s, &q->list[n])))
            n++;
        if (may_drop)
            spool_items_drop(q, n); /* they are read from disk */
    }
    spool_refresh_note(s);
}

/* Removes the oldest items from memory that are on disk. Those not sent yet are sent from disk. */
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

void spool_trim_items(struct spool *s)
{
    struct spool_items *q = &s->items;

    if (q->n <= 1 || q->bytes <= SPOOL_MEMORY)
        return;
    spool_store_items(s, UINT64_MAX);
    if (s->is_connected)
        spill_items(s);
    while (q->n > 1 && q->bytes > SPOOL_MEMORY) {
        s->n_lost += !q->list[0].is_received;
        spool_items_drop(q, 1);
    }
    spool_refresh_note(s);
}

const struct spool_item *spool_first_doubtful(const struct spool *s)
{
    for (size_t i = 0; i < s->items.n; i++) {
        if (!s->items.list[i].is_received)
            return &s->items.list[i];
    }
    return NULL;
}

const struct spool_item *spool_first_stalled(const struct spool *s, uint64_t now)
{
    const struct spool_item *item = spool_first_doubtful(s);

    return item && now - item->made_ms >= SPOOL_RECEIPT_MS ? item : NULL;
}
