#pragma once

/*
 * Pushes the container list to a server that asked for it: a snapshot in parts when the session starts and
 * when events may have been missed, deltas after events (collected for 100 ms; only the containers they
 * name are read again), and once a minute whatever has changed without an event (uptimes, for one).
 */

#include "agent/common/sender.h"
#include "agent/engine/events.h"
#include "agent/engine/facts.h"

#define INVENTORY_PART_SIZE ((size_t)1 << 20)

struct inventory;

struct inventory_options {
    struct engine *engine;
    struct facts *facts;
    struct events *events;
    const struct sender *sender; /* outlives the inventory */
};

struct inventory *inventory_new(const struct inventory_options *o);
void inventory_free(struct inventory *inv);
DEFINE_CLEANUP(struct inventory *, inventory_free);

void inventory_pump(struct inventory *inv);   /* there are new events */
void inventory_resync(struct inventory *inv); /* send everything anew */

/* Equal for two elements that say the same, whatever the order inside their arrays. */
uint64_t inventory_hash_element(struct json_span element);
