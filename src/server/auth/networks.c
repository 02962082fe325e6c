#include "server/auth/networks.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define MAX_WORD 64

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool parse_address(const char *text, uint8_t ret[16], bool *ret_is_v4)
{
    *ret_is_v4 = inet_pton(AF_INET, text, ret + sizeof(mapped)) == 1;
    if (*ret_is_v4) {
        memcpy(ret, mapped, sizeof(mapped));
        return true;
    }
    return inet_pton(AF_INET6, text, ret) == 1;
}

static bool is_bit_set(const uint8_t *address, unsigned bit)
{
    return address[bit / 8] >> (7 - bit % 8) & 1;
}

/* A network with bits below its mask is a typing error: the intended network is unknown. */
static bool is_clean(const struct network *n)
{
    for (unsigned bit = n->bits; bit < 128; bit++) {
        if (is_bit_set(n->address, bit))
            return false;
    }
    return true;
}

static int parse_one(char *word, struct network *ret)
{
    char *slash = strchr(word, '/');
    uint64_t bits;
    bool is_v4;

    if (slash)
        *slash++ = '\0';
    if (!parse_address(word, ret->address, &is_v4))
        return -EDOM;
    bits = is_v4 ? 32 : 128;
    if (slash && parse_u64(slash, bits, &bits) < 0)
        return -EDOM;
    ret->bits = (uint8_t)(is_v4 ? bits + 96 : bits);
    return is_clean(ret) ? 0 : -EDOM;
}

int networks_parse(const char *text, struct networks *ret, struct error *err)
{
    struct networks list = {0};
    char word[MAX_WORD];

    while (!str_is_empty(text)) {
        size_t n = strcspn(text, ",");

        if (list.n == NETWORKS_MAX)
            return error_set(err, -EDOM, "at most %d networks are allowed", NETWORKS_MAX);
        str_copy(word, n + 1 < sizeof(word) ? n + 1 : sizeof(word), text);
        if (n >= sizeof(word) || parse_one(str_trim(word), &list.items[list.n]) < 0) {
            return error_set(
                err, -EDOM,
                "`%.*s` is neither an address nor a network such as 10.0.0.0/8 or fd00::/8",
                (int)str_cut(text, n, MAX_WORD), text);
        }
        list.n++;
        text += text[n] ? n + 1 : n;
    }
    *ret = list;
    return 0;
}

static bool has(const struct network *n, const uint8_t address[16])
{
    for (unsigned bit = 0; bit < n->bits; bit++) {
        if (is_bit_set(n->address, bit) != is_bit_set(address, bit))
            return false;
    }
    return true;
}

static bool is_within(const struct network *n, const struct networks *outer)
{
    for (size_t i = 0; i < outer->n; i++) {
        if (n->bits >= outer->items[i].bits && has(&outer->items[i], n->address))
            return true;
    }
    return false;
}

bool networks_are_within(const struct networks *inner, const struct networks *outer)
{
    if (outer->n == 0)
        return true;
    for (size_t i = 0; i < inner->n; i++) {
        if (!is_within(&inner->items[i], outer))
            return false;
    }
    return inner->n > 0;
}

bool networks_have(const struct networks *networks, const char *address)
{
    uint8_t bytes[16];
    bool is_v4;

    if (networks->n == 0)
        return true;
    if (!address || !parse_address(address, bytes, &is_v4))
        return false;
    for (size_t i = 0; i < networks->n; i++) {
        if (has(&networks->items[i], bytes))
            return true;
    }
    return false;
}
