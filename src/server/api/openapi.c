#include "server/api/openapi.h"
#include "server/api/handlers.h"

/* Nothing in it is secret: it is in the source, too. */
void openapi_get(struct api_call *call)
{
    api_reply_text(call, 200, openapi_json, openapi_json_size);
}
