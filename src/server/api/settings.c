/*
 * GET and PUT /api/settings in the shape of DockMon. Its web UI sets the time zone at every login,
 * for any user. An administrator's is kept; that of others is checked and changes nothing, because
 * it belongs to the installation. The other members describe this server and cannot be changed.
 */

#include "server/store/settings.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"

#include <errno.h>
#include <stdlib.h>

#define TIMEZONE     "timezone_offset" /* minutes east of UTC */
#define MIN_TIMEZONE (-720)            /* minutes */
#define MAX_TIMEZONE 840

static json_t *make_settings(bool has_history, int timezone)
{
    return json_pack("{s:i, s:b, s:b, s:b, s:i, s:i, s:b, s:i, s:i, s:[]}", TIMEZONE, timezone,
                     "show_host_stats", true, "show_container_stats", true, "default_auto_restart",
                     false, "max_retries", 3, "retry_delay", 30, "stats_persistence_enabled",
                     has_history, "stats_retention_days", 30, "polling_interval", 2,
                     "blackout_windows");
}

/* Argument 0 is the time zone to store, or NULL; number 0 tells whether there is a history. */
static int settings_work(struct api_job *job)
{
    _cleanup_free_ char *value = NULL;
    int64_t timezone = 0;
    int r = settings_get(job->store, TIMEZONE, &value, &job->err);

    if (r < 0 && r != -ENOENT)
        return r;
    if (job->args[0] && !str_eq(value, job->args[0])) {
        r = settings_set(job->store, TIMEZONE, job->args[0], &job->err);
        if (r < 0)
            return r;
        free(value);
        value = xstrdup(job->args[0]);
    }
    if (value && parse_i64(value, &timezone) < 0)
        timezone = 0;
    job->result = make_settings(job->numbers[0] != 0, (int)timezone);
    return 0;
}

void api_settings_get(struct api_call *call)
{
    struct api_job *job = api_job_new(call, settings_work, NULL);

    job->numbers[0] = call->api->o.history != NULL;
    api_job_start(job);
}

static int read_timezone(const json_t *v, struct api_job *job, struct error *err)
{
    json_int_t minutes = json_is_integer(v) ? json_integer_value(v) : (json_int_t)MAX_TIMEZONE + 1;
    bool is_admin = job->who.role == ROLE_ADMIN && !scope_is_limited(&job->who.scope);

    if (minutes < MIN_TIMEZONE || minutes > MAX_TIMEZONE) {
        return error_set(err, -EDOM, "`%s` must be a number of minutes from %d to %d", TIMEZONE,
                         MIN_TIMEZONE, MAX_TIMEZONE);
    }
    if (is_admin)
        job->args[0] = xasprintf("%" JSON_INTEGER_FORMAT, minutes);
    return 0;
}

/* Clients may send all members back: only another value is refused. */
static int read_settings(const json_t *body, struct api_job *job, struct error *err)
{
    json_t *current = make_settings(job->numbers[0] != 0, 0);
    const char *name;
    json_t *value;
    int r = 0;

    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        if (str_eq(name, TIMEZONE)) {
            r = read_timezone(value, job, err);
        } else if (!json_equal(value, json_object_get(current, name))) {
            r = error_set(err, -EDOM, "the setting `%.*s` cannot be changed on this server",
                          STR_CUT(name, 64));
        }
        if (r < 0)
            break;
    }
    json_decref(current);
    return r;
}

void api_settings_put(struct api_call *call)
{
    struct api_job *job = api_job_new(call, settings_work, NULL);
    struct error err = ERROR_INIT;
    const json_t *body;
    int r;

    job->numbers[0] = call->api->o.history != NULL;
    r = api_body(call, &body, &err);
    if (r == 0)
        r = read_settings(body, job, &err);
    if (r < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    api_job_start(job);
}
