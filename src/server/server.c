#include "server/server.h"
#include "base/alloc.h"
#include "base/log.h"
#include "daemon/service.h"
#include "net/loop.h"
#include "server/common/job.h"
#include "server/history/history.h"
#include "server/server_internal.h"
#include "server/session/session.h"

#include <errno.h>
#include <signal.h>

static void on_sessions_stopped(struct completion_wait *w)
{
    loop_stop(CONTAINER_OF(w, struct server, sessions_stopped)->loop);
}

/*
 * Agents get a close frame, so that they know the server has stopped and reconnect. Pending
 * commands fail, and their API calls are answered, before the loop ends.
 */
static void stop(struct server *s)
{
    if (s->is_stopping || !s->sessions) { /* a second signal does not wait for goodbyes */
        loop_stop(s->loop);
        return;
    }
    s->is_stopping = true;
    for (size_t i = 0; i < n_server_parts; i++) {
        if (server_parts[i].stop)
            server_parts[i].stop(s);
    }
    sessions_stop(s->sessions, &s->sessions_stopped, on_sessions_stopped);
}

static void on_signal(void *owner, int number)
{
    struct server *s = owner;

    if (s->is_closing)
        return;
    if (number == SIGHUP) {
        server_reload(s);
        return;
    }
    service_stopping(s->service);
    log_info(NULL, "%s received, stopping", number == SIGINT ? "SIGINT" : "SIGTERM");
    stop(s);
}

static int open_loop(struct server *s, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    int r;

    r = loop_new(&s->loop, &(struct loop_options){.user_agent = "dockmon/" DOCKMON_VERSION}, err);
    if (r == 0 && loop_on_signals(s->loop, signals, ARRAY_LEN(signals), on_signal, s) < 0)
        r = error_set(err, -EIO, "signals cannot be watched");
    return r;
}

int server_new(struct server **ret, const struct config *config, struct error *err)
{
    struct server *s = xcalloc(1, sizeof(*s));
    int r;

    r = open_loop(s, err);
    for (size_t i = 0; r == 0 && i < n_server_parts; i++) {
        log_debug(LOG_FIELDS("part", server_parts[i].name), "opening");
        r = server_parts[i].open(s, config, err);
    }
    if (r < 0) {
        server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void server_on_reload(struct server *s, void (*fn)(void *owner), void *owner)
{
    s->on_reload = fn;
    s->reload_owner = owner;
}

void server_run(struct server *s)
{
    loop_run(s->loop);
}

/* Jobs that have begun are finished. The history then writes what they have brought. */
static void drain_jobs(struct server *s)
{
    if (s->auth) /* otherwise the queues are idle, or were never opened */
        job_queues_drain(s->store_jobs, s->hash_jobs);
    history_stop(s->history);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    s->is_closing = true;
    for (size_t i = n_server_parts; i-- > 0;) {
        if (server_parts[i].close)
            server_parts[i].close(s);
    }
    drain_jobs(s);
    for (size_t i = n_server_parts; i-- > 0;) {
        if (server_parts[i].free)
            server_parts[i].free(s);
    }
    loop_free(s->loop);
    free(s);
}
