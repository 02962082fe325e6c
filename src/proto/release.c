#include "proto/release.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/str.h"
#include "proto/release_keys.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT     "dockmon-agent"
#define SIGNATURE  "signature"
#define MAX_PARTS  4
#define MAX_DIGITS 6

_Static_assert(RELEASE_KEY_SIZE == crypto_sign_PUBLICKEYBYTES, "size of a public key");
_Static_assert(RELEASE_SECRET_SIZE == crypto_sign_SECRETKEYBYTES, "size of a secret key");

const char *release_platform(void)
{
#if defined(__x86_64__)
    return "linux-amd64";
#elif defined(__aarch64__)
    return "linux-arm64";
#elif defined(__arm__)
    return "linux-arm";
#else
    return "linux-unknown";
#endif
}

/* --- versions --- */

static bool is_word(const char *s)
{
    return *s &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-")] ==
               '\0';
}

/* Reads the numbers; returns the rest, "" or "-WORD", or NULL when the text is no version. */
static const char *read_numbers(const char *s, unsigned long ret[MAX_PARTS])
{
    for (size_t i = 0; i < MAX_PARTS; i++) {
        size_t n = strspn(s, "0123456789");

        if (n == 0 || n > MAX_DIGITS)
            return NULL;
        for (ret[i] = 0; n > 0; n--)
            ret[i] = ret[i] * 10 + (unsigned)(*s++ - '0');
        if (*s != '.')
            return *s == '\0' || (*s == '-' && is_word(s + 1)) ? s : NULL;
        s++;
    }
    return NULL;
}

bool release_is_version(const char *text)
{
    unsigned long numbers[MAX_PARTS];

    return strlen(text) < RELEASE_VERSION_MAX && read_numbers(text, numbers);
}

int release_compare(const char *a, const char *b)
{
    unsigned long x[MAX_PARTS] = {0}, y[MAX_PARTS] = {0};
    const char *rest_a = read_numbers(a, x), *rest_b = read_numbers(b, y);

    for (size_t i = 0; i < MAX_PARTS; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    if (str_is_empty(rest_a) || str_is_empty(rest_b))
        return (int)str_is_empty(rest_a) - (int)str_is_empty(rest_b);
    return strcmp(rest_a, rest_b);
}

/* --- text --- */

/* Reads "<name> <value>\n" into `ret`, and moves *at behind it. */
static bool read_line(const char **at, const char *name, char *ret, size_t size)
{
    size_t n = strlen(name), length;
    const char *value;

    if (!str_starts_with(*at, name) || (*at)[n] != ' ')
        return false;
    value = *at + n + 1;
    length = strcspn(value, "\n");
    if (length == 0 || length >= size || value[length] != '\n')
        return false;
    memcpy(ret, value, length);
    ret[length] = '\0';
    *at = value + length + 1;
    return true;
}

static bool is_platform(const char *s)
{
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

/* Returns the start of the signature's line, or NULL: the text is no description. */
static const char *parse_lines(const char *text, struct release *ret)
{
    char format[4];

    if (strlen(text) > RELEASE_MAX || !read_line(&text, FORMAT, format, sizeof(format)) ||
        !str_eq(format, "1") || !read_line(&text, "version", ret->version, sizeof(ret->version)) ||
        !read_line(&text, "platform", ret->platform, sizeof(ret->platform)) ||
        !read_line(&text, "sha256", ret->sha256, sizeof(ret->sha256)) ||
        !read_line(&text, "minimum", ret->minimum, sizeof(ret->minimum)))
        return NULL;
    if (!release_is_version(ret->version) || !release_is_version(ret->minimum) ||
        !is_platform(ret->platform) || !str_is_hex(ret->sha256, 64))
        return NULL;
    return text;
}

/* Reads the line of the signature. */
static bool parse_signature(const char *line, unsigned char ret[crypto_sign_BYTES])
{
    char text[BASE64_ENCODED_SIZE(crypto_sign_BYTES) + 1];
    unsigned char bytes[BASE64_DECODED_MAX(BASE64_ENCODED_SIZE(crypto_sign_BYTES))];
    size_t n;

    if (!read_line(&line, SIGNATURE, text, sizeof(text)) || *line != '\0' ||
        strlen(text) + 1 != sizeof(text) || base64_decode(text, strlen(text), bytes, &n) < 0 ||
        n != crypto_sign_BYTES)
        return false;
    memcpy(ret, bytes, crypto_sign_BYTES);
    return true;
}

int release_parse(const char *text, struct release *ret, bool *ret_is_signed, struct error *err)
{
    unsigned char signature[crypto_sign_BYTES];
    struct release r;
    const char *end = parse_lines(text, &r);

    if (!end || (*end && !parse_signature(end, signature)))
        return error_set(err, -EINVAL, "the description of the release has a wrong format");
    *ret = r;
    *ret_is_signed = *end != '\0';
    return 0;
}

int release_verify(const char *text,
                   const struct release_keys *keys,
                   struct release *ret,
                   struct error *err)
{
    unsigned char signature[crypto_sign_BYTES];
    struct release r;
    const char *end = parse_lines(text, &r);

    if (!end)
        return error_set(err, -EINVAL, "the description of the release has a wrong format");
    if (!parse_signature(end, signature))
        return error_set(err, -EKEYREJECTED, "the release %s is not signed", r.version);
    for (size_t i = 0; i < keys->n; i++) {
        if (crypto_sign_verify_detached(signature, (const unsigned char *)text,
                                        (unsigned long long)(end - text), keys->items[i]) == 0) {
            *ret = r;
            return 0;
        }
    }
    return error_set(err, -EKEYREJECTED,
                     "the signature of the release %s is not by a key that this agent trusts",
                     r.version);
}

char *release_sign(const struct release *r, const unsigned char secret[RELEASE_SECRET_SIZE])
{
    unsigned char signature[crypto_sign_BYTES];
    _cleanup_free_ char *base64 = NULL;
    _cleanup_free_ char *text = xasprintf(FORMAT
                                          " 1\nversion %s\nplatform %s\nsha256 %s\nminimum %s\n",
                                          r->version, r->platform, r->sha256, r->minimum);

    (void)crypto_sign_detached(signature, NULL, (const unsigned char *)text, strlen(text), secret);
    base64 = base64_encode(signature, sizeof(signature));
    return xasprintf("%s" SIGNATURE " %s\n", text, base64);
}

/* --- keys --- */

int release_keys_add(struct release_keys *keys, const char *base64)
{
    unsigned char bytes[BASE64_DECODED_MAX(BASE64_ENCODED_SIZE(RELEASE_KEY_SIZE))];
    size_t n;

    if (strlen(base64) != BASE64_ENCODED_SIZE(RELEASE_KEY_SIZE) ||
        base64_decode(base64, strlen(base64), bytes, &n) < 0 || n != RELEASE_KEY_SIZE)
        return -EINVAL;
    if (keys->n == RELEASE_KEYS_MAX)
        return -ENOSPC;
    memcpy(keys->items[keys->n++], bytes, RELEASE_KEY_SIZE);
    return 0;
}

void release_keys_add_built_in(struct release_keys *keys)
{
    _cleanup_free_ char *text = xstrndup(release_keys_text, release_keys_text_size);
    char *rest = text;

    while (rest) {
        const char *line = str_trim(strsep(&rest, "\n"));

        if (*line && *line != '#' && release_keys_add(keys, line) < 0)
            abort(); /* packaging/release-keys is wrong; release_test.c finds it */
    }
}
