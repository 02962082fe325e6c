#include "base/alloc.h"
#include "docker/checked_text.h"
#include "docker/model/container.h"
#include "docker/model/event.h"
#include "fuzz.h"
#include "proto/json_text.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

/*
 * Every text that the scanner accepts must be readable at the other end of the link, at once or
 * after mending, also inside a message.
 */
static void expect_message(const char *text, size_t size)
{
    _cleanup_free_ char *message = xasprintf(
        "{\"type\":\"event\",\"payload\":{\"containers\":[%.*s]}}", (int)size, text);
    json_t *v = json_text_parse(message, strlen(message), 0, NULL);

    assert(v);
    json_decref(v);
}

static void expect_json(const char *text)
{
    expect_message(text, strlen(text));
}

static void read_models(struct json_span s)
{
    _cleanup_free_ char *env = container_inspect_env(s);
    _cleanup_free_ char *started_at = container_inspect_started_at(s);
    _cleanup_free_ char *digests = image_inspect_digests(s);
    struct container_element e;

    expect_json(env);
    expect_json(digests);
    if (started_at)
        expect_json(started_at);
    (void)container_element_read(s, &e);
    (void)container_inspect_has_tty(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct buf b = BUF_INIT(size * 6 + 2);
    struct checked_text checked;
    struct event e;
    size_t encoded;
    int r;

    if (json_scan_check(text, size, NULL) == 0)
        expect_message(text, size);
    if (checked_text_init(&checked, text, size, NULL) == 0) {
        assert(checked.n <= size);
        expect_message(checked.p, checked.n);
        read_models(checked_text_span(&checked));
        checked_text_done(&checked);
    }
    if (event_decode(text, size, &e, NULL) == 0)
        engine_event_done(&e);
    r = json_append_string(&b, text, size);
    assert(r == 0 && json_scan_check(b.data, b.size, NULL) == 0);
    assert(json_string_fit(text, size, b.size, &encoded) == size && encoded == b.size - 2);
    buf_done(&b);
    return 0;
}
