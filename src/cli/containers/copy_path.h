#pragma once

/*
 * Paths of cp by the rules of docker: a trailing "/" says that the path is a directory, and a
 * trailing "/." means its content. They decide where a copy goes and which name it gets there.
 */

#include "base/error.h"
#include <stdbool.h>

/* "CONTAINER:PATH" into its parts, both to be freed; false: the word is a local path or "-". */
bool copy_path_split_word(const char *word, char **ret_container, char **ret_path);

/* An absolute path without ".", ".." and doubled slashes; a trailing "/" or "/." stays. */
char *copy_path_clean(const char *path);
/* Whether it ends in "/" or "/.", or is ".". */
bool copy_path_names_dir(const char *path);
/* Whether the content of a directory is meant: it ends in "/.", or is "." or "/". */
bool copy_path_names_content(const char *path);
/* The parts of a path; the name is "." when the content is meant. To be freed. */
char *copy_path_parent(const char *path);
char *copy_path_name(const char *path);

/* Where a copy goes. */
struct copy_plan {
    char *dir;  /* which exists */
    char *name; /* of what is copied, in `dir`; ".": the content of a directory goes to `dir` */
};
void copy_plan_done(struct copy_plan *plan);

struct copy_end {
    const char *path;
    const char *name; /* of the source: its name in the destination; NULL: by its path */
    bool exists, is_dir;
};

/* -EISDIR: a directory cannot replace a file; -ENOENT: the destination must be a directory. */
int copy_plan_make(const struct copy_end *from,
                   const struct copy_end *to,
                   struct copy_plan *ret,
                   struct error *err) _nodiscard_;
