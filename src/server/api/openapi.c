#include "server/api/openapi.h"
#include "server/api/handlers.h"

/* Authenticated, although the text is public: unauthenticated clients get no more than they
 * need. */
void openapi_get(struct api_call *call)
{
    api_reply_text(call, 200, openapi_json, openapi_json_size);
}
