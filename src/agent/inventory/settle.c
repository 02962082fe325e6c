#include "agent/inventory/settle.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "docker/model/container.h"

#include <errno.h>

#define FIRST_DELAY_MS 10 /* the next ones are longer, by the factor 2 */

struct settle {
    struct settle_options o;
    char id[CONTAINER_ID_SIZE];
    struct engine_call *call;
    struct inventory_read read;
    struct loop_timer timer;
    struct container_summary truth; /* by the engine's description */
    bool is_gone;
    uint64_t until_ms, delay_ms;
};

static void finish(struct settle *s)
{
    s->o.done(s->o.owner); /* s is gone now */
}

static void inspect(struct settle *s);

static void on_timer(struct loop_timer *t)
{
    struct settle *s = CONTAINER_OF(t, struct settle, timer);

    if (time_monotonic_ms() >= s->until_ms) {
        finish(s); /* s is gone now */
    } else {
        inspect(s);
    }
}

static void wait_ms(struct settle *s, uint64_t ms)
{
    loop_timer_start(engine_loop(s->o.engine), &s->timer, ms, on_timer);
}

static void give_up(struct settle *s)
{
    s->until_ms = 0;
    wait_ms(s, 0);
}

static void on_read(struct inventory_read *r, int code, struct json_span element)
{
    struct settle *s = CONTAINER_OF(r, struct settle, read);

    if ((code < 0 && code != -ENOENT) || (code == -ENOENT && s->is_gone) ||
        (code == 0 && !s->is_gone && container_element_is(element, &s->truth))) {
        finish(s); /* s is gone now */
        return;
    }
    wait_ms(s, s->delay_ms);
    s->delay_ms *= 2;
}

static void on_inspect(void *owner, const struct engine_reply *reply)
{
    struct settle *s = owner;
    struct checked_text text;

    s->call = NULL;
    s->is_gone = reply->code == -ENOENT;
    if (reply->code < 0 && !s->is_gone) {
        give_up(s);
        return;
    }
    if (!s->is_gone) {
        if (checked_text_init(&text, reply->body, reply->size, NULL) < 0) {
            give_up(s);
            return;
        }
        container_inspect_summary(checked_text_span(&text), &s->truth);
        checked_text_done(&text);
    }
    inventory_read(s->o.inventory, &s->read, s->id);
}

static void inspect(struct settle *s)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", s->id);

    if (engine_call_start(
            &s->call, s->o.engine,
            &(struct engine_request){
                .path = path, .timeout_ms = SETTLE_MS, .done = on_inspect, .owner = s},
            NULL) < 0)
        give_up(s);
}

struct settle *settle_start(const struct settle_options *o)
{
    struct settle *s = xcalloc(1, sizeof(*s));

    s->o = *o;
    str_copy(s->id, sizeof(s->id), o->id);
    s->read.done = on_read;
    s->until_ms = time_monotonic_ms() + SETTLE_MS;
    s->delay_ms = FIRST_DELAY_MS;
    facts_on_event(o->facts, "container", "update", s->id); /* the event may still be under way */
    inspect(s);
    return s;
}

void settle_free(struct settle *s)
{
    if (!s)
        return;
    engine_call_cancel(s->call);
    inventory_read_cancel(&s->read);
    loop_timer_stop(&s->timer);
    free(s);
}
