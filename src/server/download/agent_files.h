#pragma once

/*
 * The agent's programs and container images that the server offers for download: the files
 * `agent-OS-ARCH` and `image-ARCH.tar` of one directory, read once at start. Each stays open, so
 * that its content and its SHA-256 belong together even when an upgrade of the package replaces it.
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_FILES_MAX       32
#define AGENT_FILES_MAX_BYTES (UINT64_C(256) << 20) /* of one file */
#define AGENT_FILE_PROGRAM    "agent-"
#define AGENT_FILE_IMAGE      "image-"

struct agent_file {
    char *name; /* in the directory */
    int fd;
    uint64_t size;
    char sha256[65]; /* hexadecimal */
};

struct agent_files;

/*
 * Opens the files and computes their sums, which blocks. `dir` NULL stands for the directory of an
 * installation, ../libexec/dockmon/agents beside the program; that one may be missing.
 */
int agent_files_open(struct agent_files **ret, const char *dir, struct error *err) _nodiscard_;
void agent_files_close(struct agent_files *f);
DEFINE_CLEANUP(struct agent_files *, agent_files_close);

/* Returns the file `<prefix><name>`, or NULL. */
const struct agent_file *agent_files_find(const struct agent_files *f,
                                          const char *prefix,
                                          const char *name);
/* Returns the n-th file, or NULL beyond the last. */
const struct agent_file *agent_files_at(const struct agent_files *f, size_t n);
bool agent_files_have_programs(const struct agent_files *f);
