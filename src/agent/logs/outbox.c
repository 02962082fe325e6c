#include "agent/logs/outbox.h"
#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define BATCH_COST ((int64_t)16 * 1024) /* a batch of this cost is full */
/* The JSON text of a batch: control characters take six times their size. */
#define BATCH_MAX ((size_t)1 << 20)

struct batch {
    struct list link;
    struct buf lines; /* JSON text: the elements of an array, without its brackets */
    int64_t cost;
};

void log_outbox_init(struct log_outbox *box, const struct channel *channel, int64_t window)
{
    *box = (struct log_outbox){.channel = channel, .credit = window};
    list_init(&box->batches);
}

static void batch_free(struct batch *b)
{
    buf_done(&b->lines);
    free(b);
}

void log_outbox_done(struct log_outbox *box)
{
    while (!list_empty(&box->batches))
        batch_free(CONTAINER_OF(list_take_first(&box->batches), struct batch, link));
}

bool log_outbox_is_empty(const struct log_outbox *box)
{
    return list_empty(&box->batches);
}

static struct batch *open_batch(struct log_outbox *box)
{
    struct batch *b = CONTAINER_OF(box->batches.prev, struct batch, link);

    if (!list_empty(&box->batches) && b->cost < BATCH_COST)
        return b;
    b = xcalloc(1, sizeof(*b));
    buf_init(&b->lines, BATCH_MAX);
    list_init(&b->link);
    list_append(&box->batches, &b->link);
    return b;
}

void log_outbox_add(struct log_outbox *box, const struct msg_log_line *line)
{
    struct batch *b = open_batch(box);
    int r;

    r = buf_printf(&b->lines, "%s[%d,%lld,", b->lines.size ? "," : "", (int)line->kind,
                   (long long)line->time_ns);
    if (r == 0)
        r = json_append_string(&b->lines, line->text, line->size);
    if (r == 0)
        r = buf_append_str(&b->lines, line->is_partial ? ",true]" : "]");
    assert(r == 0);
    b->cost += (int64_t)line->size + LOG_STREAM_LINE_COST;
}

static int send_batch(const struct log_outbox *box, const struct batch *b)
{
    const struct channel_set *set = box->channel->set;
    struct buf payload = BUF_INIT(BATCH_MAX + 1024);
    int r;

    r = buf_printf(&payload, "{\"%s\":", set->kind->id_key);
    if (r == 0)
        r = json_append_string(&payload, box->channel->id, strlen(box->channel->id));
    if (r == 0) {
        r = buf_printf(&payload, ",\"action\":\"lines\",\"bytes\":%lld,\"lines\":[",
                       (long long)b->cost);
    }
    if (r == 0)
        r = buf_append(&payload, b->lines.data, b->lines.size);
    if (r == 0)
        r = buf_append_str(&payload, "]}");
    if (r == 0) {
        r = sender_send_event(&set->sender, set->kind->event,
                              (struct json_span){payload.data, payload.size});
    }
    buf_done(&payload);
    return r;
}

int log_outbox_pump(struct log_outbox *box)
{
    while (!list_empty(&box->batches) && box->credit > 0) {
        struct batch *b = CONTAINER_OF(box->batches.next, struct batch, link);

        if (sender_is_busy(&box->channel->set->sender) || send_batch(box, b) < 0)
            return -ENOBUFS;
        box->credit -= b->cost;
        batch_free(CONTAINER_OF(list_take_first(&box->batches), struct batch, link));
    }
    return 0;
}
