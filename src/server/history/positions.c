#include "server/history/positions.h"
#include "base/alloc.h"
#include "base/map.h"

#include <string.h>

struct waiting {
    struct history_position at;
    int64_t at_ms; /* the latest time of the merged batches */
};

struct host_queue {
    bool is_known, is_lost;
    struct history_position written;
    struct waiting *waiting; /* oldest first */
    size_t n, capacity;
};

struct positions {
    struct map hosts; /* struct host_queue by host */
    size_t n_lost;
};

struct positions *positions_new(void)
{
    return xcalloc(1, sizeof(struct positions));
}

void positions_free(struct positions *p)
{
    if (!p)
        return;
    map_foreach(&p->hosts, e) {
        free(((struct host_queue *)e->value)->waiting);
        free(e->value);
    }
    map_done(&p->hosts);
    free(p);
}

static struct host_queue *queue_of(struct positions *p, const char *host)
{
    struct host_queue *q = map_find(&p->hosts, host);

    if (!q) {
        q = xcalloc(1, sizeof(*q));
        (void)map_put(&p->hosts, host, q);
    }
    return q;
}

void positions_took(struct positions *p,
                    const char *host,
                    const struct history_position *at,
                    int64_t at_ms)
{
    struct host_queue *q = queue_of(p, host);

    if (q->is_lost)
        return;
    /* merge: both batches are reported once the later one is written */
    if (q->n == POSITIONS_WAITING) {
        struct waiting *last = &q->waiting[q->n - 1];

        last->at = *at;
        last->at_ms = at_ms > last->at_ms ? at_ms : last->at_ms;
        return;
    }
    if (q->n == q->capacity) {
        q->capacity = q->capacity * 2 + 4;
        q->waiting = xrealloc(q->waiting, q->capacity, sizeof(*q->waiting));
    }
    q->waiting[q->n++] = (struct waiting){*at, at_ms};
}

/* The number of batches at the front with times before `until_ms`. */
static size_t n_before(const struct host_queue *q, int64_t until_ms)
{
    size_t n = 0;

    while (n < q->n && q->waiting[n].at_ms < until_ms)
        n++;
    return n;
}

struct host_position *positions_take(struct positions *p, int64_t until_ms, size_t *ret_n)
{
    struct host_position *list = NULL;
    size_t size = 0;

    *ret_n = 0;
    map_foreach(&p->hosts, e) {
        struct host_queue *q = e->value;
        size_t n = n_before(q, until_ms);

        if (n == 0)
            continue;
        if (*ret_n == size) {
            size = size * 2 + 16;
            list = xrealloc(list, size, sizeof(*list));
        }
        list[(*ret_n)++] = (struct host_position){xstrdup(e->key), q->waiting[n - 1].at};
        q->n -= n;
        memmove(q->waiting, q->waiting + n, q->n * sizeof(q->waiting[0]));
    }
    return list;
}

void positions_give_back(struct positions *p, const struct host_position *at)
{
    if (queue_of(p, at->host)->n == 0)
        positions_took(p, at->host, &at->at, INT64_MIN);
}

void positions_lose(struct positions *p, const char *host)
{
    struct host_queue *q = queue_of(p, host);

    if (!q->is_lost)
        p->n_lost++;
    q->is_lost = true;
    q->n = 0;
}

char **positions_resume(struct positions *p, size_t *ret_n)
{
    char **list;

    *ret_n = 0;
    if (p->n_lost == 0)
        return NULL;
    list = xcalloc(p->n_lost, sizeof(*list));
    map_foreach(&p->hosts, e) {
        struct host_queue *q = e->value;

        if (q->is_lost)
            list[(*ret_n)++] = xstrdup(e->key);
        q->is_lost = false;
    }
    p->n_lost = 0;
    return list;
}

void positions_set(struct positions *p, const char *host, const struct history_position *at)
{
    struct host_queue *q = queue_of(p, host);

    q->written = *at;
    q->is_known = true;
}

bool positions_get(const struct positions *p, const char *host, struct history_position *ret)
{
    const struct host_queue *q = map_find(&p->hosts, host);

    if (!q || !q->is_known)
        return false;
    *ret = q->written;
    return true;
}
