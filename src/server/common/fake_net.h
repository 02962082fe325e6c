#pragma once

/*
 * The network layer of unit tests: timers that fire when the test advances the clock, WebSocket
 * peers that record the messages sent to them, and one loop (NULL) that only watches descriptors
 * for input. Linked in place of net/loop.c and net/ws.c.
 */

#include "net/http_server.h"
#include "net/loop.h"
#include "net/ws.h"
#include <jansson.h>
#include <stdbool.h>

#define FAKE_MAX_SENT 128

struct ws {
    const struct ws_handler *handler;
    void *owner;
    struct ws_limits limits;
    json_t *sent[FAKE_MAX_SENT];
    size_t n_sent, n_read; /* n_read: returned by fake_ws_next() */
    unsigned close_code;   /* 0: open */
    bool is_paused;
    char close_reason[128];
    int send_code; /* returned by the next sends */
    size_t queued; /* returned by ws_queued() */
    const char *peer;
};

void fake_advance(uint64_t ms); /* fires timers that become due, in order */
size_t fake_timers_running(void);

struct ws *fake_ws_new(const struct ws_accept *accept, const char *peer);
void fake_ws_receive(struct ws *ws, const char *text);
void fake_ws_receive_json(struct ws *ws, json_t *message); /* takes ownership */
/* The peer has read all that was queued, and accepts more. */
void fake_ws_drain(struct ws *ws);
/* Closes the socket from the peer's side; frees ws. */
void fake_ws_end(struct ws *ws, unsigned code);
/* Returns the next recorded message, or NULL. Borrowed. */
const json_t *fake_ws_next(struct ws *ws);
