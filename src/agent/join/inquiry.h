#pragma once

/*
 * Asks the engine for its identity before every attempt to connect to the server.
 *
 * Without an identity the agent cannot register, so the engine is asked with backoff until it has
 * answered once. Later an engine that does not answer within 5 s delays nothing: the known identity
 * is used, so that the server sees the host and the state of its engine.
 */

#include "agent/join/identity.h"
#include "net/backoff.h"
#include "net/loop.h"

typedef void (*inquiry_fn)(void *owner);

struct inquiry {
    struct loop *loop;
    struct engine *engine;
    const struct config *config;
    inquiry_fn done;
    void *owner;
    struct loop_timer timer; /* deadline of the call, or delay before the next one */
    struct backoff backoff;
    struct engine_info_call *call;
    bool has_identity;
    struct identity identity; /* when has_identity */
};

/*
 * `done` is called once after each inquiry_start(), possibly from inside it; `identity` is valid
 * then.
 */
void inquiry_init(struct inquiry *q,
                  struct loop *loop,
                  struct engine *engine,
                  const struct config *config,
                  inquiry_fn done,
                  void *owner);
void inquiry_done(struct inquiry *q);

void inquiry_start(struct inquiry *q);
void inquiry_cancel(struct inquiry *q); /* `done` is not called; the identity stays */
