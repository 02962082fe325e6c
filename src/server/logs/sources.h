#pragma once

/*
 * All sources of the server: listens to the sessions for messages of agents, and to the fleet for
 * changes of hosts, and routes them to the sources. Belongs to the server and lives on the loop.
 */

#include "server/logs/read_audit.h"
#include "server/logs/source.h"
#include "server/session/session.h"

struct log_sources_options {
    struct loop *loop;
    struct fleet *fleet;
    struct sessions *sessions;
    struct db *store; /* for the audit log */
    struct job_queue *store_jobs;
};

struct log_sources *log_sources_new(const struct log_sources_options *o);
void log_sources_stop(struct log_sources *ss); /* ends all sources, and each new one */
/* After the last source was freed, and before the fleet is. */
void log_sources_free(struct log_sources *ss);

/* Viewers report here that a user begins to read a log. */
struct log_read_audit *log_sources_audit(struct log_sources *ss);
