#pragma once

/*
 * The signed description of a program that this server hands out to agents: the file
 * `agent-OS-ARCH.release` beside it, as releases have it, or one that is signed by the server's own
 * key.
 */

#include "proto/release.h"
#include "server/download/agent_files.h"
#include "server/download/release_key.h"

#define AGENT_RELEASE_SUFFIX ".release"

struct agent_release {
    const struct agent_file *file; /* borrowed from the files */
    struct release release;
    char *text; /* signed */
};

/*
 * `platform` is "linux-amd64". -ENOENT: there is no such program; -EBADMSG: the file with the
 * description is of another program. The signature in it is checked by agents.
 */
int agent_release_find(const struct agent_files *files,
                       const struct release_key *key,
                       const char *platform,
                       struct agent_release *ret,
                       struct error *err) _nodiscard_;
void agent_release_done(struct agent_release *r);
