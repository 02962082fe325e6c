#include "fuzz.h"
#include "proto/packed.h"
#include "proto/samples.h"

#include <assert.h>
#include <string.h>

/* An accepted message must be the same after it was encoded and decoded again. */
static void check_round_trip(const struct samples *s)
{
    struct buf once = BUF_INIT(SAMPLES_MAX_SIZE), twice = BUF_INIT(SAMPLES_MAX_SIZE);
    struct samples back;

    if (samples_encode(s, &once) == 0) { /* a crowded message can grow over the limit */
        int r = samples_decode(once.data, once.size, &back, NULL);

        assert(r == 0);
        r = samples_encode(&back, &twice);
        assert(r == 0);
        assert(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        samples_done(&back);
    }
    buf_done(&once);
    buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packed in = {data, data + size};
    struct error err = ERROR_INIT;
    struct samples s;

    while (in.p < in.end && packed_skip(&in, NULL) == 0)
        ;
    if (samples_decode(data, size, &s, &err) == 0) {
        check_round_trip(&s);
        samples_done(&s);
    } else {
        assert(err.code < 0 && *err.msg);
    }
    return 0;
}
