#pragma once

/*
 * The spool keeps batches of samples until the server has acknowledged them. It outlives sessions,
 * and its part on disk (DATA_PATH/spool) outlives the process.
 *
 * A batch:
 *
 *   CREATED --sent--> SENT --receipt--> RECEIVED --ack--> released
 *     |                 |                  |
 *     '-----------------+------------------'--> also on disk, see below; --ack--> released
 *
 *   receipt     the server's end of the connection has read the batch; answered by a WebSocket pong
 *   ack         the batch is durable in the server's history; can take 13 s
 *   place       (epoch, seq): the epoch of a process, and a number that grows by one per batch. An
 *               ack names one place and covers all batches of the same epoch up to it
 *   late        sent more than 15 s after its creation; carries its age, because the wall clock may
 *               have been wrong at its creation
 *   item        a batch in memory
 *   flight      a batch that was sent from disk and is not acknowledged
 *   window      bytes that may be sent from disk ahead of the acknowledgements (SPOOL_WINDOW)
 *   draining    batches are sent from disk; newer ones wait behind them
 *   segments    the files on disk; dropped oldest first when they exceed max_bytes
 *
 * In normal operation nothing is written to disk. A batch is written if there is no connection, if
 * it has no receipt after 1 s, if it has no ack after 20 s, or if memory is full (SPOOL_MEMORY).
 * The first batch written is synced at once, further ones once per second. If the disk cannot be
 * written, or SPOOL_SIZE is 0, only the items in memory remain, and the oldest are dropped.
 *
 * After a reconnect the server reports the last place that is durable; everything after it is sent
 * in order, first from disk, then from memory.
 *
 * Ownership: the data of items belongs to the list of items and is freed by an ack, by the move to
 * disk, or when the item is dropped. The sink is borrowed between spool_connect() and
 * spool_disconnect(), and is never called outside of that time. The spool never calls back into its
 * caller.
 */

#include "agent/spool/batch_sink.h"
#include "net/loop.h"
#include "proto/samples.h"

struct spool;

#define SPOOL_WINDOW ((size_t)1 << 20)
#define SPOOL_MEMORY ((size_t)1 << 20) /* of items; the newest one may be larger */

struct spool_options {
    struct loop *loop;
    const char *dir;    /* borrowed; created by the first write */
    uint64_t max_bytes; /* on disk; 0: nothing is written */
};

struct spool *spool_new(const struct spool_options *o);
/* Writes unacknowledged batches to disk. NULL is fine. */
void spool_free(struct spool *s);
DEFINE_CLEANUP(struct spool *, spool_free);

/* The epoch of this run: later than every epoch on disk. */
uint64_t spool_epoch(const struct spool *s);

/* Copies the batch. Places must grow. */
void spool_put(struct spool *s, const struct samples *batch);

/* A connection begins: `sink` is borrowed until spool_disconnect(). `has`: the last samples that
 * are durable at the server; epoch 0: none. */
void spool_connect(struct spool *s, struct batch_sink *sink, const struct msg_samples_ack *has);
void spool_disconnect(struct spool *s);
void spool_on_ack(struct spool *s, const struct msg_samples_ack *ack);
void spool_on_receipt(struct spool *s, uint64_t number);
/* The server accepts no samples: drops all batches, and ignores new ones until spool_connect(). */
void spool_refuse(struct spool *s);

/* A note for users that says what is wrong and what it means, or "". */
const char *spool_note(const struct spool *s);

/* For --check: checks whether the directory can be used. */
int spool_check(const char *dir, struct error *err) _nodiscard_;
