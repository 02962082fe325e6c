#include "base/alloc.h"
#include "docker/checked_text.h"
#include "docker/model/container.h"
#include "docker/model/event.h"
#include "fuzz.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

static void expect_json(const char *text)
{
    assert(json_scan_check(text, strlen(text), NULL) == 0);
}

/* Jansson must accept every text that the scanner accepts, except for too large numbers. */
static void compare_with_jansson(const char *text, size_t size)
{
    json_error_t why;
    json_t *v = json_loadb(text, size, JSON_DECODE_ANY, &why);

    if (json_scan_check(text, size, NULL) == 0)
        assert(v || json_error_code(&why) == json_error_numeric_overflow);
    json_decref(v);
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

    compare_with_jansson(text, size);
    if (checked_text_init(&checked, text, size, NULL) == 0) {
        assert(json_scan_check(checked.p, checked.n, NULL) == 0);
        read_models(checked_text_span(&checked));
        checked_text_done(&checked);
    }
    if (event_decode(text, size, &e, NULL) == 0)
        event_done(&e);
    r = json_append_string(&b, text, size);
    assert(r == 0 && json_scan_check(b.data, b.size, NULL) == 0);
    assert(json_string_fit(text, size, b.size, &encoded) == size && encoded == b.size - 2);
    buf_done(&b);
    return 0;
}
