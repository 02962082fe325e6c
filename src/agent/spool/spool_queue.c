#include "agent/spool/spool_queue.h"
#include "base/alloc.h"

#include <string.h>

bool spool_is_covered(const struct msg_samples_ack *ack, uint64_t epoch, uint64_t seq)
{
    return epoch == ack->epoch && seq <= ack->seq;
}

void spool_items_add(struct spool_items *q, const struct spool_item *item)
{
    struct spool_item *added;

    if (q->n == q->capacity) {
        q->capacity = q->capacity * 2 + 8;
        q->list = xrealloc(q->list, q->capacity, sizeof(*q->list));
    }
    added = &q->list[q->n++];
    *added = *item;
    added->data = xmemdup(item->data, item->size);
    q->bytes += item->size;
}

void spool_items_drop(struct spool_items *q, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        q->bytes -= q->list[i].size;
        free(q->list[i].data);
    }
    q->n -= n;
    if (n > 0)
        memmove(q->list, q->list + n, q->n * sizeof(q->list[0]));
}

size_t spool_items_covered(const struct spool_items *q, const struct msg_samples_ack *ack)
{
    size_t n = q->n;

    while (n > 0 && !spool_is_covered(ack, q->list[n - 1].epoch, q->list[n - 1].seq))
        n--;
    return n;
}

void spool_items_receive(struct spool_items *q, uint64_t receipt)
{
    for (size_t i = 0; i < q->n; i++) {
        struct spool_item *item = &q->list[i];

        item->is_received |= item->receipt > 0 && item->receipt <= receipt;
    }
}

void spool_items_rewind(struct spool_items *q)
{
    for (size_t i = 0; i < q->n; i++) {
        q->list[i].is_sent = q->list[i].is_received = false;
        q->list[i].receipt = 0;
    }
}

void spool_items_done(struct spool_items *q)
{
    spool_items_drop(q, q->n);
    free(q->list);
    *q = (struct spool_items){0};
}

void spool_flights_add(struct spool_flights *q, const struct spool_flight *flight)
{
    if (q->n == q->capacity) {
        q->capacity = q->capacity * 2 + 8;
        q->list = xrealloc(q->list, q->capacity, sizeof(*q->list));
    }
    q->list[q->n++] = *flight;
    q->bytes += flight->size;
}

void spool_flights_drop(struct spool_flights *q, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t size = q->list[i].size;

        q->bytes -= size < q->bytes ? size : q->bytes; /* a new window was opened meanwhile */
    }
    q->n -= n;
    if (n > 0)
        memmove(q->list, q->list + n, q->n * sizeof(q->list[0]));
}

size_t spool_flights_covered(const struct spool_flights *q, const struct msg_samples_ack *ack)
{
    size_t n = q->n;

    while (n > 0 && !spool_is_covered(ack, q->list[n - 1].epoch, q->list[n - 1].seq))
        n--;
    return n;
}

void spool_flights_done(struct spool_flights *q)
{
    free(q->list);
    *q = (struct spool_flights){0};
}
