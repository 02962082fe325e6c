#include "server/logs/merge.h"

void log_merge_put(struct log_merge_input *input, struct log_merge_item *item, uint64_t now_ms)
{
    list_init(&item->link);
    list_append(&input->items, &item->link);
    input->heard_ms = now_ms;
}

static const struct log_merge_item *first_of(const struct log_merge_input *input)
{
    return CONTAINER_OF(input->items.next, struct log_merge_item, link);
}

static bool is_better(const struct log_merge_input *a, const struct log_merge_input *b)
{
    if (!b || a->is_partial != b->is_partial)
        return !b || a->is_partial;
    return first_of(a)->time_ns < first_of(b)->time_ns;
}

struct log_merge_input *log_merge_next(struct list *inputs, uint64_t now_ms, uint64_t *ret_wait_ms)
{
    struct log_merge_input *best = NULL;
    uint64_t wait_ms = 0;

    for (struct list *l = inputs->next; l != inputs; l = l->next) {
        struct log_merge_input *input = CONTAINER_OF(l, struct log_merge_input, link);
        uint64_t idle_ms = input->heard_ms + LOG_MERGE_IDLE_MS;

        if (!list_empty(&input->items)) {
            if (is_better(input, best))
                best = input;
        } else if (idle_ms > now_ms && idle_ms - now_ms > wait_ms) {
            wait_ms = idle_ms - now_ms; /* its next item may be older */
        }
    }
    *ret_wait_ms = best ? wait_ms : 0;
    if (best && first_of(best)->time_ns == INT64_MIN)
        *ret_wait_ms = 0;
    return *ret_wait_ms ? NULL : best;
}

struct log_merge_item *log_merge_take(struct log_merge_input *input)
{
    struct log_merge_item *item = CONTAINER_OF(list_take_first(&input->items),
                                               struct log_merge_item, link);

    input->is_partial = item->is_partial;
    return item;
}
