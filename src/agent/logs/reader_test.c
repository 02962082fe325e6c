#include "agent/logs/reader.h"
#include "base/alloc.h"
#include "base/buf.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define T(n)    "2026-11-23T01:53:00.00000000" n "Z "
#define AT(n)   (INT64_C(1795398780000000000) + (n))
#define RUN(s)  "{\"Config\":{\"Tty\":true},\"State\":{\"StartedAt\":\"" s "\"}}"
#define START_1 "2026-11-23T01:52:00Z"
#define START_2 "2026-11-23T01:53:00.000000005Z"

static const struct channel_kind kind = {
    .name = "log follow",
    .field = "stream",
    .event = "log_data",
    .id_key = "stream_id",
};

/* A reader with a terminal, and the texts of all lines that it passed on, each with a semicolon. */
struct fixture {
    struct channel_set set;
    struct channel channel;
    struct log_outbox box;
    struct log_reader reader;
    struct buf texts;
};

static int send_text(void *owner, const char *text, size_t size)
{
    struct fixture *f = owner;
    json_t *message = json_loadb(text, size, 0, NULL), *line;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(message, "payload"), "lines"), i, line)
    {
        assert_int_equal(buf_append_str(&f->texts, json_string_value(json_array_get(line, 2))), 0);
        assert_int_equal(buf_append_str(&f->texts, ";"), 0);
    }
    json_decref(message);
    return 0;
}

static void set_up(struct fixture *f)
{
    struct sender sender = {.send = send_text, .owner = f, .max_message = 1 << 20};

    *f = (struct fixture){.texts = BUF_INIT(1 << 16)};
    channel_set_init(&f->set, &kind, &sender);
    channel_init(&f->channel, &f->set, "s");
    log_outbox_init(&f->box, &f->channel, 1 << 20);
    log_reader_init(&f->reader, &f->box);
    log_reader_set_container(&f->reader, (struct json_span){RUN(START_1), strlen(RUN(START_1))});
}

static void tear_down(struct fixture *f)
{
    log_reader_done(&f->reader);
    log_outbox_done(&f->box);
    channel_done(&f->channel);
    channel_set_done(&f->set);
    buf_done(&f->texts);
}

static void feed(struct fixture *f, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        assert_int_equal(log_reader_feed(&f->reader, text + i, 1), 0);
}

static void assert_texts(struct fixture *f, const char *texts)
{
    assert_int_equal(log_outbox_pump(&f->box), 0);
    assert_string_equal(buf_str(&f->texts), texts);
}

static void test_second_body_repeats_nothing(void **state)
{
    char since[40];
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_true(log_reader_is_empty(&f.reader));
    log_reader_begin(&f.reader, false);
    feed(&f, T("1") "one\r\n" T("2") "two\r\n" T("2") "same\r\n" T("3") "cut");
    assert_texts(&f, "one;two;same;");
    assert_int_equal(f.reader.n_lines, 3);
    log_reader_drop(&f.reader);
    log_reader_format_since(&f.reader, since, sizeof(since));
    assert_string_equal(since, "1795398780.000000001"); /* the oldest line, within the 5 s */

    log_reader_begin(&f.reader, false);
    feed(&f,
         T("1") "one\r\n" T("2") "two\r\n" T("2") "same\r\n" T("2") "new\r\n" T("3") "cut off\r\n");
    assert_texts(&f, "one;two;same;new;cut off;");
    assert_int_equal(f.reader.n_lines, 2);
    tear_down(&f);
}

/* The engine reports a log that it cannot read in each body. */
static void test_message_of_the_engine_is_passed_on_once(void **state)
{
    static const char frame[] = "\x03\0\0\0\0\0\0\x05"
                                "torn\n";
    struct fixture f;

    (void)state;
    set_up(&f);
    f.reader.is_tty = false;
    for (int i = 0; i < 3; i++) {
        log_reader_begin(&f.reader, false);
        assert_int_equal(log_reader_feed(&f.reader, frame, sizeof(frame) - 1), 0);
        assert_false(log_reader_is_sound(&f.reader));
    }
    assert_texts(&f, "torn;");
    log_reader_begin(&f.reader, false);
    assert_true(log_reader_is_sound(&f.reader)); /* and so the next one is news */
    log_reader_begin(&f.reader, false);
    assert_int_equal(log_reader_feed(&f.reader, frame, sizeof(frame) - 1), 0);
    assert_texts(&f, "torn;torn;");
    tear_down(&f);
}

static void test_end_of_run_is_a_line(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    log_reader_begin(&f.reader, false);
    feed(&f, T("1") "one\r\n" T("2") "no end");
    assert_texts(&f, "one;");
    log_reader_end_run(&f.reader);
    assert_texts(&f, "one;no end;");
    log_reader_begin(&f.reader, false);
    feed(&f, T("2") "no end" T("4") "next\r\n"); /* the engine joins them */
    assert_int_equal(f.reader.position.streams[0].time_ns, AT(3));
    tear_down(&f);
}

static void test_next_run_has_a_note(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    log_reader_begin(&f.reader, false);
    feed(&f, T("1") "one\r\n");
    log_reader_set_container(&f.reader, (struct json_span){RUN(START_2), strlen(RUN(START_2))});
    log_reader_begin(&f.reader, false);
    feed(&f, T("4") "late\r\n" T("6") "first\r\n" T("7") "second\r\n");
    assert_texts(&f, "one;late;restarted;first;second;");
    tear_down(&f);
}

static void test_seek_and_until_pass_on_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    log_reader_begin(&f.reader, true);
    feed(&f, T("1") "old\r\n" T("2") "newest");
    log_reader_end_seek(&f.reader);
    assert_false(log_reader_is_empty(&f.reader));
    f.reader.until_ns = AT(3);
    log_reader_begin(&f.reader, false);
    feed(&f, T("2") "newest\r\n" T("3") "new\r\n" T("4") "too late\r\n");
    assert_texts(&f, "new;");
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_body_repeats_nothing),
        cmocka_unit_test(test_message_of_the_engine_is_passed_on_once),
        cmocka_unit_test(test_end_of_run_is_a_line),
        cmocka_unit_test(test_next_run_has_a_note),
        cmocka_unit_test(test_seek_and_until_pass_on_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
