#include "agent/shell/output.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "proto/json_text.h"
#include "proto/shell.h"

#include <assert.h>
#include <errno.h>

#define MAX_OUTPUT ((size_t)1 << 20) /* a pause of the engine lets through less */
#define HEAD_SIZE  3

static void on_piece(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start)
{
    struct shell_output *out = owner;
    int r = 0;

    (void)is_start;
    while (size > 0 && r == 0) {
        size_t n = size < out->max_piece ? size : out->max_piece;
        const char head[HEAD_SIZE] = {(char)stream, (char)(n >> 8), (char)(n & 0xff)};

        r = buf_append(&out->pieces, head, sizeof(head));
        if (r == 0)
            r = buf_append(&out->pieces, data, n);
        data += n;
        size -= n;
    }
    assert(r == 0); /* the engine is not read while there is output */
}

void shell_output_init(struct shell_output *out,
                       const struct channel *channel,
                       bool has_tty,
                       int64_t window,
                       size_t max_piece)
{
    *out = (struct shell_output){
        .channel = channel, .max_piece = max_piece, .has_window = window > 0, .credit = window};
    buf_init(&out->pieces, MAX_OUTPUT);
    log_demux_init(&out->demux, has_tty, on_piece, out);
}

void shell_output_done(struct shell_output *out)
{
    buf_done(&out->pieces);
}

int shell_output_feed(struct shell_output *out, const void *data, size_t size)
{
    return log_demux_feed(&out->demux, data, size);
}

bool shell_output_is_empty(const struct shell_output *out)
{
    return out->pieces.size == 0;
}

static int send_piece(const struct shell_output *out, const unsigned char *piece, size_t n)
{
    _cleanup_free_ char *data = base64_encode(piece + HEAD_SIZE, n);
    json_t *fields = json_pack("{s:o}", "data", json_text_str(data));

    if (piece[0] == LOG_STDERR)
        json_text_set(fields, "stream", json_text_str("stderr"));
    return channel_send(out->channel, "data", fields);
}

int shell_output_pump(struct shell_output *out)
{
    const struct sender *sender = &out->channel->set->sender;
    size_t at = 0;
    int r = 0;

    while (at < out->pieces.size && (!out->has_window || out->credit > 0)) {
        const unsigned char *piece = (const unsigned char *)out->pieces.data + at;
        size_t n = (size_t)piece[1] << 8 | piece[2];

        r = sender_is_busy(sender) ? -ENOBUFS : send_piece(out, piece, n);
        if (r < 0)
            break;
        out->credit -= (int64_t)n;
        at += n + HEAD_SIZE;
    }
    buf_consume(&out->pieces, at);
    return r;
}
