#include "server/feed/feed_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/auth/credentials.h"
#include "server/fleet/fleet_listener.h"
#include "server/view/agent_json.h"
#include "server/view/settings_json.h"

/* --- fakes of requests and authentication ----------------------------------------------------- */

struct identity feed_fixture_caller;
auth_watch_fn feed_fixture_on_ended;
void *feed_fixture_ended_owner;

struct credentials *credentials_new(const struct http_request *r)
{
    struct credentials *c = xcalloc(1, sizeof(*c));

    c->bearer = xstrdup("key");
    c->peer = xstrdup(r->peer);
    return c;
}

void credentials_free(struct credentials *c)
{
    if (!c)
        return;
    free(c->bearer);
    free(c->peer);
    free(c);
}

bool feed_fixture_subscribes_first;

char *http_request_query(_unused_ const struct http_request *r, _unused_ const char *name)
{
    return xstrdup(feed_fixture_subscribes_first ? "true" : "false");
}

json_t *agent_json_of_host(_unused_ const struct fleet_host *h)
{
    return json_null();
}

void auth_check(_unused_ struct auth *a,
                _unused_ const struct auth_proof *proof,
                auth_identity_fn done,
                void *owner)
{
    done(owner, 0, &feed_fixture_caller);
}

struct auth_watch *auth_watch_start(_unused_ struct auth *a,
                                    _unused_ const struct auth_proof *proof,
                                    _unused_ const struct identity *who,
                                    auth_watch_fn ended,
                                    void *owner)
{
    feed_fixture_on_ended = ended;
    feed_fixture_ended_owner = owner;
    return NULL;
}

void auth_watch_cancel(_unused_ struct auth_watch *w)
{
}

/* --- the fixture ------------------------------------------------------------------------------ */

static void on_watched(struct feed_listener *l, const char *host_id)
{
    struct fixture *f = CONTAINER_OF(l, struct fixture, listener);

    (void)host_id;
    f->n_watched++;
}

struct fleet_host *feed_fixture_put_host(struct fixture *f, const char *id)
{
    struct host row = {.id = (char *)(uintptr_t)id, .name = (char *)(uintptr_t)id};

    return fleet_put_host(f->fleet, &row, NULL);
}

json_t *feed_fixture_element(const char *id, const char *name, const char *team)
{
    return json_pack("{s:s, s:[s], s:s, s:{s:s}}", "Id", id, "Names", name, "State", "running",
                     "Labels", "team", team);
}

/* Labels are cut, but not descriptions of networks. */
json_t *feed_fixture_large_element(const char *id, const char *name, const char *text)
{
    json_t *e = feed_fixture_element(id, name, "x");

    json_text_set(e, "Ports", json_pack("[{s:s}]", "Type", text));
    return e;
}

/* Takes ownership of `list`. */
void feed_fixture_put_containers(struct fixture *f, json_t *list)
{
    (void)fleet_apply_snapshot(f->h, list, 1);
    json_decref(list);
    fleet_notify_containers(f->fleet, f->h);
}

int feed_fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    feed_fixture_subscribes_first = true;
    feed_fixture_caller = (struct identity){.user_id = 1, .name = "u", .role = ROLE_OPERATOR};
    f->fleet = fleet_new();
    f->stats = stats_new(&(struct stats_options){.fleet = f->fleet});
    f->feed = feed_new(
        &(struct feed_options){.auth = (struct auth *)(void *)f, /* see auth_check() */
                               .fleet = f->fleet,
                               .stats = f->stats,
                               .settings = settings_json(true, 60),
                               .max_queue = MAX_QUEUE});
    f->listener.on_watched = on_watched;
    feed_add_listener(f->feed, &f->listener);
    f->h = feed_fixture_put_host(f, "h");
    feed_fixture_put_containers(f, json_pack("[o, o]", feed_fixture_element(ID_A, "/a", "x"),
                                             feed_fixture_element(ID_B, "/b", "y")));
    fake_advance(TICK_MS);
    *state = f;
    return 0;
}

int feed_fixture_teardown(void **state)
{
    struct fixture *f = *state;

    feed_free(f->feed);
    stats_free(f->stats);
    fleet_free(f->fleet);
    free(f);
    assert_int_equal(fake_timers_running(), 0);
    return 0;
}

struct ws *feed_fixture_dial(struct fixture *f)
{
    struct http_request r = {.peer = "192.0.2.1"};
    static const struct ws_rules rules = {
        .role = ROLE_VIEWER,
        .limits = {.max_message = (size_t)64 * 1024, .max_queue = (size_t)16 << 20},
    };
    struct ws_accept accept;

    feed_accept(f->feed, &r, &rules, &accept);
    return fake_ws_new(&accept, "192.0.2.1");
}

/* Returns the next message, which must have this type. */
const json_t *feed_fixture_expect(struct ws *ws, const char *type)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(json_text_get(m, "type"), type);
    return m;
}

void feed_fixture_subscribe(struct ws *ws, const char *topic)
{
    fake_ws_receive_json(ws, json_pack("{s:s, s:[s]}", "type", "subscribe", "topics", topic));
    (void)feed_fixture_expect(ws, "subscribed");
}

size_t feed_fixture_count_elements(const json_t *m, const char *section)
{
    return json_array_size(json_object_get(m, section));
}

void feed_fixture_limit_to(const char *rule)
{
    assert_int_equal(scope_rules_add(&feed_fixture_caller.scope.own, rule, NULL, NULL, NULL), 0);
}
