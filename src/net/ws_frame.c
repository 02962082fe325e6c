#include "net/ws_frame.h"

#include <errno.h>
#include <string.h>

#define BIT_FIN        0x80
#define BITS_RSV       0x70
#define BITS_OPCODE    0x0f
#define BIT_MASK       0x80
#define BITS_LENGTH    0x7f
#define LENGTH_16      126
#define LENGTH_64      127
#define OPCODE_CONTROL 0x08

enum {
    STEP_START,
    STEP_HEAD,
    STEP_PAYLOAD,
};

static bool is_control(unsigned opcode)
{
    return opcode & OPCODE_CONTROL;
}

static const char *check_first_bytes(const struct ws_parser *p)
{
    unsigned opcode = p->head[0] & BITS_OPCODE;
    bool is_final = p->head[0] & BIT_FIN;
    unsigned length = p->head[1] & BITS_LENGTH;

    if (p->head[0] & BITS_RSV)
        return "reserved bit set";
    if ((opcode > WS_OPCODE_BINARY && opcode < WS_OPCODE_CLOSE) || opcode > WS_OPCODE_PONG)
        return "reserved opcode";
    if (p->is_client && p->head[1] & BIT_MASK)
        return "frame with mask";
    if (!p->is_client && !(p->head[1] & BIT_MASK))
        return "frame without mask";
    if (is_control(opcode) && (!is_final || length > WS_FRAME_CONTROL_MAX))
        return "control frame fragmented or too long";
    if (opcode == WS_OPCODE_CONTINUATION && !p->message)
        return "continuation of nothing";
    if ((opcode == WS_OPCODE_TEXT || opcode == WS_OPCODE_BINARY) && p->message)
        return "new message inside a message";
    return NULL;
}

static uint64_t load_be(const uint8_t *from, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | from[i];
    return v;
}

static size_t length_size(uint8_t length)
{
    return length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
}

static const char *finish_head(struct ws_parser *p)
{
    uint8_t length = p->head[1] & BITS_LENGTH;
    size_t extra = length_size(length);

    p->left = extra ? load_be(p->head + 2, extra) : length;
    if (p->left >> 63)
        return "frame length out of range";
    if (!p->is_client)
        memcpy(p->mask, p->head + 2 + extra, sizeof(p->mask));
    return NULL;
}

/* Takes one byte of a frame's head; 1: the head is complete, 0: more to come, -EPROTO. */
static int take_head_byte(struct ws_parser *p, uint8_t byte, const char **ret_why)
{
    const char *why = NULL;

    p->head[p->head_size++] = byte;
    if (p->head_size < 2)
        return 0;
    if (p->head_size == 2) {
        why = check_first_bytes(p);
        p->need = (uint8_t)(length_size(p->head[1] & BITS_LENGTH) +
                            (p->is_client ? 0 : sizeof(p->mask)));
    } else {
        p->need--;
    }
    if (!why && !p->need)
        why = finish_head(p);
    if (why) {
        *ret_why = why;
        return -EPROTO;
    }
    return !p->need;
}

static void start_payload(struct ws_parser *p)
{
    p->opcode = p->head[0] & BITS_OPCODE;
    p->is_final = p->head[0] & BIT_FIN;
    p->mask_at = 0;
    p->control_size = 0;
    p->step = STEP_PAYLOAD;
    if (p->opcode == WS_OPCODE_TEXT || p->opcode == WS_OPCODE_BINARY)
        p->message = p->opcode;
}

static void unmask(struct ws_parser *p, unsigned char *data, size_t size)
{
    if (p->is_client)
        return;
    for (size_t i = 0; i < size; i++) {
        data[i] ^= p->mask[p->mask_at];
        p->mask_at = (p->mask_at + 1) & 3;
    }
}

static void end_frame(struct ws_parser *p)
{
    p->step = STEP_START;
    p->head_size = 0;
}

/* Takes payload; true: there is a piece. */
static bool take_payload(
    struct ws_parser *p, unsigned char *data, size_t size, size_t *used, struct ws_piece *ret)
{
    size_t n = p->left < size ? (size_t)p->left : size;

    unmask(p, data, n);
    p->left -= n;
    *used += n;

    if (is_control(p->opcode)) {
        if (n)
            memcpy(p->control + p->control_size, data, n);
        p->control_size = (uint8_t)(p->control_size + n);
        if (p->left)
            return false;
        *ret = (struct ws_piece){(enum ws_opcode)p->opcode, true, p->control, p->control_size};
        end_frame(p);
        return true;
    }

    *ret = (struct ws_piece){(enum ws_opcode)p->message, p->is_final && !p->left, data, n};
    if (!p->left) {
        if (p->is_final)
            p->message = 0;
        end_frame(p);
    }
    return n || ret->is_last;
}

int ws_parser_next(struct ws_parser *p,
                   unsigned char *data,
                   size_t size,
                   size_t *used,
                   struct ws_piece *ret,
                   const char **ret_why)
{
    size_t at = 0;

    for (;;) {
        if (p->step != STEP_PAYLOAD) {
            int r;

            if (at == size)
                return 0;
            p->step = STEP_HEAD;
            r = take_head_byte(p, data[at++], ret_why);
            (*used)++;
            if (r < 0)
                return r;
            if (r)
                start_payload(p);
            continue;
        }
        if (at == size && p->left)
            return 0;
        {
            size_t n = 0;
            bool has_piece = take_payload(p, data + at, size - at, &n, ret);

            at += n;
            *used += n;
            if (has_piece)
                return 1;
        }
    }
}

size_t ws_frame_prepend(unsigned char *payload,
                        enum ws_opcode opcode,
                        bool is_final,
                        size_t payload_size,
                        const uint8_t mask[4])
{
    uint8_t length = payload_size <= WS_FRAME_CONTROL_MAX ? (uint8_t)payload_size
                     : payload_size <= UINT16_MAX         ? LENGTH_16
                                                          : LENGTH_64;
    size_t extra = length_size(length);
    unsigned char *at = payload;
    uint64_t v = payload_size;

    if (mask) {
        for (size_t i = 0; i < payload_size; i++)
            payload[i] ^= mask[i & 3];
        at -= 4;
        memcpy(at, mask, 4);
    }
    for (size_t i = 0; i < extra; i++, v >>= 8)
        *--at = (unsigned char)v;
    *--at = (unsigned char)(length | (mask ? BIT_MASK : 0));
    *--at = (unsigned char)((is_final ? BIT_FIN : 0) | (unsigned)opcode);
    return (size_t)(payload - at);
}

bool ws_close_code_is_valid(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}
