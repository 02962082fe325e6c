#pragma once

/*
 * The web UI that is part of the program. script/embed writes the source of this table at build
 * time: all files of the bundle in one block of bytes. A build without the UI has an empty table.
 */

#include <stddef.h>

struct web_bundle_file {
    const char *path;    /* of the URL, begins with '/'; ends in ".gz" for a precompressed form */
    size_t offset, size; /* in web_bundle_data */
};

extern const struct web_bundle_file web_bundle_files[]; /* sorted by path; ends with a NULL path */
extern const char web_bundle_data[];
