#pragma once

/*
 * The files of the web UI, served from memory. Today they are read from a directory at start (--web-dir);
 * a build that embeds the bundle will fill the same table. The set never changes while the server runs.
 *
 * A file `x.gz` beside `x` is the precompressed form of `x`, for clients that accept gzip, and no path of
 * its own. A file whose name carries a hash (`app-3f9c02d1.js`) never changes and may be cached for ever;
 * a client asks again about every other one, and gets 304 while its ETag holds. A path without a file that
 * a browser asks for as a page (`/containers/web`) is answered with index.html, whose script routes it.
 */

#include "base/error.h"
#include "net/http_server.h"
#include <stdbool.h>
#include <stddef.h>

#define WEB_FILES_MAX       2000                       /* files in the directory */
#define WEB_FILES_MAX_BYTES ((size_t)64 * 1024 * 1024) /* of all of them together */

struct web_body {
    char *data; /* NULL: there is no such form */
    size_t size;
    char etag[40]; /* quoted */
};

struct web_file {
    char *path; /* of the URL, beginning with '/' */
    const char *content_type;
    bool is_immutable;
    struct web_body plain, gzip;
};

struct web_files;

/* Reads all regular files below `dir`. -EMSGSIZE beyond the limits; -ENOENT without index.html. */
int web_files_load(struct web_files **ret, const char *dir, struct error *err) _nodiscard_;
void web_files_free(struct web_files *w);
DEFINE_CLEANUP(struct web_files *, web_files_free);

/* The file that answers this path, or NULL. `accept` is the header of the request, or NULL. */
const struct web_file *web_files_find(const struct web_files *w,
                                      const char *path,
                                      const char *accept);

/* Answers the request, GET or HEAD, with the file: 200 or 304. */
void web_file_respond(const struct web_file *f,
                      struct http_server *s,
                      const struct http_request *r);
