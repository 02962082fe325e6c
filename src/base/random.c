#include "base/random.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *ret, size_t size)
{
    char *p = ret;

    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            (void)fputs("getrandom failed\n", stderr);
            abort();
        }
        p += n;
        size -= (size_t)n;
    }
}

uint64_t random_below(uint64_t limit)
{
    uint64_t v, reject;

    if (limit == 0)
        return 0;
    reject = (0 - limit) % limit; /* 2^64 mod limit: values below it would bias the result */
    do {
        random_bytes(&v, sizeof(v));
    } while (v < reject);
    return v % limit;
}

void random_uuid(char ret[UUID_TEXT_SIZE])
{
    unsigned char b[16];

    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(ret, UUID_TEXT_SIZE,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

char *random_token(size_t bytes)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char *raw = xmalloc(bytes);
    char *text = xmalloc(bytes * 2 + 1);

    random_bytes(raw, bytes);
    for (size_t i = 0; i < bytes; i++) {
        text[i * 2] = hex[raw[i] >> 4];
        text[i * 2 + 1] = hex[raw[i] & 15];
    }
    text[bytes * 2] = '\0';
    free(raw);
    return text;
}
