#pragma once

/*
 * Tar streams of cp, read and written with libarchive.
 *
 * The container decides what an archive of it holds, so that extraction trusts nothing: absolute
 * names, "..", hard links and relative links to places outside the destination, devices, FIFOs and
 * setuid bits do not come through, and nothing is written through a symbolic link that is below the
 * destination. The target of an absolute link is kept as it is, as docker does: it is not followed.
 */

#include "cli/containers/copy_path.h"
#include "cli/containers/copy_stream.h"

#include <stdint.h>

/*
 * Extracts what the stream sends as plan->name in plan->dir, which becomes the working directory of
 * this process. *ret: the bytes of its files.
 */
int copy_extract(struct copy_stream *s,
                 const struct copy_plan *plan,
                 bool is_content, /* the source names the content of a directory */
                 uint64_t *ret,
                 struct error *err) _nodiscard_;

/* Sends a local file or folder as `name`. *ret: the bytes of its files. */
int copy_create(struct copy_stream *s,
                const char *path,
                const char *name,
                bool follows_link, /* `path` itself may be a link to what is meant */
                uint64_t *ret,
                struct error *err) _nodiscard_;
