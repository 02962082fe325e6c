#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "fuzz.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#define INPUT_MAX     4096
#define FILE_SIZE_MAX ((size_t)1 << 20)

/* Returns the same numbers in every run, so that a failure can be repeated. */
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
    case 3: /* duplicate a piece */
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
    /* The block has the exact size, so that the sanitizer reports a read behind it. */
    uint8_t *copy = xmalloc(size ? size : 1);

    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* The corpus. */
static struct input {
    uint8_t *data;
    size_t size;
} * inputs;
static size_t n_inputs;

static int load(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t size = 0;
    struct error err = {0};
    char *data = NULL;

    (void)st;
    (void)ftw;
    if (type != FTW_F)
        return 0;
    if (file_read(path, FILE_SIZE_MAX, &data, &size, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    inputs = xrealloc(inputs, n_inputs + 1, sizeof(*inputs));
    inputs[n_inputs++] = (struct input){(uint8_t *)data, size};
    return 0;
}

/* Usage: PROGRAM ROUNDS CORPUS... */
int main(int argc, char **argv)
{
    uint64_t rounds = 0;

    if (argc < 3 || parse_u64(argv[1], UINT32_MAX, &rounds) < 0)
        return 2;
    for (int i = 2; i < argc; i++) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
        if (nftw(argv[i], load, 8, FTW_PHYS) != 0)
            return 2;
    }
    assert(n_inputs > 0);
    for (size_t i = 0; i < n_inputs; i++)
        run_one(inputs[i].data, inputs[i].size);
    for (uint64_t i = 0; i < rounds; i++) {
        const struct input *from = &inputs[pick(n_inputs)];
        uint8_t data[INPUT_MAX];
        size_t size = from->size < INPUT_MAX ? from->size : INPUT_MAX;

        memcpy(data, from->data, size);
        for (size_t n = 1 + pick(4); n; n--)
            size = mutate(data, size);
        run_one(data, size);
    }
    printf("%zu inputs, %llu mutations\n", n_inputs, (unsigned long long)rounds);
    for (size_t i = 0; i < n_inputs; i++)
        free(inputs[i].data);
    free(inputs);
    return 0;
}
