#include "server/auth/hash_queue.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>

enum { UNKNOWN, KNOWN, CLASSES };

struct hash_class {
    struct list waiting; /* in the order of their submission */
    unsigned n_waiting, max_waiting;
    uint64_t turn; /* of the last job that was started */
};

struct hash_queue {
    struct job_queue *jobs;
    struct hash_class classes[CLASSES];
    struct list running;
    unsigned n_running, n_parallel;
    bool was_known; /* the job that was started last */
};

static struct hash_job *get_job(struct list *link)
{
    return CONTAINER_OF(link, struct hash_job, link);
}

struct hash_queue *hash_queue_new(struct job_queue *jobs, unsigned n_parallel)
{
    struct hash_queue *q = xcalloc(1, sizeof(*q));

    q->jobs = jobs;
    q->n_parallel = n_parallel;
    q->classes[UNKNOWN].max_waiting = HASH_MAX_WAITING;
    q->classes[KNOWN].max_waiting = HASH_MAX_KNOWN;
    for (size_t i = 0; i < CLASSES; i++)
        list_init(&q->classes[i].waiting);
    list_init(&q->running);
    return q;
}

void hash_queue_free(struct hash_queue *q)
{
    if (!q)
        return;
    while (!list_empty(&q->running))
        get_job(list_take_first(&q->running))->queue = NULL;
    for (size_t i = 0; i < CLASSES; i++) {
        while (!list_empty(&q->classes[i].waiting)) {
            struct hash_job *j = get_job(list_take_first(&q->classes[i].waiting));

            j->refuse(j->owner);
        }
    }
    free(q);
}

static void run_work(void *job)
{
    const struct hash_job *j = job;

    j->work(j->owner);
}

static void start_next(struct hash_queue *q);

static void on_done(void *job)
{
    struct hash_job *j = job;
    struct hash_queue *q = j->queue;

    list_unlink(&j->link);
    if (q) {
        q->n_running--;
        start_next(q);
    }
    j->done(j->owner); /* may free the queue */
}

/* Returns the job whose turn is first; the list is not empty. */
static struct hash_job *find_first(const struct hash_class *c)
{
    struct hash_job *first = get_job(c->waiting.next);

    for (struct list *i = c->waiting.next; i != &c->waiting; i = i->next) {
        if (get_job(i)->turn < first->turn)
            first = get_job(i);
    }
    return first;
}

static void start_next(struct hash_queue *q)
{
    while (q->n_running < q->n_parallel) {
        bool is_known = q->classes[KNOWN].n_waiting > 0 &&
                        (!q->was_known || q->classes[UNKNOWN].n_waiting == 0);
        struct hash_class *c = &q->classes[is_known ? KNOWN : UNKNOWN];
        struct hash_job *j;

        if (c->n_waiting == 0)
            return;
        j = find_first(c);
        c->turn = j->turn;
        c->n_waiting--;
        q->was_known = is_known;
        list_unlink(&j->link);
        if (job_submit(q->jobs, j, run_work, on_done) < 0) {
            j->refuse(j->owner);
            continue;
        }
        list_append(&q->running, &j->link);
        q->n_running++;
    }
}

/* Counts the waiting jobs of a source; *ret_newest is the newest of them, or NULL. */
static unsigned count(struct hash_class *c, const char *source, struct hash_job **ret_newest)
{
    unsigned n = 0;

    *ret_newest = NULL;
    for (struct list *i = c->waiting.next; i != &c->waiting; i = i->next) {
        if (str_eq(get_job(i)->source, source)) {
            *ret_newest = get_job(i);
            n++;
        }
    }
    return n;
}

/* Refuses the newest job of the source that has most, if the new job's source has fewer. */
static int make_room(struct hash_class *c, const char *source)
{
    struct hash_job *newest, *victim = NULL;
    unsigned most = count(c, source, &newest) + 1;

    for (struct list *i = c->waiting.next; i != &c->waiting; i = i->next) {
        unsigned n = count(c, get_job(i)->source, &newest);

        if (n > most) {
            most = n;
            victim = newest;
        }
    }
    if (!victim)
        return -ENOBUFS;
    list_unlink(&victim->link);
    c->n_waiting--;
    victim->refuse(victim->owner);
    return 0;
}

int hash_queue_submit(struct hash_queue *q, struct hash_job *j)
{
    struct hash_class *c = &q->classes[j->is_known ? KNOWN : UNKNOWN];
    struct hash_job *newest;

    list_init(&j->link);
    if (j->is_known && c->n_waiting >= c->max_waiting)
        c = &q->classes[UNKNOWN]; /* those places are open to all */
    if (c->n_waiting >= c->max_waiting && make_room(c, j->source) < 0)
        return -ENOBUFS;
    j->queue = q;
    j->turn = c->turn + 1;
    if (count(c, j->source, &newest) > 0)
        j->turn = newest->turn + 1;
    list_append(&c->waiting, &j->link);
    c->n_waiting++;
    start_next(q);
    return 0;
}
