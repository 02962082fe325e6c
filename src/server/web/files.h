#pragma once

/*
 * The files of the web UI, served from memory. They are part of the program (web/bundle.h), or are
 * read from a directory at start (--web-dir). The set never changes while the server runs.
 *
 * A file `x.gz` next to `x` is the precompressed form of `x` for clients that accept gzip; it has
 * no path of its own. A file with a hash in its name (`app-3f9c02d1.js`) never changes and may be
 * cached forever. Every other file is revalidated on each use, with a 304 response while its ETag
 * matches. A page request (`/containers/web`) for a path without a file is answered with
 * index.html, whose script routes it.
 *
 * Every file carries the Content-Security-Policy of the UI. Text that strangers wrote (names, labels,
 * log lines) can therefore neither run a script nor make the browser send anything elsewhere.
 */

#include "base/error.h"
#include "net/http_server.h"
#include <stdbool.h>
#include <stddef.h>

#define WEB_FILES_MAX       2000                       /* files in the directory */
#define WEB_FILES_MAX_BYTES ((size_t)64 * 1024 * 1024) /* in total */

struct web_body {
    const char *data; /* NULL: the file does not exist in this form */
    char *owned;      /* the same, or NULL when it is part of the program */
    size_t size;
    char etag[40]; /* including the quotes */
};

struct web_file {
    char *path; /* path of the URL, begins with '/' */
    const char *content_type;
    bool is_immutable;
    struct web_body plain, gzip;
};

struct web_files;

/* Reads all regular files below `dir`. Returns -EMSGSIZE beyond the limits, -ENOENT without
 * index.html. */
int web_files_load(struct web_files **ret, const char *dir, struct error *err) _nodiscard_;
/*
 * Serves the files that are part of the program. Leaves *ret NULL when it was built without a UI.
 */
void web_files_embedded(struct web_files **ret);
void web_files_free(struct web_files *w);
DEFINE_CLEANUP(struct web_files *, web_files_free);

/*
 * Makes the relative links of the start page begin at `base_path` ("/x", or NULL for none): the
 * page is also the answer for paths of any depth, and no script may run before it knows its base.
 */
void web_files_set_base(struct web_files *w, const char *base_path);

/* Returns the file for this path, or NULL. `accept` is the header of the request, or NULL. */
const struct web_file *web_files_find(const struct web_files *w,
                                      const char *path,
                                      const char *accept);

/* Responds to a GET or HEAD request with the file: 200 or 304. */
void web_file_respond(const struct web_file *f,
                      struct http_server *s,
                      const struct http_request *r);
