#pragma once

/*
 * A simulated agent: a WebSocket peer and a timer. It registers, keeps its permanent token, sends
 * the list of its invented containers, answers every command with success, and dials again when it
 * loses its connection. It uses neither Docker nor files.
 *
 * States: IDLE -> DIALLING -> JOINING -> ONLINE; a lost or dropped connection returns to IDLE. The
 * caller owns the members and the fleet, and keeps both until the loop has ended.
 */

#include "net/loop.h"
#include "net/ws.h"
#include "proto/samples.h"
#include <stdbool.h>
#include <stdint.h>

#define MEMBER_TOKEN_SIZE 65

enum member_state {
    MEMBER_IDLE, /* waits for its turn to dial */
    MEMBER_DIALLING,
    MEMBER_JOINING, /* has sent register */
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
    uint64_t seq, acked;           /* last batch of samples, last acknowledged one */
    char token[MEMBER_TOKEN_SIZE]; /* permanent; "" before the registration */
};

/* Data that all members share. */
struct fleet {
    struct loop *loop;
    char *url;                /* of the agents' WebSocket */
    char *registration_token; /* for members without a permanent token */
    char *prefix;             /* of engine ids and host names */
    bool is_insecure;
    uint64_t n_containers; /* of each member */
    uint64_t heartbeat_ms; /* 0: WebSocket pings only */
    uint64_t reply_ms;     /* how long an operation takes */
    bool has_samples;      /* members have the capability `samples` */
    uint64_t epoch;        /* of all members' batches */
    struct samples batch;  /* member_report_samples() fills it for each batch */
    struct buf frame;

    uint64_t n_in_state[MEMBER_N_STATES];
    uint64_t n_lost, n_refused, n_commands, n_events; /* so far */
    uint64_t n_batches, n_unsent, n_acked;            /* unsent: the connection took no more */
};

/* Writes the id of container number n, which is below 2^24. */
void member_container_id(const struct member *m, uint64_t n, char ret[SAMPLES_ID_SIZE]);
void member_init(struct member *m, struct fleet *f, uint32_t index);
void member_dial_after(struct member *m, uint64_t delay_ms);
/* Drops the connection as a broken network would; the caller starts the next dial. */
void member_drop(struct member *m);
/*
 * Sends event number `n`, of a container that starts or stops, and the changed container. False:
 * not online, or it has no containers.
 */
bool member_report_event(struct member *m, uint64_t n);
/*
 * Sends a batch of samples of the host and all its containers; values change from batch to batch.
 * In every container blk_write is the time of the batch in ms since 1970 and net_rx 1,000 times its
 * number, so that a client of the server can compute the age of a value. False: not online, or the
 * queue of the connection is full.
 */
bool member_report_samples(struct member *m);
void member_done(struct member *m);
