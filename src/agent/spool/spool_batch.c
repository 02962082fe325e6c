#include "agent/spool/spool_batch.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/time.h"

#include <errno.h>

#define STAMP_SIZE    16 /* boot, boot_ms */
#define BOOT_ID       "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 64

/* The first 16 hex digits of the kernel's boot id, which is the same in all containers. */
static uint64_t read_boot(void)
{
    _cleanup_free_ char *text = NULL;
    uint64_t boot = 0;
    size_t size = 0, n = 0;

    if (file_read(BOOT_ID, BOOT_ID_BYTES, &text, &size, NULL) < 0)
        return 0;
    for (size_t i = 0; i < size && n < 16; i++) {
        char c = text[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
            boot = boot << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
            n++;
        }
    }
    return n == 16 ? boot : 0;
}

void spool_clock_read(struct spool_clock *ret)
{
    static uint64_t boot;

    if (boot == 0)
        boot = read_boot();
    *ret = (struct spool_clock){.boot = boot, .boot_ms = time_boot_ms(), .utc_ms = time_utc_ms()};
}

int spool_batch_pack(const struct samples *batch, const struct spool_clock *now, struct buf *out)
{
    char stamp[STAMP_SIZE];
    size_t before = out->size;
    int r;

    spool_number_put(stamp, now->boot, 8);
    spool_number_put(stamp + 8, now->boot_ms, 8);
    r = buf_append(out, stamp, sizeof(stamp));
    if (r == 0)
        r = samples_encode(batch, out);
    if (r == 0 && out->size - before - STAMP_SIZE > SPOOL_BATCH_MAX)
        r = -EMSGSIZE;
    return r;
}

const void *spool_batch_message(const struct spool_record *r, size_t *ret_size)
{
    size_t skip = r->kind != SPOOL_BATCH ? 0 : r->size < STAMP_SIZE ? r->size : STAMP_SIZE;

    *ret_size = r->size - skip;
    return (const char *)r->data + skip;
}

/* The age in ms; -1: unknown. */
static int64_t find_age(const struct spool_record *r,
                        const struct spool_clock *now,
                        const struct samples *batch)
{
    uint64_t boot = 0, boot_ms = 0;

    if (r->kind == SPOOL_BATCH) {
        boot = spool_number_get(r->data, 8);
        boot_ms = spool_number_get((const char *)r->data + 8, 8);
    }
    if (boot != 0 && boot == now->boot && boot_ms <= now->boot_ms)
        return (int64_t)(now->boot_ms - boot_ms);
    /* Also correct if the clock is as wrong as it was then. Unknown if the clock was set back. */
    return batch->at_ms <= now->utc_ms ? now->utc_ms - batch->at_ms : -1;
}

int spool_batch_late(const struct spool_record *r, const struct spool_clock *now, struct buf *out)
{
    struct samples batch;
    size_t size;
    const void *message = spool_batch_message(r, &size);
    int code = samples_decode(message, size, &batch, NULL);

    if (code < 0)
        return code;
    batch.is_late = true;
    batch.age_ms = find_age(r, now, &batch);
    batch.has_age = batch.age_ms >= 0;
    code = samples_encode(&batch, out);
    samples_done(&batch);
    return code;
}
