#include "agent/spool/spool_batch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define NOW  INT64_C(1795399980000)
#define HOUR INT64_C(3600000)

static void pack(struct buf *out, const struct spool_clock *made)
{
    struct samples s = {.epoch = 5, .seq = 7, .at_ms = made->utc_ms};

    samples_clear_values(s.host.values, HOST_METRICS);
    assert_int_equal(spool_batch_pack(&s, made, out), 0);
}

static void test_age_is_measured_since_boot(void **state)
{
    static const struct {
        const char *name;
        uint8_t kind;
        struct spool_clock made, now;
        int64_t age_ms; /* -1: no age is sent */
    } cases[] = {
        {"all is well",                                SPOOL_BATCH,      {9, 1000, NOW},   {9, 61000, NOW + 60000}, 60000},
        {"set right meanwhile",                        SPOOL_BATCH,      {9, 1000, 500},   {9, 61000, NOW},         60000},
        {"set back meanwhile",                         SPOOL_BATCH,      {9, 1000, NOW},   {9, 61000, NOW - HOUR},  60000},
        {"at once",                                    SPOOL_BATCH,      {9, 1000, NOW},   {9, 1000, NOW},          0    },
        {"another boot",                               SPOOL_BATCH,      {8, 900000, NOW}, {9, 1000, NOW + HOUR},   HOUR },
        {"another boot, set back",                     SPOOL_BATCH,      {8, 1000, NOW},   {9, 61000, NOW - HOUR},  -1   },
        {"unknown boots",                              SPOOL_BATCH,      {0, 1000, NOW},   {0, 61000, NOW + HOUR},  HOUR },
        {"a clock that was set back in the same boot",
         SPOOL_BATCH,                                                    {9, 61000, NOW},
         {9, 1000, NOW},
         0                                                                                                               },
        {"of an earlier version",                      SPOOL_BATCH_BARE, {9, 1000, NOW},   {9, 61000, NOW + HOUR},  HOUR },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf kept = BUF_INIT(1000), sent = BUF_INIT(1000);
        struct spool_record r = {.kind = cases[i].kind};
        struct samples s;

        pack(&kept, &cases[i].made);
        r.data = kept.data;
        r.size = kept.size;
        if (r.kind == SPOOL_BATCH_BARE) {
            const struct spool_record whole = {SPOOL_BATCH, 0, 0, kept.data, kept.size};

            r.data = spool_batch_message(&whole, &r.size);
        }
        assert_int_equal(spool_batch_late(&r, &cases[i].now, &sent), 0);
        assert_int_equal(samples_decode(sent.data, sent.size, &s, NULL), 0);
        if (s.epoch != 5 || s.seq != 7 || s.at_ms != cases[i].made.utc_ms || !s.is_late)
            fail_msg("%s: another batch", cases[i].name);
        if ((s.has_age ? s.age_ms : -1) != cases[i].age_ms)
            fail_msg("%s: age %lld", cases[i].name, (long long)s.age_ms);
        samples_done(&s);
        buf_done(&kept);
        buf_done(&sent);
    }
}

static void test_cut_record_is_refused(void **state)
{
    const struct spool_clock now = {9, 1000, NOW};
    struct buf kept = BUF_INIT(1000), sent = BUF_INIT(1000);

    (void)state;
    pack(&kept, &now);
    for (size_t n = 0; n < kept.size; n++) {
        const struct spool_record r = {SPOOL_BATCH, 0, 0, kept.data, n};

        assert_int_equal(spool_batch_late(&r, &now, &sent), -EBADMSG);
        assert_int_equal(sent.size, 0);
    }
    buf_done(&kept);
    buf_done(&sent);
}

static void test_clock_is_of_this_boot(void **state)
{
    struct spool_clock a, b;

    (void)state;
    spool_clock_read(&a);
    spool_clock_read(&b);
    assert_int_equal(a.boot, b.boot);
    assert_int_not_equal(a.boot, 0);
    assert_true(b.boot_ms >= a.boot_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_age_is_measured_since_boot),
        cmocka_unit_test(test_cut_record_is_refused),
        cmocka_unit_test(test_clock_is_of_this_boot),
    };

    return cmocka_run_group_tests_name("spool_batch", tests, NULL, NULL);
}
