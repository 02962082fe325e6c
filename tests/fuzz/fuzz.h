#pragma once

/*
 * A fuzz target is one file with these two. Linked with driver.c it is a unit test that runs mutations of
 * its seeds; linked with libFuzzer (-Dfuzz=true, clang) it looks for more.
 */

#include <stddef.h>
#include <stdint.h>

struct fuzz_seed {
    const char *data;
    size_t size;
};

#define FUZZ_SEED(text)          \
    {                            \
        (text), sizeof(text) - 1 \
    }

extern const struct fuzz_seed fuzz_seeds[]; /* ends with a NULL */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
