/*
 * Reads chunks and rows of the head log, as they are in files of the history. The checksum of a
 * chunk is corrected first, because the code behind it would not be reached otherwise.
 */

#include "base/alloc.h"
#include "fuzz.h"
#include "server/history/chunk.h"
#include "server/history/tick.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define COLUMNS 5

static void check_chunk(const uint8_t *data, size_t size)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES] = "dockmon history";
    uint8_t *whole = xmalloc(size + crypto_shorthash_BYTES);
    struct history_rows once, twice;
    struct buf again = BUF_INIT(CHUNK_MAX_SIZE);

    memcpy(whole, data, size);
    (void)crypto_shorthash(whole + size, data, size, key);
    history_rows_init(&once, COLUMNS, CHUNK_MAX_ROWS);
    history_rows_init(&twice, COLUMNS, CHUNK_MAX_ROWS);
    if (chunk_decode(whole, size + crypto_shorthash_BYTES, UINT64_MAX, &once, NULL) == 0) {
        int r = chunk_encode(&once, &again);

        assert(r == 0);
        r = chunk_decode(again.data, again.size, UINT64_MAX, &twice, NULL);
        assert(r == 0 && once.n == twice.n);
        assert(once.n == 0 || memcmp(once.at, twice.at, once.n * sizeof(*once.at)) == 0);
        for (size_t c = 0; c < COLUMNS && once.n > 0; c++) {
            assert(memcmp(history_rows_column(&once, c), history_rows_column(&twice, c),
                          once.n * sizeof(int64_t)) == 0);
        }
    }
    buf_done(&again);
    history_rows_done(&once);
    history_rows_done(&twice);
    free(whole);
}

static void check_tick(const uint8_t *data, size_t size)
{
    struct tick_series t;
    size_t offset = 0;

    while (tick_next(data, size, &offset, &t) > 0)
        assert(offset <= size && t.n <= CHUNK_MAX_COLUMNS && strlen(t.name) <= TICK_MAX_NAME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_chunk(data, size);
    check_tick(data, size);
    return 0;
}
