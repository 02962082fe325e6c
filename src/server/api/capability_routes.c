/*
 * The capabilities and the groups that have them, as DockMon's editor of groups reads them.
 */

#include "server/api/account_json.h"
#include "server/api/handlers.h"

/* GET /api/v2/capabilities */
void capabilities_list(struct api_call *call)
{
    api_reply(call, 200, account_capability_list_json());
}

/* GET /api/v2/groups/permissions/all */
void groups_permissions(struct api_call *call)
{
    api_reply(call, 200, account_permissions_json());
}
