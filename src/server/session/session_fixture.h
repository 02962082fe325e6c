#pragma once

/*
 * Sessions on a real store and a real job queue, with agents on fake sockets; for the unit tests
 * of this folder.
 */

#include "server/common/fake_net.h"
#include "server/fleet/fleet_listener.h"
#include "server/session/session.h"
#include "server/session/store_fixture.h"
#include <stdbool.h>

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct fixture {
    struct store_fixture store;
    struct job_queue *jobs, *parse_jobs;
    struct fleet *fleet;
    struct fleet_listener listener;
    struct sessions *sessions;
    unsigned n_host_changes, n_container_changes, n_events, n_samples, n_batches, n_steps;
    int64_t last_batch_ms; /* the time of the last batch, by our clock */
    size_t last_batch_containers;
    char last_step[256]; /* the type and the JSON of the last progress */
    char last_event[64];
};

struct joined {
    char agent_id[64], host_id[64], token[80];
};

struct outcome {
    unsigned n_calls;
    int code;
};

int fixture_setup(void **state);
int fixture_setup_no_queue(void **state);
int fixture_teardown(void **state);
void fixture_run_jobs(struct fixture *f);

/* The store, for the thread of the test. A connection to SQLite belongs to one thread at a time: the jobs end before. */
struct db *fixture_store(struct fixture *f);
struct ws *fixture_dial(struct fixture *f, const char *peer);
struct ws *fixture_join(struct fixture *f, const char *name, bool is_ours, struct joined *ret);
struct ws *fixture_join_with(
    struct fixture *f, const char *token, const char *name, bool is_ours, struct joined *ret);
void fixture_command(struct fixture *f, const char *agent_id, struct outcome *o);
unsigned fixture_stored(struct fixture *f, const char *type);
void fixture_no_work(void *job);

json_t *agent_register(const char *token, const char *engine, const char *name, bool is_ours);
void agent_expect_success(struct ws *ws, struct joined *ret);
void agent_expect_refused(struct ws *ws, const char *error, unsigned code);
const char *agent_text(const json_t *m, const char *key);
json_t *agent_container(const char *id, const char *name, const char *state);
json_t *agent_part(const char *id, int number, bool is_last, json_t *containers);
void agent_send_event(struct ws *ws, const char *command, json_t *payload);
void agent_send_start(struct ws *ws);
void agent_answer_list(struct ws *ws, json_t *list);
