#include "agent/spool/spool_batch.h"
#include "agent/spool/spool_internal.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>

#define LATE_MS 15000 /* a batch that is older when it is sent is marked as late */
/* if the server does not acknowledge for so long, another window is sent */
#define STALL_MS    30000
#define MAX_FLIGHTS 4096

static bool send_frame(struct spool *s, const void *data, size_t size)
{
    int r = s->sink->send(s->sink, data, size);

    if (r < 0 && r != -ENOBUFS)
        log_debug(NULL, "could not send samples: %s", error_text(r));
    return r == 0;
}

/* A record that cannot be decoded is useless and counts as sent. */
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

/* Returns false if the rest cannot be sent now. */
static bool send_from_disk(struct spool *s)
{
    while (spool_is_draining(s)) {
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

void spool_send_pending(struct spool *s)
{
    if (s->is_connected && send_from_disk(s))
        send_items(s);
}

bool spool_is_all_sent(const struct spool *s)
{
    return !spool_is_draining(s) && (s->items.n == 0 || s->items.list[s->items.n - 1].is_sent);
}
