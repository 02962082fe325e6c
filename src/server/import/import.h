#pragma once

/*
 * Copies DockMon's database into ours: `dockmond import-dockmon FILE`. All of it is one
 * transaction, which a dry run rolls back. A row that exists already is never overwritten, so that
 * an import can be repeated.
 */

#include "server/store/foreign_file.h"
#include "server/store/store.h"

#define IMPORT_MAX_NOTES 20 /* lines of the report about one kind of row */

enum import_kind {
    IMPORT_HOSTS,
    IMPORT_AGENTS,
    IMPORT_USERS,
    IMPORT_KEYS,
    IMPORT_HOST_TAGS,
    IMPORT_CONTAINER_SETTINGS,
    IMPORT_EVENTS,
    IMPORT_KINDS,
};

struct import_count {
    unsigned n_taken, n_present, n_refused;
    char *notes[IMPORT_MAX_NOTES]; /* why rows cannot come */
    unsigned n_notes;
};

struct import {
    struct db *from, *to;
    int64_t now_ms;
    struct import_count counts[IMPORT_KINDS];
};

/* Counts a row by the result of its insertion; -EEXIST: it is present. */
int import_note(struct import *im,
                enum import_kind kind,
                const char *name,
                int r,
                struct error *err) _nodiscard_;
void import_refuse(struct import *im, enum import_kind kind, const char *name, const char *why);

/* The parts, in the order in which they depend on each other. Run inside the transaction. */
int import_hosts(struct import *im, struct error *err) _nodiscard_;
int import_accounts(struct import *im, struct error *err) _nodiscard_;
int import_settings(struct import *im, struct error *err) _nodiscard_;
int import_events(struct import *im, struct error *err) _nodiscard_;

/* Runs all parts. `apply` false: nothing is changed. -EBUSY: a server runs on the directory. */
int import_run(struct import *im, bool apply, struct error *err) _nodiscard_;
void import_done(struct import *im);
