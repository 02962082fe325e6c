#include "server/session/internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/samples.h"
#include "server/session/sample.h"

#define ACK_MS         5000 /* batches of a second apart do not each need an answer */
#define MAX_TIME_MS    INT64_C(1000000000000000)
#define CLOCK_SLACK_MS INT64_C(60000) /* what a slow link alone can make of the time of a message */

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

size_t sessions_count(const struct sessions *s)
{
    return s->live.size;
}

void session_note_clock(struct session *se, const json_t *message)
{
    const char *text = json_text_get(message, "timestamp");
    int64_t now_ms = time_utc_ms(), ns;

    if (!text || time_parse_ns(text, &ns) < 0)
        return;
    se->clock_offset_ms = now_ms - ns / 1000000;
    if (llabs(se->clock_offset_ms) <= CLOCK_SLACK_MS)
        se->clock_offset_ms = 0;
}

/* Our time of what the agent's clock says. */
static int64_t session_time(struct session *se, int64_t at_ms)
{
    if (at_ms < 0 || at_ms > MAX_TIME_MS)
        return at_ms; /* no clock */
    if (se->clock_offset_ms != 0 && llabs(time_utc_ms() - at_ms) <= CLOCK_SLACK_MS)
        se->clock_offset_ms = 0; /* it was set right meanwhile */
    return at_ms + se->clock_offset_ms;
}

void sessions_notify_samples(const struct sessions *s,
                             const struct fleet_host *h,
                             const struct samples *batch)
{
    if (s->o.observer.on_samples)
        s->o.observer.on_samples(s->o.observer.owner, h, batch);
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
    s.at_ms = session_time(se, s.at_ms);
    sessions_notify_samples(se->owner, h, &s);
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
