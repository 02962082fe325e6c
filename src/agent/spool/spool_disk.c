#include "agent/spool/spool_disk.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>

static void handle_failure(struct spool_disk *d, const struct error *err)
{
    if (d->failed_ms == 0)
        log_error(LOG_FIELDS("path", d->dir), "%s are kept in memory only: %s", d->what, err->msg);
    d->failed_ms = time_monotonic_ms();
    str_copy(d->why, sizeof(d->why), err->msg);
    if (d->segments && segments_bytes(d->segments) == 0)
        spool_disk_close(d); /* the next attempt creates the directory again */
}

void spool_disk_log_damage(struct spool_disk *d)
{
    uint64_t n = d->segments ? segments_damaged(d->segments) : 0;

    if (n > d->told_damaged) {
        log_warn(LOG_FIELDS("path", d->dir), "%s: %" PRIu64 " bytes cannot be read and are lost",
                 d->what, n - d->told_damaged);
    }
    d->told_damaged = n;
}

bool spool_disk_open(struct spool_disk *d)
{
    const struct segments_options o = {.dir = d->dir, .max_bytes = d->max_bytes};
    struct error err = ERROR_INIT;

    if (d->max_bytes == 0 ||
        (d->failed_ms > 0 && time_monotonic_ms() - d->failed_ms < SPOOL_DISK_RETRY_MS))
        return false;
    if (d->segments)
        return true;
    if (segments_open(&d->segments, &o, &err) < 0) {
        handle_failure(d, &err);
        return false;
    }
    spool_disk_log_damage(d);
    return true;
}

bool spool_disk_append(struct spool_disk *d, const struct spool_record *r)
{
    struct error err = ERROR_INIT;

    if (segments_append(d->segments, r, &err) < 0) {
        handle_failure(d, &err);
        return false;
    }
    if (d->failed_ms > 0)
        log_info(LOG_FIELDS("path", d->dir), "%s are kept on disk again", d->what);
    d->failed_ms = 0;
    return true;
}

void spool_disk_sync(struct spool_disk *d)
{
    struct error err = ERROR_INIT;

    if (d->segments && segments_sync(d->segments, &err) < 0)
        handle_failure(d, &err);
}

void spool_disk_close(struct spool_disk *d)
{
    segments_close(d->segments);
    d->segments = NULL;
    d->told_damaged = 0;
}
