#pragma once

/*
 * Sends over the link's open connection, once the agent is registered: text messages of the
 * session, batches of the spool (spool/batch_sink.h), and heartbeats. The link owns the WebSocket
 * and sets and clears `ws`; while it is NULL, nothing can be sent.
 */

#include "agent/spool/batch_sink.h"
#include "net/loop.h"
#include "net/ws.h"

#define UPLINK_HEARTBEAT_MS 60000

struct uplink {
    struct loop *loop;
    struct ws *ws; /* owned by the link; NULL: not connected */
    struct batch_sink sink;
    struct loop_timer heartbeat;
};

void uplink_init(struct uplink *u, struct loop *loop);

void uplink_start_heartbeat(struct uplink *u);
void uplink_stop_heartbeat(struct uplink *u);

/*
 * Callbacks of session_options; `owner` is the uplink. -ENOTCONN: not connected; -ENOBUFS: the
 * queue is full.
 */
int uplink_send(void *owner, const char *text, size_t size);
size_t uplink_queued(void *owner);
int uplink_ask_receipt(void *owner, uint64_t number);
