#include "server/session/internal.h"

#include <errno.h>

#include "base/log.h"
#include "base/time.h"
#include "proto/samples.h"
#include "server/session/sample.h"

#define ACK_MS 5000 /* batches of a second apart do not each need an answer */

static void acknowledge(struct session *se, const struct samples *s)
{
    uint64_t now_ms = time_monotonic_ms();

    if (se->acked_ms > 0 && now_ms - se->acked_ms < ACK_MS)
        return;
    se->acked_ms = now_ms;
    if (session_send(se, msg_samples_ack_encode(
                             &(struct msg_samples_ack){.epoch = s->epoch, .seq = s->seq})) < 0)
        log_debug(LOG_FIELDS("agent", se->agent_id), "samples are not acknowledged");
}

void session_on_samples(struct session *se, const void *data, size_t size)
{
    struct fleet_host *h = session_host(se);
    struct error err = ERROR_INIT;
    struct samples s;

    if (!h)
        return;
    if (samples_decode(data, size, &s, &err) < 0) {
        session_complain(se, err.msg, NULL);
        return;
    }
    samples_put(h, &s);
    sessions_notify_sample(se->owner, h);
    if (se->owner->o.observer.on_samples)
        se->owner->o.observer.on_samples(se->owner->o.observer.owner, h, &s);
    acknowledge(se, &s);
    samples_done(&s);
}

int sessions_stats_rate(struct sessions *s, const char *agent_id, const struct msg_stats_rate *rate)
{
    struct link *l = map_find(&s->links, agent_id);

    if (!l || !l->session || l->session->state != SESSION_ACTIVE)
        return -ENOTCONN;
    if (!l->session->can_samples)
        return -EOPNOTSUPP;
    return session_send(l->session, msg_stats_rate_encode(rate));
}
