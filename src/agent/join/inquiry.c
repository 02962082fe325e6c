#include "agent/join/inquiry.h"
#include "agent/join/advice.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>

#define RETRY_INITIAL_MS 1000
#define RETRY_MAX_MS     10000
#define PATIENCE_MS      5000 /* for an answer while an identity is known */

void inquiry_init(struct inquiry *q,
                  struct loop *loop,
                  struct engine *engine,
                  const struct config *config,
                  inquiry_fn done,
                  void *owner)
{
    *q = (struct inquiry){
        .loop = loop, .engine = engine, .config = config, .done = done, .owner = owner};
    backoff_init(&q->backoff, RETRY_INITIAL_MS, RETRY_MAX_MS);
}

void inquiry_done(struct inquiry *q)
{
    inquiry_cancel(q);
    identity_done(&q->identity);
}

void inquiry_cancel(struct inquiry *q)
{
    loop_timer_stop(&q->timer);
    if (q->call)
        engine_info_cancel(TAKE_PTR(q->call));
}

static void finish(struct inquiry *q)
{
    loop_timer_stop(&q->timer);
    q->done(q->owner);
}

static void on_retry(struct loop_timer *t)
{
    inquiry_start(CONTAINER_OF(t, struct inquiry, timer));
}

static void fail(struct inquiry *q, int code, const char *message)
{
    bool has_answered = code == -EACCES || code == -EPROTONOSUPPORT;
    bool is_first = q->backoff.attempts == 0;
    uint64_t wait_ms = backoff_next(&q->backoff);

    log_write(is_first ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG,
              LOG_FIELDS("engine", q->config->docker_host), "the engine %s: %s; %s",
              has_answered ? "cannot be used" : "does not answer", message,
              advice_engine(q->config->docker_host, code, message));
    if (q->has_identity) {
        finish(q);
    } else {
        loop_timer_start(q->loop, &q->timer, wait_ms, on_retry);
    }
}

static void on_slow(struct loop_timer *t)
{
    struct inquiry *q = CONTAINER_OF(t, struct inquiry, timer);

    engine_info_cancel(TAKE_PTR(q->call));
    fail(q, -ETIMEDOUT, "no answer in time");
}

static void on_info(void *owner, int code, const char *message, struct engine_info *info)
{
    struct inquiry *q = owner;
    struct identity identity;
    struct error err = ERROR_INIT;

    q->call = NULL;
    if (code < 0) {
        fail(q, code, message);
        return;
    }
    if (identity_read(&identity, info, q->config, &err) < 0) {
        fail(q, err.code, err.msg);
        return;
    }
    if (!q->has_identity || !str_eq(q->identity.engine_id, identity.engine_id)) {
        log_info(LOG_FIELDS("engine_id", identity.engine_id, "hostname", identity.hostname,
                            "hostname_source", identity.hostname_source, "docker",
                            identity.docker_version, "container", identity.own_container),
                 "engine found");
    }
    identity_done(&q->identity);
    q->identity = identity;
    q->has_identity = true;
    backoff_reset(&q->backoff);
    finish(q);
}

void inquiry_start(struct inquiry *q)
{
    struct error err = ERROR_INIT;

    if (engine_info_start(&q->call, q->engine, on_info, q, &err) < 0) {
        fail(q, err.code, err.msg);
    } else if (q->has_identity) {
        loop_timer_start(q->loop, &q->timer, PATIENCE_MS, on_slow);
    }
}
