#pragma once

/*
 * Where samples come from: the kernel's files, or the Engine API.
 *
 * Files are preferred, because they cost nothing to the engine and can be read every second. They
 * are given up for all containers
 *
 *   - at the start, when there is no cgroup file system, or STATS_SOURCE=api;
 *   - while not a single container was found in them: they are not those of the host, or not those
 *   of
 *     the engine, for example because the agent runs in a container that does not see them;
 *   - for good, when a container's values do not agree with a sample of the Engine API. That is
 *     checked once, with the first container that can be read.
 *
 * A single container without files is read through the API; that is not a matter of this module.
 */

#include "agent/config/config.h"
#include "agent/stats/host.h"
#include "agent/stats/source_check.h"
#include "agent/stats/targets.h"
#include "proto/samples.h"

struct source {
    struct engine *engine;
    struct targets *targets;
    struct cgroup_fs *fs; /* NULL: given up, or never there */
    struct network *net;
    struct host_stats *host;
    bool is_off;         /* STATS_SOURCE=off */
    bool is_contained;   /* the agent is in a container, without the files of the host */
    bool has_found;      /* files of a container, ever */
    struct error missed; /* why the last container has no files */
    struct source_check check;
    char why[SOURCE_CHECK_TEXT + 128]; /* why files are not used; "" */

    /* As it was reported last. */
    bool is_reported;
    char reported_source[32], reported_network[32];
    char *reported_why;
};

/* Engine and targets are borrowed and outlive it. `root`: of sys/ and proc/; NULL: detected. */
void source_open(struct source *s,
                 const struct config *config,
                 const char *root,
                 struct engine *engine,
                 struct targets *targets);
void source_close(struct source *s);

struct target_sources source_files(const struct source *s); /* to open and read targets with */
/* A target was added: what its attempt to open files showed. */
void source_note_target(struct source *s, const struct target *t);
/* At each tick: detects that no container has files, and logs it. */
void source_check_found(struct source *s);
/* After each tick: starts the comparison with the Engine API, until it was done once. */
void source_compare(struct source *s);

/* Texts are borrowed until the next tick. `note`: one more, NULL or "" for none. */
void source_describe(const struct source *s, const char *note, struct samples_source *ret);
/* True if it differs from what was reported last, or nothing was. */
bool source_is_changed(const struct source *s, const struct samples_source *now);
void source_set_reported(struct source *s, const struct samples_source *now);
