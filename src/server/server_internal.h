#pragma once

/*
 * Shared by server.c (life cycle), wiring.c (parts) and reload.c; nobody else includes it.
 */

#include "base/error.h"
#include "net/completion.h"
#include "server/config.h"
#include <stdbool.h>
#include <stddef.h>

struct server {
    struct loop *loop;
    struct service *service;
    bool is_stopping; /* SIGTERM or SIGINT has come */
    bool is_closing;  /* in server_free(), which turns the loop while jobs end */
    struct completion_wait sessions_stopped;

    /* Called at SIGHUP, after the certificate was read again; may be NULL. */
    void (*on_reload)(void *owner);
    void *reload_owner;

    /* Owned by the parts in wiring.c; NULL until they are opened. */
    struct db *store;
    struct fleet *fleet;
    struct job_queue *store_jobs, *hash_jobs, *parse_jobs;
    struct history *history; /* NULL: none is kept */
    struct stats *stats;
    struct tls_keeper *tls; /* NULL: plain HTTP */
    char *password_file;
    char *listen_host, *data_dir; /* NULL before the server is ready */
    struct auth *auth;
    struct housekeeping *housekeeping;
    struct health *health;
    struct list_keeper *list_keeper;
    struct scheduled_backup *scheduled_backup; /* NULL: none is configured */
    struct sessions *sessions;
    struct checker *checker;
    struct feed *feed;
    struct sampling *sampling;
    struct stats_channels *stats_channels;
    struct log_sources *log_sources;
    struct log_endpoint *log_endpoint;
    struct shells *shells;
    struct updates *updates;
    struct batches *batches;
    struct web_files *web; /* NULL: no web UI is served */
    struct agent_files *agent_files;
    struct release_key *release_key;
    struct api *api;
    struct http_server *http;
};

/*
 * The end of the server, in order:
 *
 *   1. SIGTERM: `stop` of every part, then sessions_stop(). The loop runs until all agents have
 *      closed their connections, a second has passed, or a second signal has come.
 *   2. `close` of every part, last row first. HTTP is the last row but one: it ends the streams
 *      of the API, drops its connections and finishes the jobs of its requests, so nothing new
 *      begins after it.
 *   3. The job queues are drained and the history writes the results: drain_jobs() of server.c.
 *   4. `free` of every part, last row first, and then the loop.
 */

/*
 * One part of the server: a manager, or what managers stand on. Any function but `open` may be
 * NULL. `close` and `free` also run after an `open` that failed or never ran.
 */
struct server_part {
    const char *name;
    int (*open)(struct server *s, const struct config *config, struct error *err);
    /* SIGTERM: says goodbye to its clients and accepts no more. The loop still runs. */
    void (*stop)(struct server *s);
    /* The server ends: drops its connections. The results of jobs still arrive afterwards. */
    void (*close)(struct server *s);
    /* All jobs have ended. */
    void (*free)(struct server *s);
};

/* In the order of opening; stopped in this order, closed and freed in reverse. */
extern const struct server_part server_parts[];
extern const size_t n_server_parts;

/* wiring_checker.c: the row of the checker. */
int server_open_checker(struct server *s, const struct config *config, struct error *err);
void server_close_checker(struct server *s);
void server_free_checker(struct server *s);

/* wiring_files.c */
int server_open_web(struct server *s, const struct config *config, struct error *err);
void server_free_web(struct server *s);
int server_open_agent_files(struct server *s, const struct config *config, struct error *err);
void server_free_agent_files(struct server *s);

/* wiring_updates.c */
int server_open_updates(struct server *s, const struct config *config, struct error *err);
void server_close_updates(struct server *s);
void server_free_updates(struct server *s);

void server_reload(struct server *s);

/* The server is ready: writes its address to the log and to running.json. */
void server_announce(const struct server *s, const struct config *config);
/* Writes running.json again, after a change of the key. */
void server_write_running(const struct server *s);
