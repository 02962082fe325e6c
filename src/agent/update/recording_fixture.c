#include "agent/update/recording_fixture.h"
#include "base/alloc.h"
#include "base/file.h"
#include "proto/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define MAX_FILE ((size_t)1 << 20)

json_t *recording_load(const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s.json", RECORDINGS_DIR, name);
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    json_t *recording;
    size_t size;

    if (file_read(path, MAX_FILE, &text, &size, &err) < 0)
        fail_msg("%s", err.msg);
    recording = json_text_parse(text, size, 0, &err);
    if (!recording)
        fail_msg("%s: %s", path, err.msg);
    return recording;
}
