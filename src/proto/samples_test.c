#include "proto/samples_fixture.h"

#include "base/alloc.h"
#include "proto/json_text.h"
#include "proto/packed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Every value is different, so that a swap is detected. */
static void fill_values(int64_t *values, size_t n, int64_t first)
{
    for (size_t i = 0; i < n; i++)
        values[i] = first + (int64_t)(i * i * i);
}

static struct mount_sample mounts[] = {
    {"/",         "/dev/vda1", "ext4", 1000,        500,         400,         1 << 20,     INT64_MAX},
    {"/mnt/nfs1", "nas:/x",    "nfs4", METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE,
     METRIC_NONE                                                                                    },
};
static struct temperature_sample temperatures[] = {
    {"Package id 0", 4550       },
    {"outside",      -1200      },
    {"broken",       METRIC_NONE},
};

static void fill(struct samples *s, struct container_sample *containers, size_t n)
{
    *s = (struct samples){
        .epoch = INT64_MAX,
        .seq = 42,
        .at_ms = 1795399980123,
        .has_host = true,
        .host = {.mounts = mounts,
                 .n_mounts = 2,
                 .temperatures = temperatures,
                 .n_temperatures = 3},
        .has_source = true,
        .source = { .containers = "cgroup1",
                 .network = "proc",
                 .why = "because",
                 .notes = {"one", "two"},
                 .n_notes = 2},
        .containers = containers,
        .n_containers = n,
    };
    fill_values(s->host.values, HOST_METRICS, 7);
    for (size_t i = 0; i < n; i++) {
        memcpy(containers[i].id, ID, sizeof(ID));
        containers[i].id[0] = (char)('0' + i % 10);
        containers[i].name = i ? "w\303\266rker" : "";
        fill_values(containers[i].values, CONTAINER_METRICS, (int64_t)1 << (i % 62));
        containers[i].values[i % CONTAINER_METRICS] = METRIC_NONE;
    }
}

static void assert_same(const struct samples *a, const struct samples *b)
{
    json_auto_t *left = samples_fixture_describe(a);
    json_auto_t *right = samples_fixture_describe(b);
    _cleanup_free_ char *text = json_text_write(right, NULL);

    if (!json_equal(left, right))
        fail_msg("decoded to %s", text);
}

static void test_encoded_samples_are_decoded_unchanged(void **state)
{
    struct container_sample containers[70];
    struct buf b = BUF_INIT(SAMPLES_MAX_SIZE);
    struct error err = ERROR_INIT;
    struct samples s, back;

    (void)state;
    fill(&s, containers, ARRAY_LEN(containers));
    assert_int_equal(samples_encode(&s, &b), 0);
    if (samples_decode(b.data, b.size, &back, &err) < 0)
        fail_msg("%s", err.msg);
    assert_same(&s, &back);
    assert_int_equal(back.containers[0].values[0], METRIC_NONE);
    assert_int_equal(back.host.mounts[1].size, METRIC_NONE);
    samples_done(&back);
    buf_done(&b);
}

/* Unknown values at the end are omitted. */
static void test_unknown_values_are_nil_or_omitted(void **state)
{
    struct container_sample c = {.id = ID, .name = "a"};
    struct samples s = {.containers = &c, .n_containers = 1, .has_host = true}, back;
    struct buf b = BUF_INIT(SAMPLES_MAX_SIZE);

    (void)state;
    samples_clear_values(c.values, CONTAINER_METRICS);
    samples_clear_values(s.host.values, HOST_METRICS);
    c.values[CONTAINER_CPU_TIME] = 0;
    assert_int_equal(samples_encode(&s, &b), 0);
    assert_true(b.size < 160);
    assert_int_equal(samples_decode(b.data, b.size, &back, NULL), 0);
    assert_same(&s, &back);
    assert_int_equal(back.containers[0].values[CONTAINER_CPU], METRIC_NONE);
    assert_int_equal(back.containers[0].values[CONTAINER_CPU_TIME], 0);
    assert_int_equal(back.host.values[HOST_MEM_USED], METRIC_NONE);
    assert_false(back.has_source);
    samples_done(&back);
    buf_done(&b);
}

static void test_truncated_message_is_refused(void **state)
{
    struct container_sample containers[3];
    struct buf b = BUF_INIT(SAMPLES_MAX_SIZE);
    struct samples s, back;

    (void)state;
    fill(&s, containers, ARRAY_LEN(containers));
    assert_int_equal(samples_encode(&s, &b), 0);
    for (size_t n = 0; n < b.size; n++) {
        _cleanup_free_ char *cut = xmemdup(b.data, n ? n : 1);

        assert_int_equal(samples_decode(cut, n, &back, NULL), -EBADMSG);
        assert_null(back.containers);
    }
    assert_int_equal(buf_append_char(&b, '\0'), 0);
    assert_int_equal(samples_decode(b.data, b.size, &back, NULL), -EBADMSG);
    buf_done(&b);
}

static void test_buffer_is_unchanged_if_the_message_does_not_fit(void **state)
{
    struct container_sample containers[3];
    struct samples s;

    (void)state;
    fill(&s, containers, ARRAY_LEN(containers));
    for (size_t max = 3; max < 400; max += 13) {
        struct buf b = BUF_INIT(max);

        assert_int_equal(buf_append_str(&b, "abc"), 0);
        assert_int_equal(samples_encode(&s, &b), -EMSGSIZE);
        assert_string_equal(buf_str(&b), "abc");
        assert_int_equal(b.size, 3);
        buf_done(&b);
    }
}

/* A name of the maximum length, and a longer one that would be cut inside a character. */
static void test_long_texts_are_cut_between_characters(void **state)
{
    char name[SAMPLES_MAX_NAME + 3];
    struct container_sample c = {.id = ID, .name = name};
    struct samples s = {.containers = &c, .n_containers = 1}, back;
    struct buf b = BUF_INIT(SAMPLES_MAX_SIZE);

    (void)state;
    samples_clear_values(c.values, CONTAINER_METRICS);
    memset(name, 'x', sizeof(name));
    memcpy(name + SAMPLES_MAX_NAME - 1, "\303\266", 3);
    assert_int_equal(samples_encode(&s, &b), 0);
    assert_int_equal(samples_decode(b.data, b.size, &back, NULL), 0);
    assert_int_equal(strlen(back.containers[0].name), SAMPLES_MAX_NAME - 1);
    samples_done(&back);
    buf_done(&b);
}

static json_t *message_with(const char *containers)
{
    _cleanup_free_ char *text = xasprintf(
        "{\"type\":\"samples\",\"epoch\":1,\"seq\":1,\"at\":1,\"containers\":%s}", containers);

    return json_text_parse(text, strlen(text), 0, NULL);
}

static void assert_refused(const void *data, size_t size, const char *why)
{
    struct error err = ERROR_INIT;
    struct samples back;

    assert_int_equal(samples_decode(data, size, &back, &err), -EBADMSG);
    assert_string_equal(err.msg, why);
}

static void test_messages_above_the_limits_are_refused(void **state)
{
    struct buf b = BUF_INIT(2 * SAMPLES_MAX_SIZE);
    struct buf list = BUF_INIT(2 * SAMPLES_MAX_SIZE);
    json_t *message;

    (void)state;
    for (size_t i = 0; i <= SAMPLES_MAX_CONTAINERS; i++)
        assert_int_equal(buf_printf(&list, "%c[\"hex:" ID "\",\"\"]", i ? ',' : '['), 0);
    assert_int_equal(buf_append_char(&list, ']'), 0);
    message = message_with(buf_str(&list));
    assert_non_null(message);
    samples_fixture_pack(message, &b);
    json_decref(message);
    assert_refused(b.data, b.size, "samples: containers: too many");
    while (b.size <= SAMPLES_MAX_SIZE)
        assert_int_equal(buf_append_str(&b, ID), 0);
    assert_refused(b.data, b.size, "samples: message: too large");
    buf_done(&b);
    buf_done(&list);
}

static void test_lists_of_the_maximum_length_are_accepted(void **state)
{
    struct samples s = {.epoch = 1, .seq = 1, .at_ms = 1, .has_source = true}, back;
    struct buf b = BUF_INIT(SAMPLES_MAX_SIZE);

    (void)state;
    s.source.containers = s.source.network = s.source.why = "x";
    for (s.source.n_notes = 0; s.source.n_notes < SAMPLES_MAX_NOTES; s.source.n_notes++)
        s.source.notes[s.source.n_notes] = "note";
    assert_int_equal(samples_encode(&s, &b), 0);
    assert_int_equal(samples_decode(b.data, b.size, &back, NULL), 0);
    assert_int_equal(back.source.n_notes, SAMPLES_MAX_NOTES);
    samples_done(&back);
    buf_done(&b);
}

/* A key of each map that the decoder knows, once more at the end of its map. JSON has no words for
 * it. */
static void test_duplicate_keys_are_refused(void **state)
{
    static const char head[] = "\xa4type\xa7samples\xa5"
                               "epoch\x01\xa3seq\x01\xa2"
                               "at\x01";
    static const struct {
        const char *start, *rest, *why;
    } cases[] = {
        {"\x85", "\xa3seq\x02",                              "message"},
        {"\x86", "\xa4late\x01\xa4late\x01",                 "message"},
        {"\x85", "\xa4host\x82\xa6values\x90\xa6values\x90", "host"   },
        {"\x85",
         "\xa6source\x82\xa3why\xa1"
         "a\xa3why\xa1"
         "b",                                                "source" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *text = xasprintf("%s%s%s", cases[i].start, head, cases[i].rest);
        _cleanup_free_ char *why = xasprintf("samples: %s: a key stands there twice", cases[i].why);

        assert_refused(text, strlen(text), why);
    }
}

/* Counts that the message cannot contain are refused before memory is allocated. */
static void test_counts_above_the_message_size_are_refused(void **state)
{
    static const char lies[][16] = {
        "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff",
        "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff", "\xdc\xff\xff",
        "\x9f\xdf\x7f\xff\xff", "\xdd\x00\x00\x13\x88",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct buf b = BUF_INIT(1024);
        json_t *message = message_with("null");
        struct samples back;

        samples_fixture_pack(message, &b);
        b.size--; /* removes the null: the containers are last */
        assert_int_equal(buf_append(&b, lies[i], 5), 0);
        assert_int_equal(samples_decode(b.data, b.size, &back, NULL), -EBADMSG);
        json_decref(message);
        buf_done(&b);
    }
}

static void test_deep_nesting_is_skipped_without_recursion(void **state)
{
    struct buf b = BUF_INIT(1 << 21);
    struct packed in;

    (void)state;
    for (size_t i = 0; i < 1 << 20; i++)
        assert_int_equal(buf_append_char(&b, (char)0x91), 0);
    assert_int_equal(buf_append_char(&b, (char)0xc0), 0);
    in = (struct packed){(uint8_t *)b.data, (uint8_t *)b.data + b.size};
    assert_int_equal(packed_skip(&in, NULL), 0);
    assert_ptr_equal(in.p, in.end);
    buf_done(&b);
}

/* Every head byte of the format, with its value. */
static void test_reader_supports_every_head(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum packed_type type;
        int64_t i; /* the number, or the length */
    } cases[] = {
        {"\x00",                                 1,  PACKED_INT,   0         },
        {"\x7f",                                 1,  PACKED_INT,   127       },
        {"\xff",                                 1,  PACKED_INT,   -1        },
        {"\xe0",                                 1,  PACKED_INT,   -32       },
        {"\xc0",                                 1,  PACKED_NIL,   0         },
        {"\xc2",                                 1,  PACKED_BOOL,  0         },
        {"\xc3",                                 1,  PACKED_BOOL,  1         },
        {"\xcc\xff",                             2,  PACKED_INT,   255       },
        {"\xcd\xff\xfe",                         3,  PACKED_INT,   65534     },
        {"\xce\xff\xff\xff\xfe",                 5,  PACKED_INT,   4294967294},
        {"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9,  PACKED_INT,   INT64_MAX },
        {"\xd0\x80",                             2,  PACKED_INT,   -128      },
        {"\xd1\x80\x00",                         3,  PACKED_INT,   -32768    },
        {"\xd2\x80\x00\x00\x00",                 5,  PACKED_INT,   INT32_MIN },
        {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9,  PACKED_INT,   INT64_MIN },
        {"\xca\x3f\x80\x00\x00",                 5,  PACKED_FLOAT, 1         },
        {"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 9,  PACKED_FLOAT, 1         },
        {"\xa2hi",                               3,  PACKED_STR,   2         },
        {"\xd9\x02hi",                           4,  PACKED_STR,   2         },
        {"\xda\x00\x02hi",                       5,  PACKED_STR,   2         },
        {"\xdb\x00\x00\x00\x02hi",               7,  PACKED_STR,   2         },
        {"\xc4\x01z",                            3,  PACKED_BIN,   1         },
        {"\xc5\x00\x01z",                        4,  PACKED_BIN,   1         },
        {"\xc6\x00\x00\x00\x01z",                6,  PACKED_BIN,   1         },
        {"\xd4\x01z",                            3,  PACKED_EXT,   1         },
        {"\xd8\x01zzzzzzzzzzzzzzzz",             18, PACKED_EXT,   16        },
        {"\xc7\x02\x01zz",                       5,  PACKED_EXT,   2         },
        {"\xc8\x00\x02\x01zz",                   6,  PACKED_EXT,   2         },
        {"\xc9\x00\x00\x00\x02\x01zz",           8,  PACKED_EXT,   2         },
        {"\x90",                                 1,  PACKED_ARRAY, 0         },
        {"\xdc\x00\x00",                         3,  PACKED_ARRAY, 0         },
        {"\xdd\x00\x00\x00\x00",                 5,  PACKED_ARRAY, 0         },
        {"\x80",                                 1,  PACKED_MAP,   0         },
        {"\xde\x00\x00",                         3,  PACKED_MAP,   0         },
        {"\xdf\x00\x00\x00\x00",                 5,  PACKED_MAP,   0         },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ uint8_t *copy = xmemdup(cases[i].bytes, cases[i].size);
        struct packed in = {copy, copy + cases[i].size};
        struct packed_value v;
        struct error err = ERROR_INIT;

        if (packed_next(&in, &v, &err) < 0)
            fail_msg("case %zu: %s", i, err.msg);
        assert_ptr_equal(in.p, in.end);
        assert_int_equal(v.type, cases[i].type);
        if (v.type == PACKED_FLOAT) {
            assert_true(v.d > 0.999 && v.d < 1.001);
        } else if (v.type == PACKED_INT || v.type == PACKED_BOOL) {
            assert_int_equal(v.i, cases[i].i);
        } else {
            assert_int_equal(v.n, cases[i].i);
        }
        for (size_t n = 0; n < cases[i].size; n++) {
            in = (struct packed){copy, copy + n};
            assert_int_equal(packed_next(&in, &v, NULL), -EBADMSG);
        }
    }
}

static void test_reader_refuses_values_out_of_range(void **state)
{
    static const char bad[][10] = {
        "\xc1",
        "\xcf\x80\x00\x00\x00\x00\x00\x00\x00",
        "\xdd\x00\x00\x00\x05", /* more elements and pairs than bytes */
        "\xdf\x00\x00\x00\x03",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct packed in = {(const uint8_t *)bad[i], (const uint8_t *)bad[i] + 9};
        struct packed_value v;

        assert_int_equal(packed_next(&in, &v, NULL), -EBADMSG);
    }
}

static void test_metrics_have_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONTAINER_METRICS; i++) {
        assert_int_equal(
            metric_find(container_metrics, CONTAINER_METRICS, container_metrics[i].name), i);
    }
    for (size_t i = 0; i < HOST_METRICS; i++)
        assert_int_equal(metric_find(host_metrics, HOST_METRICS, host_metrics[i].name), i);
    assert_int_equal(metric_find(host_metrics, HOST_METRICS, "nonsense"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoded_samples_are_decoded_unchanged),
        cmocka_unit_test(test_unknown_values_are_nil_or_omitted),
        cmocka_unit_test(test_truncated_message_is_refused),
        cmocka_unit_test(test_buffer_is_unchanged_if_the_message_does_not_fit),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_messages_above_the_limits_are_refused),
        cmocka_unit_test(test_lists_of_the_maximum_length_are_accepted),
        cmocka_unit_test(test_duplicate_keys_are_refused),
        cmocka_unit_test(test_counts_above_the_message_size_are_refused),
        cmocka_unit_test(test_deep_nesting_is_skipped_without_recursion),
        cmocka_unit_test(test_reader_supports_every_head),
        cmocka_unit_test(test_reader_refuses_values_out_of_range),
        cmocka_unit_test(test_metrics_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
