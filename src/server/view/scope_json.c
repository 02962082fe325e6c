#include "server/view/scope_json.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

json_t *scope_json(const char *text)
{
    json_t *list = json_array();

    while (!str_is_empty(text)) {
        size_t n = strcspn(text, "\n");

        (void)json_array_append_new(list, json_text_string(text, n));
        text += n + (text[n] ? 1 : 0);
    }
    return list;
}
