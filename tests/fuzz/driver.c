#include "base/alloc.h"
#include "base/str.h"
#include "fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define INPUT_MAX 4096

/* The same numbers every time: a test that fails must fail again. */
static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t pick(size_t limit)
{
    assert(limit > 0);
    return (size_t)(next_random() % limit);
}

static size_t mutate(uint8_t *data, size_t size)
{
    size_t at = size ? pick(size) : 0;

    switch (pick(5)) {
    case 0: /* another byte */
        if (size)
            data[at] = (uint8_t)next_random();
        return size;
    case 1: /* one bit */
        if (size)
            data[at] ^= (uint8_t)(1U << pick(8));
        return size;
    case 2: /* cut */ return at;
    case 3: /* a piece twice */
    {
        size_t n = size - at < INPUT_MAX - size ? size - at : INPUT_MAX - size;

        memmove(data + at + n, data + at, size - at);
        return size + n;
    }
    default: /* a byte more */
        if (size == INPUT_MAX)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = (uint8_t)next_random();
        return size + 1;
    }
}

static void run_one(const uint8_t *data, size_t size)
{
    /* A block of its own size, so that the sanitizer sees the first byte too far. */
    uint8_t *copy = xmalloc(size ? size : 1);

    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv)
{
    uint64_t rounds = 100000;
    size_t n_seeds = 0;

    if (argc > 1 && parse_u64(argv[1], UINT32_MAX, &rounds) < 0)
        return 2;
    for (; fuzz_seeds[n_seeds].data; n_seeds++)
        run_one((const uint8_t *)fuzz_seeds[n_seeds].data, fuzz_seeds[n_seeds].size);
    for (uint64_t i = 0; i < rounds; i++) {
        const struct fuzz_seed *seed = &fuzz_seeds[pick(n_seeds)];
        uint8_t data[INPUT_MAX];
        size_t size = seed->size;

        memcpy(data, seed->data, size);
        for (size_t n = 1 + pick(4); n; n--)
            size = mutate(data, size);
        run_one(data, size);
    }
    printf("%zu seeds, %llu mutations\n", n_seeds, (unsigned long long)rounds);
    return 0;
}
