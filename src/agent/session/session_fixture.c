#include "agent/session/session_fixture.h"
#include "base/log.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void on_patience(struct loop_timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, patience);

    f->is_timed_out = true;
    loop_stop(f->loop);
}

static int on_send(void *owner, const char *text, size_t size)
{
    struct fixture *f = owner;
    struct error err = ERROR_INIT;

    if (f->send_result < 0)
        return f->send_result;
    assert_true(f->n_sent < MAX_SENT);
    f->sent[f->n_sent] = json_text_parse(text, size, 0, &err);
    if (!f->sent[f->n_sent])
        fail_msg("%s: %.200s", err.msg, text);
    f->n_sent++;
    if (f->wanted && strstr(text, f->wanted)) {
        f->wanted = NULL;
        loop_stop(f->loop);
    } else if (f->n_sent == f->n_wanted) {
        loop_stop(f->loop);
    }
    return 0;
}

void run(struct fixture *f, uint64_t ms)
{
    f->is_timed_out = false;
    loop_timer_start(f->loop, &f->patience, ms, on_patience);
    loop_run(f->loop);
    loop_timer_stop(&f->patience);
}

void wait_sent(struct fixture *f, size_t n)
{
    f->n_wanted = n;
    if (f->n_sent < n)
        run(f, PATIENCE_MS);
    if (f->n_sent < n)
        fail_msg("%zu messages instead of %zu", f->n_sent, n);
}

const json_t *wait_for(struct fixture *f, const char *text)
{
    f->wanted = text;
    run(f, PATIENCE_MS);
    if (f->is_timed_out)
        fail_msg("no message with %s", text);
    return f->sent[f->n_sent - 1];
}

void set_up(struct fixture *f, const struct fake_line *lines, size_t n)
{
    *f = (struct fixture){0};
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(policy_parse("full", &f->policy, NULL), 0);
    f->fake = fake_engine_open(lines, n);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->engine = fake_engine_client(f->fake, f->loop);
    f->facts = facts_new();
    f->events = events_new(f->engine, f->facts);
    f->killer = exec_killer_new(f->engine, "/");
}

void open_session(struct fixture *f, struct session_options o)
{
    o.loop = f->loop;
    o.engine = f->engine;
    o.facts = f->facts;
    o.events = f->events;
    o.killer = f->killer;
    if (!o.policy)
        o.policy = &f->policy;
    o.send = on_send;
    o.owner = f;
    f->session = session_new(&o);
}

void forget_sent(struct fixture *f)
{
    for (size_t i = 0; i < f->n_sent; i++)
        json_decref(f->sent[i]);
    f->n_sent = f->n_wanted = 0;
}

void tear_down(struct fixture *f)
{
    session_free(f->session);
    exec_killer_free(f->killer);
    events_free(f->events);
    facts_free(f->facts);
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
    forget_sent(f);
}

void say(struct fixture *f, const char *text)
{
    session_on_message(f->session, text, strlen(text));
}

const char *text_of(const json_t *message, const char *key)
{
    const char *s = json_text_get(message, key);

    return s ? s : "";
}
