#pragma once

/*
 * Shared by spool.c (life, acknowledgements, timer), spool_store.c (memory and disk) and
 * spool_send.c (sending); not included elsewhere. spool.h explains the model.
 *
 * Batches are kept in two lists, both oldest first:
 *
 *   items     in memory; each may be stored on disk as well
 *   flights   sent from disk and not acknowledged; their data is on disk only
 *
 * `next` is the place on disk that is sent next. While it is not at the end of the disk, the spool
 * is draining: nothing is sent from memory, because all batches on disk are older.
 */

#include "agent/spool/spool.h"
#include "agent/spool/spool_disk.h"
#include "agent/spool/spool_queue.h"

#define SPOOL_RECEIPT_MS 1000 /* an item without a receipt for longer is stored on disk */

struct spool {
    struct spool_options o;
    uint64_t epoch;
    struct spool_disk disk;
    struct segments_place next;
    struct spool_items items;
    struct spool_flights flights;
    uint64_t asked;          /* number of the last receipt that was asked for */
    struct batch_sink *sink; /* NULL while not connected */
    bool is_connected, is_refused;
    uint64_t acked_ms;    /* of the last progress of acknowledgements, or the last new window */
    uint64_t unsynced_ms; /* of the oldest write that is not synced; 0: none */
    uint64_t n_lost;      /* batches that were dropped for lack of room */
    uint64_t n_dropped;   /* the part of them that was on disk, since it was opened */
    uint64_t n_noted;     /* n_lost when the note was written */
    bool is_loss_logged;  /* since everything was acknowledged last */
    char note[256];
    struct buf frame;
    struct loop_timer timer;
};

/* spool_store.c */
bool spool_open_disk(struct spool *s); /* whether the segments are open */
bool spool_is_draining(const struct spool *s);
/* Refreshes the note shown to users; call after any change of state. */
void spool_refresh_note(struct spool *s);
void spool_sync(struct spool *s);
/* Writes items created until `until_ms` to disk, oldest first; stops at the first failure. */
void spool_store_items(struct spool *s, uint64_t until_ms);
/* Enforces SPOOL_MEMORY: moves items to disk, and drops the oldest if that is not possible. */
void spool_trim_items(struct spool *s);
/* The oldest item that the server may not have received; NULL: it has received all. */
const struct spool_item *spool_first_doubtful(const struct spool *s);
/* The same, if it was made so long ago that a receipt should have come. */
const struct spool_item *spool_first_stalled(const struct spool *s, uint64_t now);

/* spool_send.c */
void spool_send_pending(struct spool *s); /* as much as sink and window allow */
bool spool_is_all_sent(const struct spool *s);
