#include "agent/spool/spool_record.h"
#include "fuzz.h"

#include <assert.h>
#include <string.h>

/* Writing an accepted record again must give the same bytes; the rest is empty or no record. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf again = BUF_INIT(2 * SPOOL_RECORD_MAX);
    struct spool_record r;
    size_t offset = 0;
    int code;

    while ((code = spool_record_next(data, size, &offset, &r)) > 0) {
        int written = spool_record_append(&again, &r);

        assert(written == 0);
    }
    assert(offset <= size && again.size == offset);
    assert(code < 0 || offset == size);
    assert(offset == 0 || memcmp(again.data, data, offset) == 0);
    buf_done(&again);
    return 0;
}
