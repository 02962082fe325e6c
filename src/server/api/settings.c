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
#include "server/feed/feed.h"
#include "server/view/settings_json.h"

#include <errno.h>
#include <stdlib.h>

#define MIN_TIMEZONE (-720) /* minutes */
#define MAX_TIMEZONE 840

/* Argument 0 is the time zone to store, or NULL; number 0 is the one that is stored then. */
static int settings_work(struct api_job *job)
{
    int timezone, r = 0;

    if (job->args[0])
        r = settings_set(job->store, SETTINGS_TIMEZONE, job->args[0], &job->err);
    if (r == 0)
        r = settings_json_read_timezone(job->store, &timezone, &job->err);
    if (r == 0)
        job->numbers[0] = timezone;
    return r;
}

static void settings_done(struct api_job *job)
{
    struct api *api = job->call->api;

    if (job->code == 0) {
        job->result = settings_json(api->o.history != NULL, (int)job->numbers[0]);
        feed_set_settings(api->o.feed, job->result);
    }
    api_job_answer(job);
}

void api_settings_get(struct api_call *call)
{
    api_job_start(api_job_new(call, settings_work, settings_done));
}

static int read_timezone(const json_t *v, struct api_job *job, struct error *err)
{
    json_int_t minutes = json_is_integer(v) ? json_integer_value(v) : (json_int_t)MAX_TIMEZONE + 1;
    bool is_admin = job->who.role == ROLE_ADMIN && !scope_is_limited(&job->who.scope);

    if (minutes < MIN_TIMEZONE || minutes > MAX_TIMEZONE) {
        return error_set(err, -EDOM, "`%s` must be a number of minutes from %d to %d",
                         SETTINGS_TIMEZONE, MIN_TIMEZONE, MAX_TIMEZONE);
    }
    if (is_admin)
        job->args[0] = xasprintf("%" JSON_INTEGER_FORMAT, minutes);
    return 0;
}

/* Clients may send all members back: only another value is refused. */
static int read_settings(const json_t *body, struct api_job *job, struct error *err)
{
    json_t *current = settings_json(job->call->api->o.history != NULL, 0);
    const char *name;
    json_t *value;
    int r = 0;

    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        if (str_eq(name, SETTINGS_TIMEZONE)) {
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
    struct api_job *job = api_job_new(call, settings_work, settings_done);
    struct error err = ERROR_INIT;
    const json_t *body;
    int r;

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
