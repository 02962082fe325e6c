#pragma once

/*
 * Temporary directories for tests.
 */

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TEMPORARY_DIR_SIZE 40

static inline int temporary_dir_make(char ret[TEMPORARY_DIR_SIZE])
{
    (void)snprintf(ret, TEMPORARY_DIR_SIZE, "/tmp/dockmon-test-XXXXXX");
    return mkdtemp(ret) ? 0 : -1;
}

static inline int temporary_dir_remove_one(const char *path,
                                           const struct stat *st,
                                           int type,
                                           struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int temporary_dir_remove(const char *path)
{
    return nftw(path, temporary_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
