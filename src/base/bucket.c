#include "base/bucket.h"

bool bucket_take(struct bucket *b, double burst, double per_second, uint64_t now_ms)
{
    if (b->filled_ms == 0) {
        b->level = burst;
    } else if (now_ms > b->filled_ms) {
        b->level += (double)(now_ms - b->filled_ms) * per_second / 1000;
        if (b->level > burst)
            b->level = burst;
    }
    b->filled_ms = now_ms;
    if (b->level < 1)
        return false;
    b->level--;
    return true;
}
