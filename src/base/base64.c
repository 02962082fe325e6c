#include "base/base64.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t size)
{
    const unsigned char *in = data;
    char *text = xmalloc(BASE64_ENCODED_SIZE(size) + 1), *out = text;

    for (size_t at = 0; at < size; at += 3) {
        size_t n = size - at;
        uint32_t bits = (uint32_t)in[at] << 16;

        if (n > 1)
            bits |= (uint32_t)in[at + 1] << 8;
        if (n > 2)
            bits |= in[at + 2];
        out[0] = digits[bits >> 18];
        out[1] = digits[bits >> 12 & 63];
        out[2] = '=';
        out[3] = '=';
        if (n > 1)
            out[2] = digits[bits >> 6 & 63];
        if (n > 2)
            out[3] = digits[bits & 63];
        out += 4;
    }
    *out = '\0';
    return text;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Decodes four characters, `n_digits` of them without padding, to 1 to 3 bytes. */
static int decode_group(const char *text, size_t n_digits, unsigned char *ret)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        int d = i < n_digits ? digit(text[i]) : 0;

        if (d < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)d;
    }
    if ((n_digits == 2 && (bits & 0xffff)) || (n_digits == 3 && (bits & 0xff)))
        return -EINVAL;
    for (size_t i = 0; i + 1 < n_digits; i++)
        ret[i] = (unsigned char)(bits >> (16 - 8 * i));
    return 0;
}

int base64_decode(const char *text, size_t size, unsigned char *ret, size_t *ret_size)
{
    size_t n = 0;

    if (size % 4 != 0)
        return -EINVAL;
    for (size_t at = 0; at < size; at += 4) {
        size_t n_digits = 4;

        if (at + 4 == size && text[at + 3] == '=')
            n_digits = text[at + 2] == '=' ? 2 : 3;
        if (decode_group(text + at, n_digits, ret + n) < 0)
            return -EINVAL;
        n += n_digits - 1;
    }
    *ret_size = n;
    return 0;
}
