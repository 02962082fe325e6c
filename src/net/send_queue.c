#include "net/send_queue.h"
#include "base/state.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#define KEPT_QUEUE          ((size_t)16 * 1024)
#define CONSUME_LARGE_QUEUE ((size_t)256 * 1024)

static const struct state_row states[] = {
    STATE_ROW(SEND_QUEUE_OPEN, "open", STATE_TO(SEND_QUEUE_ENDING) | STATE_TO(SEND_QUEUE_BROKEN)),
    STATE_ROW(SEND_QUEUE_ENDING, "ending", STATE_TO(SEND_QUEUE_ENDED)),
    STATE_ROW(SEND_QUEUE_ENDED, "ended", 0),
    STATE_ROW(SEND_QUEUE_BROKEN, "broken", STATE_TO(SEND_QUEUE_ENDED)),
};
static const struct state_machine machine = STATE_MACHINE("send queue", states);

static void set_state(struct send_queue *q, enum send_queue_state state)
{
    state_check(&machine, q->name, q->state, state);
    q->state = state;
}

void send_queue_init(struct send_queue *q, size_t max, const char *name)
{
    *q = (struct send_queue){.queue = BUF_INIT(max), .name = name};
}

void send_queue_done(struct send_queue *q)
{
    buf_done(&q->queue);
}

static void drop_sent(struct send_queue *q)
{
    buf_consume(&q->queue, q->sent);
    q->sent = 0;
}

int send_queue_append(struct send_queue *q, const void *data, size_t size)
{
    if (q->state == SEND_QUEUE_ENDING || q->state == SEND_QUEUE_ENDED)
        return -EPIPE;
    if (q->state == SEND_QUEUE_BROKEN)
        return 0;
    if (q->sent > 0 && size > q->queue.max - q->queue.size)
        drop_sent(q);
    return buf_append(&q->queue, data, size) < 0 ? -ENOBUFS : 0;
}

int send_queue_end(struct send_queue *q)
{
    if (q->state == SEND_QUEUE_ENDING || q->state == SEND_QUEUE_ENDED)
        return -EPIPE;
    set_state(q, q->state == SEND_QUEUE_BROKEN ? SEND_QUEUE_ENDED : SEND_QUEUE_ENDING);
    return 0;
}

void send_queue_break(struct send_queue *q)
{
    if (q->state == SEND_QUEUE_OPEN)
        set_state(q, SEND_QUEUE_BROKEN);
}

bool send_queue_is_waiting(const struct send_queue *q)
{
    return q->queue.size > q->sent && q->state < SEND_QUEUE_ENDED;
}

size_t send_queue_queued(const struct send_queue *q)
{
    return q->queue.size - q->sent;
}

static void finish(struct send_queue *q, struct wire *w)
{
    if (q->queue.capacity > KEPT_QUEUE) {
        buf_done(&q->queue);
    } else {
        buf_clear(&q->queue);
    }
    q->sent = 0;
    if (q->state != SEND_QUEUE_ENDING)
        return;
    if (w->ssl) {
        /* close_notify, the half-close of TLS; the peer's answer is read as its end */
        (void)SSL_shutdown(w->ssl);
    } else {
        (void)shutdown(w->fd, SHUT_WR); /* a dead peer shows when reading */
    }
    set_state(q, SEND_QUEUE_ENDED);
}

void send_queue_flush(struct send_queue *q, struct wire *w)
{
    while (send_queue_is_waiting(q)) {
        ssize_t n = wire_send(w, q->queue.data + q->sent, q->queue.size - q->sent);

        if (n == -EAGAIN)
            break;
        if (n < 0) {
            set_state(q, q->state == SEND_QUEUE_ENDING ? SEND_QUEUE_ENDED : SEND_QUEUE_BROKEN);
            break;
        }
        q->sent += (size_t)n;
    }
    if (!send_queue_is_waiting(q)) {
        finish(q, w);
    } else if (q->sent >= CONSUME_LARGE_QUEUE) {
        drop_sent(q);
    }
}
