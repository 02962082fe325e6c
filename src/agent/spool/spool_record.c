#include "agent/spool/spool_record.h"

#include <errno.h>

#define AT_CRC   4
#define AT_KIND  8
#define AT_EPOCH 9
#define AT_SEQ   17

void spool_number_put(void *to, uint64_t v, size_t n)
{
    unsigned char *p = to;

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

uint64_t spool_number_get(const void *from, size_t n)
{
    const unsigned char *p = from;
    uint64_t v = 0;

    for (size_t i = n; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

/* CRC-32 of IEEE 802.3, reflected, four bits at a time. */
static uint32_t crc32_add(uint32_t crc, const unsigned char *p, size_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };

    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc = table[(crc ^ p[i]) & 15U] ^ crc >> 4;
        crc = table[(crc ^ (uint32_t)p[i] >> 4) & 15U] ^ crc >> 4;
    }
    return ~crc;
}

int spool_record_append(struct buf *out, const struct spool_record *r)
{
    unsigned char head[SPOOL_RECORD_HEAD];
    size_t before = out->size;
    uint32_t crc;

    if (r->size > SPOOL_RECORD_MAX)
        return -EMSGSIZE;
    spool_number_put(head, r->size, 4);
    head[AT_KIND] = r->kind;
    spool_number_put(head + AT_EPOCH, r->epoch, 8);
    spool_number_put(head + AT_SEQ, r->seq, 8);
    crc = crc32_add(0, head + AT_KIND, SPOOL_RECORD_HEAD - AT_KIND);
    spool_number_put(head + AT_CRC, crc32_add(crc, r->data, r->size), 4);
    if (buf_append(out, head, sizeof(head)) < 0)
        return -EMSGSIZE;
    if (buf_append(out, r->data, r->size) < 0) {
        out->size = before;
        out->data[before] = '\0';
        return -EMSGSIZE;
    }
    return 0;
}

size_t spool_record_size(const void *head)
{
    uint64_t size = spool_number_get(head, 4);

    return size <= SPOOL_RECORD_MAX ? SPOOL_RECORD_HEAD + (size_t)size : 0;
}

int spool_record_next(const void *data, size_t size, size_t *offset, struct spool_record *ret)
{
    const unsigned char *p = (const unsigned char *)data + *offset;
    size_t left = size - *offset, n;

    if (left == 0)
        return 0;
    if (left < SPOOL_RECORD_HEAD)
        return -EBADMSG;
    n = spool_record_size(p);
    if (n == 0 || n > left ||
        crc32_add(0, p + AT_KIND, n - AT_KIND) != (uint32_t)spool_number_get(p + AT_CRC, 4))
        return -EBADMSG;
    *ret = (struct spool_record){
        .kind = p[AT_KIND],
        .epoch = spool_number_get(p + AT_EPOCH, 8),
        .seq = spool_number_get(p + AT_SEQ, 8),
        .data = p + SPOOL_RECORD_HEAD,
        .size = n - SPOOL_RECORD_HEAD,
    };
    *offset += n;
    return 1;
}
