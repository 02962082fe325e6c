#pragma once

/*
 * The data of a batch in the spool: the message, preceded by the time of its creation on a clock
 * that cannot be set, the time since boot. A late batch is sent with its age by that clock, so that
 * a wall clock that is wrong does no harm.
 */

#include "agent/spool/spool_record.h"
#include "proto/samples.h"

/* Kinds of records: with the time of creation, and without it (written by earlier versions). */
#define SPOOL_BATCH_BARE 1
#define SPOOL_BATCH      3

/* Maximum size of a message, with room for the fields of a late one. */
#define SPOOL_BATCH_MAX (SAMPLES_MAX_SIZE - 64)

struct spool_clock {
    uint64_t boot;    /* identifies a boot of this machine; 0: unknown */
    uint64_t boot_ms; /* time since that boot */
    int64_t utc_ms;
};
void spool_clock_read(struct spool_clock *ret);

/* Appends the data of a record of kind SPOOL_BATCH to `ret`. -EMSGSIZE if it does not fit. */
int spool_batch_pack(const struct samples *batch, const struct spool_clock *now, struct buf *out)
    _nodiscard_;
/* The message in the data of a record; borrowed from it. */
const void *spool_batch_message(const struct spool_record *r, size_t *ret_size);
/*
 * Encodes the message of a record as a late one. Its age is the difference in time since boot or,
 * after another boot, by the wall clock; it is left out if it is unknown. -EBADMSG if the record
 * cannot be decoded.
 */
int spool_batch_late(const struct spool_record *r, const struct spool_clock *now, struct buf *out)
    _nodiscard_;
