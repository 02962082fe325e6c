#pragma once

/*
 * FNV-1a, 64 bits (draft-eastlake-fnv): fast, for tables and for detecting changes. It is not
 * secure against chosen input: tables start from a random value instead of HASH_START.
 */

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* Continues `hash` (HASH_START at first) with `size` bytes. */
static inline uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}
