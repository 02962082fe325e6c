#include "agent/common/channel.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct channel_kind kind = {
    .name = "test",
    .field = "id",
    .event = "test_data",
    .id_key = "test_id",
};

struct link {
    char *last; /* the newest message that was sent */
    int result;
};

static int send_text(void *owner, const char *text, size_t size)
{
    struct link *l = owner;

    free(l->last);
    l->last = xstrndup(text, size);
    return l->result;
}

static struct sender sender_of(struct link *l)
{
    return (struct sender){.send = send_text, .owner = l, .max_message = 1 << 16};
}

static const json_t *last_payload(const struct link *l, json_t **ret_message)
{
    *ret_message = json_loads(l->last, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(*ret_message, "command")), "test_data");
    return json_object_get(*ret_message, "payload");
}

static void test_channels_are_found_and_counted(void **state)
{
    struct link l = {0};
    struct sender sender = sender_of(&l);
    struct channel_set set;
    struct channel a, b, c;

    (void)state;
    channel_set_init(&set, &kind, &sender);
    assert_null(channel_set_first(&set));
    channel_init(&a, &set, "a");
    channel_init(&b, &set, "b");
    channel_init(&c, &set, "c");
    assert_int_equal(set.n, 3);
    assert_ptr_equal(channel_set_find(&set, "b"), &b);
    assert_null(channel_set_find(&set, "d"));
    assert_ptr_equal(channel_set_first(&set), &a);
    assert_ptr_equal(channel_next(&a), &b);
    channel_done(&b);
    assert_int_equal(set.n, 2);
    assert_null(channel_set_find(&set, "b"));
    assert_ptr_equal(channel_next(&a), &c);
    assert_null(channel_next(&c));
    channel_done(&a);
    channel_done(&c);
    channel_set_done(&set);
    assert_null(l.last);
}

static void test_messages_carry_id_and_action(void **state)
{
    struct link l = {0};
    struct sender sender = sender_of(&l);
    struct channel_set set;
    struct channel c;
    json_t *message;
    const json_t *payload;

    (void)state;
    channel_set_init(&set, &kind, &sender);
    channel_init(&c, &set, "x1");
    assert_int_equal(channel_send(&c, "data", json_pack("{s:i}", "n", 7)), 0);
    payload = last_payload(&l, &message);
    assert_string_equal(json_string_value(json_object_get(payload, "test_id")), "x1");
    assert_string_equal(json_string_value(json_object_get(payload, "action")), "data");
    assert_int_equal(json_integer_value(json_object_get(payload, "n")), 7);
    json_decref(message);

    channel_set_refuse(&set, "x2", json_pack("{s:s}", "error_type", "policy"), CODE_POLICY_DENIED,
                       "not here");
    payload = last_payload(&l, &message);
    assert_string_equal(json_string_value(json_object_get(payload, "test_id")), "x2");
    assert_string_equal(json_string_value(json_object_get(payload, "action")), "error");
    assert_string_equal(json_string_value(json_object_get(payload, "error")), "not here");
    assert_string_equal(json_string_value(json_object_get(payload, "error_type")), "policy");
    assert_null(json_object_get(payload, "code"));
    json_decref(message);

    set.sender.sends_codes = true;
    channel_notify_error(&c, NULL, CODE_NO_SUCH_CONTAINER, "gone");
    payload = last_payload(&l, &message);
    assert_string_equal(json_string_value(json_object_get(payload, "test_id")), "x1");
    assert_string_equal(json_string_value(json_object_get(payload, "error")), "gone");
    assert_string_equal(json_string_value(json_object_get(payload, "code")), "no_such_container");
    json_decref(message);

    l.result = -ENOTCONN;
    assert_int_equal(channel_send(&c, "data", NULL), -ENOTCONN);
    channel_notify(&c, "closed", NULL); /* logs the failure */
    channel_set_refuse(&set, "x3", NULL, CODE_BUSY, "not now");
    channel_done(&c);
    channel_set_done(&set);
    free(l.last);
}

static void test_containers_are_checked(void **state)
{
    (void)state;
    assert_string_equal(channel_container_fault(NULL), "container_id is required");
    assert_string_equal(channel_container_fault(""), "container_id is required");
    assert_non_null(channel_container_fault("../x"));
    assert_null(channel_container_fault("web-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_are_found_and_counted),
        cmocka_unit_test(test_messages_carry_id_and_action),
        cmocka_unit_test(test_containers_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
