#pragma once

/*
 * A simulated agent: a WebSocket peer and a timer. It registers, keeps its permanent token, sends the list of its
 * made-up containers, answers whatever it is asked with success, and dials again when it loses its connection.
 * It has no Docker and no files.
 */

#include "net/loop.h"
#include "net/ws.h"
#include <stdbool.h>
#include <stdint.h>

#define MEMBER_TOKEN_SIZE 65

enum member_state {
    MEMBER_IDLE, /* waits for its turn to dial */
    MEMBER_DIALLING,
    MEMBER_JOINING, /* register is sent */
    MEMBER_ONLINE,
    MEMBER_N_STATES,
};

struct fleet;

struct member {
    struct fleet *fleet;
    struct ws *ws;           /* NULL while idle */
    struct loop_timer timer; /* the next dial, or the next heartbeat */
    uint32_t index;
    uint8_t state;                 /* enum member_state */
    uint8_t attempts;              /* dials that failed in a row */
    char token[MEMBER_TOKEN_SIZE]; /* permanent; "" before the registration */
};

/* What all members share. */
struct fleet {
    struct loop *loop;
    char *url;                /* of the agents' WebSocket */
    char *registration_token; /* for those that have no permanent one */
    char *prefix;             /* of engine ids and host names */
    bool is_insecure;
    uint64_t n_containers; /* of each member */
    uint64_t heartbeat_ms; /* 0: none but the WebSocket's pings */
    uint64_t reply_ms;     /* how long an operation takes */

    uint64_t n_in_state[MEMBER_N_STATES];
    uint64_t n_lost, n_refused, n_commands, n_events; /* so far */
};

void member_init(struct member *m, struct fleet *f, uint32_t index);
void member_dial_after(struct member *m, uint64_t delay_ms);
void member_drop(
    struct member *m); /* abruptly, as a broken network would; the next dial is the caller's */
/* Event number `n` of a container that starts or stops, and how it looks then. False: not online, or none to report. */
bool member_report_event(struct member *m, uint64_t n);
void member_done(struct member *m);
