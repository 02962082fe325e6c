#pragma once

/*
 * The inventory pushes the container list to a server that supports it, so that the server never
 * has to poll. It sends two messages:
 *
 *   snapshot   the whole list, in parts of at most INVENTORY_PART_SIZE; replaces the server's list.
 *              Sent at the start of a session, and after events may have been missed
 *   delta      changed and removed containers. Sent after events, and after a check
 *
 * One list of containers is read at a time (engine/container_list.h), for one of these kinds of
 * work, in this order of precedence:
 *
 *   READ       the containers of inventory_read(): an operation has changed them, and its reply
 *              must not be sent before their new state
 *   SNAPSHOT   all containers are read and sent
 *   DELTA      only dirty containers are read; those that differ are sent
 *   CHECK      all containers are read once a minute, and those that differ are sent, because some
 *              changes, such as uptimes, have no event
 *
 * Terms:
 *
 *   element    the description of a container in the list, the text of the engine; see facts.h for
 *              the members that are added
 *   known      the hash of the last element that was sent for each container; an element with the
 *              same hash is not sent again
 *   dirty      containers that an event named. Each is read 100 ms, 1 s and 5 s after it, because
 *              the engine sends "die" before its own list shows the change
 *   asked      the dirty containers that the current list reads
 *   round      number of the last list; a known container with an older round is not in it
 *
 * After a failure to read or to send, the server's list may be wrong, so a snapshot follows 3 s
 * later. The session owns the inventory; inventory_free() cancels everything. Only
 * reads call back.
 */

#include "agent/common/sender.h"
#include "agent/engine/events.h"
#include "agent/engine/facts.h"
#include "base/container_id.h"
#include "base/list.h"

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

void inventory_pump(struct inventory *inv);   /* reads new events; call it after each */
void inventory_resync(struct inventory *inv); /* sends a snapshot as soon as possible */

/*
 * One container that is read and sent ahead of all other work. The storage is the caller's and
 * stays until `done`, which is called once, or until inventory_read_cancel(). By then the state was
 * sent, if it differs from the last one that was sent.
 *
 *   code      0; -ENOENT: the list does not contain it; -ECANCELED: the inventory was freed; or
 *             another failure
 *   element   when code is 0; valid during the call
 */
struct inventory_read {
    struct list link;
    char id[CONTAINER_ID_SIZE];
    void (*done)(struct inventory_read *r, int code, struct json_span element);
};

/* `id` is the full id. `done` is never called before this has returned. */
void inventory_read(struct inventory *inv, struct inventory_read *r, const char *id);
/* Whether the state of the container was sent at all. */
bool inventory_knows(const struct inventory *inv, const char *id);
void inventory_read_cancel(struct inventory_read *r); /* harmless on a zeroed or finished one */

/* A hash of an element that does not depend on the order inside its arrays. */
uint64_t inventory_hash_element(struct json_span element);
