#include "cli/common/polling.h"
#include "base/macros.h"
#include "cli/common/messages.h"
#include "net/loop.h"

#include <signal.h>

#define EXIT_SIGNAL 128 /* plus the signal, as in a shell */

static void on_signal(void *owner, int number)
{
    struct polling *p = owner;

    p->signal = number;
    if (p->is_pausing)
        loop_stop(client_loop(p->client));
}

int polling_start(struct polling *p, struct client *c, struct error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    int r;

    p->client = c;
    r = loop_on_signals(client_loop(c), signals, ARRAY_LEN(signals), on_signal, p);
    return r < 0 ? error_set(err, r, MSG_CANNOT_WATCH, error_text(r)) : 0;
}

static void on_poll(struct loop_timer *t)
{
    loop_stop(t->loop);
}

void polling_pause(struct polling *p, uint64_t ms)
{
    struct loop_timer timer = {0};

    p->is_pausing = true;
    loop_timer_start(client_loop(p->client), &timer, ms, on_poll);
    loop_run(client_loop(p->client));
    loop_timer_stop(&timer);
    p->is_pausing = false;
}

int polling_exit_code(const struct polling *p)
{
    return EXIT_SIGNAL + p->signal;
}
