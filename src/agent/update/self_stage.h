#pragma once

/*
 * The folder in which dockmon-agent-launch looks for updated programs of the agent, and a program
 * on its way into it. src/launch/main.c has the meaning of the files; all are in one folder, so that
 * a rename is atomic.
 *
 *     self_stage_lock      one agent at a time writes to the folder
 *     self_stage_begin     dockmon-agent.new is created
 *     self_stage_write     the program comes in pieces
 *     self_stage_finish    it is complete, has the right sum, and is on disk
 *     self_stage_install   it takes the place of the present one, which becomes the previous one
 *
 * The process may be killed between any two system calls: the launcher then starts the present
 * program, or the new one with its tries counted.
 */

#include "base/error.h"
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#define SELF_SUM_SIZE 65 /* SHA-256 in hex, with NUL */

struct self_stage {
    char *dir;
    int lock; /* -1: not locked */
    int fd;   /* of dockmon-agent.new; -1: none */
    int64_t size;
    crypto_hash_sha256_state sum;
};

void self_stage_init(struct self_stage *s, const char *dir);
void self_stage_done(struct self_stage *s);

/* Creates the folder. -EBUSY: another agent has locked it. */
int self_stage_lock(struct self_stage *s, struct error *err) _nodiscard_;
int self_stage_begin(struct self_stage *s, struct error *err) _nodiscard_;
int self_stage_write(struct self_stage *s, const void *data, size_t size, struct error *err)
    _nodiscard_;
/* -EBADMSG: the program has another sum than `sha256`. */
int self_stage_finish(struct self_stage *s, const char *sha256, struct error *err) _nodiscard_;
int self_stage_install(struct self_stage *s, struct error *err) _nodiscard_;
/* Removes the program that is not installed, and releases the lock. */
void self_stage_end(struct self_stage *s);

/* Takes the program that was installed last for good. Nothing happens if it was before. */
void self_stage_prove(const struct self_stage *s);

char *self_stage_path(const struct self_stage *s, const char *name); /* to be freed */
/* The sum of the running program. */
int self_stage_own_sum(char ret[SELF_SUM_SIZE], struct error *err) _nodiscard_;
