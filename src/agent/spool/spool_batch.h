#pragma once

/*
 * A batch as the spool keeps it: the message, and before it when it was made by a clock that nobody sets, the time since
 * boot. What is sent late says its age by that clock, so that a wall clock that was wrong meanwhile does no harm.
 */

#include "agent/spool/spool_record.h"
#include "proto/samples.h"

/* Kinds of records: with the time, and of versions that did not write it. */
#define SPOOL_BATCH_BARE 1
#define SPOOL_BATCH      3

/* Of a message, so that there is room for what makes it a late one. */
#define SPOOL_BATCH_MAX (SAMPLES_MAX_SIZE - 64)

struct spool_clock {
    uint64_t boot;    /* which boot of this machine; 0: not known */
    uint64_t boot_ms; /* since then */
    int64_t utc_ms;
};
void spool_clock_read(struct spool_clock *ret);

/* The data of a record of kind SPOOL_BATCH. -EMSGSIZE. */
int spool_batch_pack(const struct samples *batch, const struct spool_clock *now, struct buf *out)
    _nodiscard_;
/* The message in such data, borrowed. */
const void *spool_batch_message(const struct spool_record *r, size_t *ret_size);
/*
 * The message with the word that it is late, and its age unless that cannot be told: by the time since boot or, if that
 * was another boot, by the wall clock. -EBADMSG for what cannot be read any more.
 */
int spool_batch_late(const struct spool_record *r, const struct spool_clock *now, struct buf *out)
    _nodiscard_;
