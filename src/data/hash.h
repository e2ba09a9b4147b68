/*
 * FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv), for fingerprints of data sets and of what
 * they are made from, and for the cells of text ids. Not for secrets. Numbers are hashed by their
 * bytes, so fingerprints are those of a little-endian machine.
 */
#ifndef RK_DATA_HASH_H
#define RK_DATA_HASH_H

#include <stdint.h>

#define RK_HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t rk__hash(uint64_t hash, const void *bytes, int64_t n)
{
    const unsigned char *at = bytes;
    for (int64_t i = 0; i < n; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

#endif
