#include "daemon/service.h"
#include "base/alloc.h"
#include "base/notify.h"
#include "base/str.h"
#include "base/time.h"

#include <inttypes.h>

#define STARTING_MS 1000
#define RUNNING_MS  5000

struct service {
    struct service_options o;
    struct notify notify;
    struct loop_timer timer;    /* of the next status */
    struct loop_timer watchdog; /* of the next WATCHDOG=1 */
    uint64_t born_ms;
    bool is_ready; /* and READY=1 was delivered */
    bool is_stopping;
    char reported[SERVICE_TEXT_SIZE];
};

static void on_watchdog(struct loop_timer *t)
{
    struct service *s = CONTAINER_OF(t, struct service, watchdog);
    uint64_t half = s->notify.watchdog_ms / 2;

    (void)notify_send(&s->notify, "WATCHDOG=1"); /* a manager without it restarts the process */
    loop_timer_start(s->o.loop, t, half ? half : 1, on_watchdog);
}

static bool may_be_ready(const struct service *s, bool is_ready)
{
    return is_ready || (s->o.patience_ms && time_monotonic_ms() - s->born_ms >= s->o.patience_ms);
}

/*
 * A status is one line: a line break in text from a peer must not become a command to the manager.
 */
static void report(struct service *s)
{
    char text[SERVICE_TEXT_SIZE] = "";
    bool is_ready = may_be_ready(s, s->o.describe(s->o.owner, text));

    for (char *p = text; *p; p++) {
        if (*p == '\n')
            *p = ' ';
    }
    if (is_ready && !s->is_ready) {
        s->is_ready = notify_send(&s->notify, "READY=1\nSTATUS=%s", text) == 0;
    } else if (!str_eq(text, s->reported)) {
        (void)notify_send(&s->notify, "STATUS=%s",
                          text); /* after a loss the next change is reported */
    }
    str_copy(s->reported, sizeof(s->reported), text);
}

static void on_timer(struct loop_timer *t)
{
    struct service *s = CONTAINER_OF(t, struct service, timer);

    report(s);
    loop_timer_start(s->o.loop, t, s->is_ready ? RUNNING_MS : STARTING_MS, on_timer);
}

int service_new(struct service **ret, const struct service_options *o, struct error *err)
{
    _cleanup_(service_freep) struct service *s = xcalloc(1, sizeof(*s));
    int r;

    s->o = *o;
    s->born_ms = time_monotonic_ms();
    r = notify_init(&s->notify, o->env, err);
    if (r < 0)
        return r;
    if (notify_is_wanted(&s->notify))
        loop_timer_start(o->loop, &s->timer, 0, on_timer);
    if (s->notify.watchdog_ms)
        loop_timer_start(o->loop, &s->watchdog, 0, on_watchdog);
    *ret = TAKE_PTR(s);
    return 0;
}

void service_free(struct service *s)
{
    if (!s)
        return;
    loop_timer_stop(&s->timer);
    loop_timer_stop(&s->watchdog);
    notify_done(&s->notify);
    free(s);
}

void service_reloading(struct service *s)
{
    if (!s || !s->is_ready || s->is_stopping)
        return;
    (void)notify_send(&s->notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                      time_monotonic_ms() * 1000);
}

void service_reloaded(struct service *s)
{
    if (!s || !s->is_ready || s->is_stopping)
        return;
    s->is_ready = false; /* so that READY=1 is sent again */
    report(s);
}

/* The watchdog stays armed until the process ends. */
void service_stopping(struct service *s)
{
    if (!s || s->is_stopping)
        return;
    s->is_stopping = true;
    loop_timer_stop(&s->timer);
    (void)notify_send(&s->notify, "STOPPING=1\nSTATUS=stopping");
}
