#pragma once

/*
 * Asks the engine who it is, before every attempt to connect to the server.
 *
 * Until it has answered once it is asked again and again, with backoff, because without its identity
 * the agent cannot register. Later an engine that does not answer within 5 s holds
 * nothing up: the identity that is known is used, so that the server sees the host and why it is
 * silent.
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
    struct loop_timer timer; /* of the patience, or of the wait before the next question */
    struct backoff backoff;
    struct engine_info_call *call;
    bool has_identity;
    struct identity identity; /* when has_identity */
};

/* `done` is called once after each inquiry_start(), possibly from inside it: there is an identity. */
void inquiry_init(struct inquiry *q,
                  struct loop *loop,
                  struct engine *engine,
                  const struct config *config,
                  inquiry_fn done,
                  void *owner);
void inquiry_done(struct inquiry *q);

void inquiry_start(struct inquiry *q);
void inquiry_cancel(struct inquiry *q); /* `done` is not called any more; the identity stays */
