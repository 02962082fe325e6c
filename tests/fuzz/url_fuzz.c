#include "base/alloc.h"
#include "base/str.h"
#include "fuzz.h"
#include "net/url.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    _cleanup_free_ char *value = url_query_get(text, "name");
    _cleanup_free_ char *decoded = NULL;
    struct url u = {0};

    assert(!value || strlen(value) <= strlen(text));
    if (url_decode(text, strlen(text), true, &decoded) == 0) {
        assert(strlen(decoded) <= strlen(text) && str_is_utf8(decoded, strlen(decoded)));
        for (const char *c = decoded; *c; c++)
            assert((unsigned char)*c >= ' ' && *c != 0x7f);
    }
    if (url_parse(text, &u, NULL) == 0) {
        assert(u.host[0] && u.path[0] == '/' && !strpbrk(u.path, " \r\n#"));
        url_done(&u);
    }
    return 0;
}
