#include "agent/update/self_feed.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/envelope.h"

#include <stdlib.h>

struct self_feed {
    const struct sender *sender;
    struct self_update_listener listener;
};

static void on_change(struct self_update_listener *l, const struct self_update_record *r)
{
    const struct self_feed *f = CONTAINER_OF(l, struct self_feed, listener);
    int code = sender_send(f->sender, envelope_event("self_update_progress",
                                                     self_update_record_encode(r), time_utc_ms()));

    if (code < 0)
        log_warn(NULL, "could not report the self-update: %s", error_text(code));
}

struct self_feed *self_feed_new(struct self_update *su, const struct sender *sender)
{
    struct self_feed *f = xcalloc(1, sizeof(*f));

    f->sender = sender;
    f->listener.on_change = on_change;
    self_update_add_listener(su, &f->listener);
    if (self_update_record(su))
        on_change(&f->listener, self_update_record(su));
    return f;
}

void self_feed_free(struct self_feed *f)
{
    if (!f)
        return;
    self_update_remove_listener(&f->listener);
    free(f);
}
