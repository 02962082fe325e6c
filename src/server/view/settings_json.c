#include "server/view/settings_json.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "server/store/settings.h"

#include <errno.h>
#include <limits.h>

json_t *settings_json(bool has_history, int timezone)
{
    return json_pack("{s:i, s:b, s:b, s:b, s:i, s:i, s:b, s:i, s:i, s:[]}", SETTINGS_TIMEZONE,
                     timezone, "show_host_stats", true, "show_container_stats", true,
                     "default_auto_restart", false, "max_retries", 3, "retry_delay", 30,
                     "stats_persistence_enabled", has_history, "stats_retention_days", 30,
                     "polling_interval", 2, "blackout_windows");
}

int settings_json_read_timezone(struct db *s, int *ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int64_t minutes = 0;
    int r = settings_get(s, SETTINGS_TIMEZONE, &text, err);

    if (r < 0 && r != -ENOENT)
        return r;
    if (text && (parse_i64(text, &minutes) < 0 || minutes > INT_MAX || minutes < INT_MIN))
        minutes = 0;
    *ret = (int)minutes;
    return 0;
}

json_t *settings_json_read(struct db *s, bool has_history)
{
    struct error err = ERROR_INIT;
    int timezone = 0;

    if (settings_json_read_timezone(s, &timezone, &err) < 0)
        log_warn(NULL, "could not read the time zone: %s", err.msg);
    return settings_json(has_history, timezone);
}
