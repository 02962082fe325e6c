#include "agent/join/uplink.h"
#include "agent/common/sender.h"
#include "proto/json_text.h"
#include "proto/notice.h"

#include <errno.h>

static int send_batch(struct batch_sink *sink, const void *data, size_t size)
{
    struct uplink *u = CONTAINER_OF(sink, struct uplink, sink);

    return u->ws ? ws_send_binary(u->ws, data, size) : -ENOTCONN;
}

static bool is_busy(struct batch_sink *sink)
{
    const struct uplink *u = CONTAINER_OF(sink, struct uplink, sink);

    return u->ws && ws_queued(u->ws) > SENDER_STREAM_QUEUE;
}

static int ask_receipt(struct batch_sink *sink, uint64_t number)
{
    return uplink_ask_receipt(CONTAINER_OF(sink, struct uplink, sink), number);
}

void uplink_init(struct uplink *u, struct loop *loop)
{
    *u = (struct uplink){
        .loop = loop,
        .sink = {.send = send_batch, .is_busy = is_busy, .ask_receipt = ask_receipt},
    };
}

static void on_heartbeat(struct loop_timer *t)
{
    struct uplink *u = CONTAINER_OF(t, struct uplink, heartbeat);
    json_t *message = msg_heartbeat_encode();
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    json_decref(message);
    (void)uplink_send(u, text, size); /* a full queue means that other messages are sent */
    uplink_start_heartbeat(u);
}

void uplink_start_heartbeat(struct uplink *u)
{
    loop_timer_start(u->loop, &u->heartbeat, UPLINK_HEARTBEAT_MS, on_heartbeat);
}

void uplink_stop_heartbeat(struct uplink *u)
{
    loop_timer_stop(&u->heartbeat);
}

int uplink_send(void *owner, const char *text, size_t size)
{
    const struct uplink *u = owner;

    return u->ws ? ws_send_text(u->ws, text, size) : -ENOTCONN;
}

int uplink_ask_receipt(void *owner, uint64_t number)
{
    const struct uplink *u = owner;

    return u->ws ? ws_ask_receipt(u->ws, number) : -ENOTCONN;
}

size_t uplink_queued(void *owner)
{
    const struct uplink *u = owner;

    return u->ws ? ws_queued(u->ws) : 0;
}
