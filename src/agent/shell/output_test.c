#include "agent/shell/output.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PIECE 8

static const struct channel_kind kind = {
    .name = "shell",
    .field = "session",
    .event = "shell_data",
    .id_key = "session_id",
};

/* A link that writes the pieces as text: the stream ("o" or "e") and the data, "|" behind each. */
struct bench {
    struct buf sent;
    size_t queued;
    int result;
    struct channel_set set;
    struct channel channel;
    struct shell_output out;
};

static int on_send(void *owner, const char *text, size_t size)
{
    struct bench *b = owner;
    json_auto_t *message = NULL;
    const json_t *payload;
    unsigned char data[BASE64_DECODED_MAX(2 * PIECE)];
    const char *encoded;
    size_t n = 0;

    if (b->result < 0)
        return b->result;
    message = json_text_parse(text, size, 0, NULL);
    payload = json_object_get(message, "payload");
    assert_string_equal(json_text_get(message, "command"), "shell_data");
    assert_string_equal(json_text_get(payload, "session_id"), "s");
    assert_string_equal(json_text_get(payload, "action"), "data");
    encoded = json_text_get(payload, "data");
    assert_in_range(strlen(encoded), 4, 2 * PIECE);
    assert_int_equal(base64_decode(encoded, strlen(encoded), data, &n), 0);
    assert_int_equal(buf_append_str(&b->sent, json_object_get(payload, "stream") ? "e" : "o"), 0);
    assert_int_equal(buf_append(&b->sent, data, n), 0);
    assert_int_equal(buf_append_str(&b->sent, "|"), 0);
    return 0;
}

static size_t count_queued(void *owner)
{
    return ((const struct bench *)owner)->queued;
}

static void open_bench(struct bench *b, bool has_tty, int64_t window)
{
    const struct sender sender = {
        .send = on_send, .queued = count_queued, .owner = b, .max_message = 1 << 16};

    *b = (struct bench){.sent = BUF_INIT(1 << 16)};
    channel_set_init(&b->set, &kind, &sender);
    channel_init(&b->channel, &b->set, "s");
    shell_output_init(&b->out, &b->channel, has_tty, window, PIECE);
}

static void close_bench(struct bench *b)
{
    shell_output_done(&b->out);
    channel_done(&b->channel);
    channel_set_done(&b->set);
    buf_done(&b->sent);
}

/* Clears what was sent. */
static void expect_sent(struct bench *b, const char *text)
{
    assert_string_equal(buf_str(&b->sent), text);
    buf_clear(&b->sent);
}

static void feed(struct bench *b, const char *data, size_t size)
{
    assert_int_equal(shell_output_feed(&b->out, data, size), 0);
}

#define FEED(b, text) feed(b, text, sizeof(text) - 1)

static void test_output_of_a_terminal_is_cut_into_pieces(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, true, 0);
    assert_true(shell_output_is_empty(&b.out));
    FEED(&b, "0123456789abcdefX");
    assert_false(shell_output_is_empty(&b.out));
    assert_int_equal(shell_output_pump(&b.out), 0);
    expect_sent(&b, "o01234567|o89abcdef|oX|");
    assert_true(shell_output_is_empty(&b.out));
    close_bench(&b);
}

static void test_streams_are_separate_without_a_terminal(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, false, 0);
    FEED(&b, "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3e");
    FEED(&b, "rr\1\0\0\0\0\0\0\1x");
    assert_int_equal(shell_output_pump(&b.out), 0);
    expect_sent(&b, "oout|ee|err|ox|");
    assert_int_equal(shell_output_feed(&b.out, "\7\0\0\0\0\0\0\1x", 9), -EPROTO);
    close_bench(&b);
}

static void test_the_window_of_the_server_bounds_what_is_sent(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, true, PIECE + 1);
    FEED(&b, "0123456789abcdef0123");
    assert_int_equal(shell_output_pump(&b.out), 0);
    /* A piece is not cut for the rest of the window. */
    expect_sent(&b, "o01234567|o89abcdef|");
    assert_int_equal(shell_output_pump(&b.out), 0);
    expect_sent(&b, "");
    b.out.credit += PIECE - 1;
    assert_int_equal(shell_output_pump(&b.out), 0);
    expect_sent(&b, ""); /* nothing is left of it */
    b.out.credit++;
    assert_int_equal(shell_output_pump(&b.out), 0);
    expect_sent(&b, "o0123|");
    close_bench(&b);
}

static void test_nothing_is_lost_while_the_link_is_busy(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, true, 0);
    FEED(&b, "0123456789");
    b.queued = SENDER_STREAM_QUEUE + 1;
    assert_int_equal(shell_output_pump(&b.out), -ENOBUFS);
    b.queued = 0;
    b.result = -ENOBUFS;
    assert_int_equal(shell_output_pump(&b.out), -ENOBUFS);
    expect_sent(&b, "");
    b.result = 0;
    assert_int_equal(shell_output_pump(&b.out), 0);
    expect_sent(&b, "o01234567|o89|");
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_of_a_terminal_is_cut_into_pieces),
        cmocka_unit_test(test_streams_are_separate_without_a_terminal),
        cmocka_unit_test(test_the_window_of_the_server_bounds_what_is_sent),
        cmocka_unit_test(test_nothing_is_lost_while_the_link_is_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
