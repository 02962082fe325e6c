#include "fuzz.h"
#include "proto/envelope.h"
#include "proto/json_text.h"
#include "proto/stats_text.h"

#include <assert.h>
#include <string.h>

static bool is_same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* The tree accepts all that the reader accepts, with the same values. */
static void check_same(const struct msg_container_stats *a, const json_t *payload)
{
    struct msg_container_stats b = {0};
    int r = msg_container_stats_decode(payload, &b, NULL);

    assert(r == 0);
    assert(is_same_text(a->container_id, b.container_id));
    assert(is_same_text(a->container_name, b.container_name));
    assert(is_same_text(a->timestamp, b.timestamp));
    assert(a->cpu_percent == b.cpu_percent && a->memory_percent == b.memory_percent);
    assert(a->memory_usage == b.memory_usage && a->memory_limit == b.memory_limit);
    assert(a->network_rx == b.network_rx && a->network_tx == b.network_tx);
    assert(a->disk_read == b.disk_read && a->disk_write == b.disk_write);
    msg_container_stats_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct stats_text s;

    if (stats_text_read(text, size, &s)) {
        json_t *message = json_text_parse(text, size, 0, NULL);

        assert(message && !envelope_is_reply(message));
        assert(strcmp(envelope_type(message), "event") == 0);
        assert(strcmp(envelope_event_name(message), "container_stats") == 0);
        check_same(&s.m, envelope_payload(message));
        json_decref(message);
    }
    if (stats_text_read_payload(text, size, &s)) {
        json_t *payload = json_text_parse(text, size, 0, NULL);

        assert(payload);
        check_same(&s.m, payload);
        json_decref(payload);
    }
    return 0;
}
