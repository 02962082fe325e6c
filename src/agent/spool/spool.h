#pragma once

/*
 * What was measured and is not acknowledged yet. It outlives sessions, and what is on disk the process.
 *
 * While all is well, batches wait in memory and nothing is written: the server's end of the connection says that it has
 * received them, and later acknowledges that it has them for good. They go to disk (segments.h, DATA_PATH/spool) when
 * there is no connection, when one is not known to have been received a second after it was made, whatever the
 * reason, and when one is not acknowledged for 20 s. What is written there is made safe against a power cut at once when
 * it begins, and then once a second. After a reconnect the server has said what it
 * has for good; the rest is sent in order, oldest first, and marked as late, at most SPOOL_WINDOW bytes ahead of the
 * acknowledgements; what is measured meanwhile waits behind it.
 *
 * A disk that cannot be written, or SPOOL_SIZE=0, leaves a short queue in memory.
 */

#include "agent/spool/batch_sink.h"
#include "net/loop.h"
#include "proto/samples.h"

struct spool;

#define SPOOL_WINDOW ((size_t)1 << 20)
#define SPOOL_MEMORY ((size_t)1 << 20) /* of batches in memory; the newest one may be larger */

struct spool_options {
    struct loop *loop;
    const char *dir;    /* borrowed; made when something is written */
    uint64_t max_bytes; /* on disk; 0: nothing is written */
};

struct spool *spool_new(const struct spool_options *o);
/* What is not acknowledged is written. NULL is fine. */
void spool_free(struct spool *s);
DEFINE_CLEANUP(struct spool *, spool_free);

/* For this run: later than all that is kept from earlier ones. */
uint64_t spool_epoch(const struct spool *s);

void spool_put(struct spool *s, const struct samples *batch); /* with growing places */

/* A connection begins: `sink` is borrowed until spool_disconnect(). `has`: the samples that the server
 * has for good; epoch 0: none. */
void spool_connect(struct spool *s, struct batch_sink *sink, const struct msg_samples_ack *has);
void spool_disconnect(struct spool *s);
void spool_on_ack(struct spool *s, const struct msg_samples_ack *ack);
void spool_on_receipt(struct spool *s, uint64_t number);
/* The server takes no batches: what is kept is dropped, and nothing is kept until one does. */
void spool_refuse(struct spool *s);

/* For whoever looks: "" or what is wrong, and what it means. */
const char *spool_note(const struct spool *s);

/* For --check: whether the directory can be used. */
int spool_check(const char *dir, struct error *err) _nodiscard_;
