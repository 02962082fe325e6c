#pragma once

/*
 * Copies DockMon's database into ours: `dockmond import-dockmon FILE`. All of it is one transaction;
 * the rehearsal before it runs on a private copy of our database. A row that exists already is never
 * overwritten, so that an import can be repeated; the user of the first start is the exception.
 */

#include "server/import/fernet.h"
#include "server/registry/vault.h"
#include "server/store/foreign_file.h"
#include "server/store/store.h"

#define IMPORT_MAX_NOTES 200 /* lines of the report about one kind of row */

enum import_kind {
    IMPORT_HOSTS,
    IMPORT_AGENTS,
    IMPORT_USERS,
    IMPORT_KEYS,
    IMPORT_HOST_TAGS,
    IMPORT_CONTAINER_SETTINGS,
    IMPORT_REGISTRIES,
    IMPORT_EVENTS,
    IMPORT_AUDIT,
    IMPORT_KINDS,
};

struct import_count {
    unsigned n_taken, n_present, n_refused;
    char *notes[IMPORT_MAX_NOTES]; /* why rows cannot come, or come with less */
    unsigned n_notes, n_left_out;
};

struct import {
    struct db *from;              /* borrowed */
    struct db *to;                /* closed by import_done() */
    const struct fernet_key *key; /* of DockMon; NULL: it was not given */
    const struct vault *vault;    /* of our credentials */
    int64_t now_ms;
    const char *members_table; /* of groups, where one was found; static */
    bool lacks_admin; /* afterwards there are users, but no administrator without a scope */
    struct import_count counts[IMPORT_KINDS];
};

/* Counts a row by the result of its insertion; -EEXIST: it is present. */
int import_note(struct import *im,
                enum import_kind kind,
                const char *name,
                int r,
                struct error *err) _nodiscard_;
/* Adds a line to the report about a row that comes. */
void import_remark(struct import *im, enum import_kind kind, const char *name, const char *text);
void import_refuse(struct import *im, enum import_kind kind, const char *name, const char *why);

/* The parts, in the order in which they depend on each other. Run inside the transaction. */
int import_hosts(struct import *im, struct error *err) _nodiscard_;
int import_accounts(struct import *im, struct error *err) _nodiscard_;
int import_settings(struct import *im, struct error *err) _nodiscard_;
int import_registries(struct import *im, struct error *err) _nodiscard_;
/* Fills temp.dockmon_names (id, name) of the file. */
int import_names(struct import *im, struct error *err) _nodiscard_;
int import_events(struct import *im, struct error *err) _nodiscard_;
int import_audit(struct import *im, struct error *err) _nodiscard_;
/* Reads a table, if the file has it. One with other columns is left, and the import goes on. */
int import_read_table(struct import *im,
                      const struct foreign_query *q,
                      enum import_kind kind,
                      foreign_row_fn fn,
                      void *arg,
                      struct error *err) _nodiscard_;

/* The tables in which members of groups are looked for, with commas. */
#define IMPORT_MEMBERS_TABLES "user_group_memberships, group_memberships, user_groups"

/* Runs all parts. */
int import_run(struct import *im, struct error *err) _nodiscard_;
void import_done(struct import *im);
