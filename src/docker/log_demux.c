#include "docker/log_demux.h"

#include <errno.h>
#include <string.h>

void log_demux_init(struct log_demux *d, bool is_raw, log_piece_fn on_piece, void *owner)
{
    *d = (struct log_demux){.is_raw = is_raw, .on_piece = on_piece, .owner = owner};
}

static int read_header(struct log_demux *d)
{
    const unsigned char *h = d->header;

    d->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    d->is_inside = false;
    if (h[0] >= LOG_N_STREAMS || h[1] || h[2] || h[3] || d->left > LOG_MAX_FRAME)
        return -EPROTO;
    if (d->left == 0)
        d->header_size = 0;
    return 0;
}

int log_demux_feed(struct log_demux *d, const void *data, size_t size)
{
    const char *p = data;

    if (d->is_raw) {
        if (size > 0)
            d->on_piece(d->owner, LOG_STDOUT, p, size, !d->is_inside);
        d->is_inside = true;
        return 0;
    }
    while (size > 0) {
        size_t want = d->header_size < sizeof(d->header) ? sizeof(d->header) - d->header_size
                                                         : d->left;
        size_t n = size < want ? size : want;

        if (d->header_size < sizeof(d->header)) {
            memcpy(d->header + d->header_size, p, n);
            d->header_size += n;
            if (d->header_size == sizeof(d->header) && read_header(d) < 0)
                return -EPROTO;
        } else {
            d->on_piece(d->owner, (enum log_stream)d->header[0], p, n, !d->is_inside);
            d->is_inside = true;
            d->left -= (uint32_t)n;
            if (d->left == 0)
                d->header_size = 0;
        }
        p += n;
        size -= n;
    }
    return 0;
}
