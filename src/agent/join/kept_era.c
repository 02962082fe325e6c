#include "agent/join/kept_era.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE 64

void kept_era_load(struct kept_era *k, const char *path)
{
    _cleanup_free_ char *text = NULL;
    uint64_t at_ms = 0;
    size_t size;

    *k = (struct kept_era){.path = path};
    if (!path || file_read(path, MAX_FILE, &text, &size, NULL) < 0 || strlen(text) != size)
        return;
    k->is_stored = true;
    if (parse_u64(str_trim(text), INT64_MAX, &at_ms) == 0)
        k->refused_at_ms = (int64_t)at_ms;
}

bool kept_era_is_seed(const struct kept_era *k)
{
    int64_t age_ms = time_utc_ms() - k->refused_at_ms;

    return k->refused_at_ms > 0 && age_ms >= 0 && age_ms < KEPT_ERA_MS;
}

void kept_era_refuse(struct kept_era *k)
{
    k->refused_at_ms = time_utc_ms();
    k->is_stored = false;
}

void kept_era_accept(struct kept_era *k)
{
    k->refused_at_ms = 0;
}

int kept_era_save(struct kept_era *k, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int r;

    if (!k->path || k->is_stored == (k->refused_at_ms > 0))
        return 0;
    if (k->refused_at_ms == 0) {
        (void)unlink(k->path); /* a file that stays is ignored after a day */
        k->is_stored = false;
        return 0;
    }
    text = xasprintf("%" PRId64 "\n", k->refused_at_ms);
    r = file_write_atomic(k->path, text, strlen(text), 0600, err);
    if (r < 0)
        return error_wrap(err, r, "cannot store the era of the server");
    k->is_stored = true;
    return 0;
}
