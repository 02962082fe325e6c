/*
 * /api/admin/log-level. The level set here lasts until the next reload or restart; the
 * configuration has the permanent one.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "server/api/handlers.h"

#include <errno.h>

#define MAX_LEVEL 16

void log_level_get(struct api_call *call)
{
    api_reply(call, 200, json_pack("{s:s}", "level", log_level_name(log_get_level())));
}

void log_level_put(struct api_call *call)
{
    struct error err = ERROR_INIT;
    const char *text = NULL;
    enum log_level level = LOG_LEVEL_INFO;
    const json_t *body;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0)
        r = api_body_string(body, "level", MAX_LEVEL, &text, &err);
    if (r == 0 && log_level_parse(text, &level) < 0)
        r = error_set(&err, -EDOM, "`level` must be debug, info, warning or error");
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    call->target = xstrdup(log_level_name(level));
    log_info(LOG_FIELDS("log_level", log_level_name(level), "who", call->who.name),
             "the log level was changed");
    log_set_level(level);
    log_level_get(call);
}
