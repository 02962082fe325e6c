#include "net/completion.h"

#include <assert.h>

void completion_await(struct completion *c, struct completion_wait *w, completion_fn fn)
{
    assert(!c->wait && !w->completion);
    c->wait = w;
    w->completion = c;
    w->fn = fn;
}

bool completion_is_awaited(const struct completion *c)
{
    return c->wait;
}

static void on_due(struct loop_timer *t)
{
    struct completion_wait *w = CONTAINER_OF(t, struct completion_wait, timer);

    completion_cancel(w);
    w->fn(w); /* both objects may be gone now */
}

void completion_signal(struct completion *c, struct loop *loop)
{
    if (c->wait && !loop_timer_is_running(&c->wait->timer))
        loop_timer_start(loop, &c->wait->timer, 0, on_due);
}

void completion_done(struct completion *c)
{
    if (c->wait)
        completion_cancel(c->wait);
}

void completion_cancel(struct completion_wait *w)
{
    loop_timer_stop(&w->timer);
    if (w->completion)
        w->completion->wait = NULL;
    w->completion = NULL;
}
