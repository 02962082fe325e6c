#pragma once

/*
 * The feed on fakes of the network and of authentication, with a host "h" and its containers a and
 * b, for the unit tests of this folder.
 */

#include "server/auth/auth.h"
#include "server/auth/watch.h"
#include "server/common/fake_net.h"
#include "server/feed/feed.h"
#include "server/stats/stats.h"

#define TICK_MS   100
#define MAX_QUEUE 3000000
#define ID_A      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define A12       "aaaaaaaaaaaa"

struct fixture {
    struct fleet *fleet;
    struct stats *stats;
    struct feed *feed;
    struct fleet_host *h;
    struct feed_listener listener;
    unsigned n_watched;
};

extern bool feed_fixture_subscribes_first; /* set by the setup */
extern struct identity feed_fixture_caller;
extern auth_watch_fn feed_fixture_on_ended;
extern void *feed_fixture_ended_owner;

struct fleet_host *feed_fixture_put_host(struct fixture *f, const char *id);
json_t *feed_fixture_element(const char *id, const char *name, const char *team);
json_t *feed_fixture_large_element(const char *id, const char *name, const char *text);
void feed_fixture_put_containers(struct fixture *f, json_t *list);
int feed_fixture_setup(void **state);
int feed_fixture_teardown(void **state);
struct ws *feed_fixture_dial(struct fixture *f);
const json_t *feed_fixture_expect(struct ws *ws, const char *type);
void feed_fixture_subscribe(struct ws *ws, const char *topic);
size_t feed_fixture_count_elements(const json_t *m, const char *section);
void feed_fixture_limit_to(const char *rule);
