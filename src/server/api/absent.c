/*
 * Features of DockMon that this server does not have: its web UI and clients read these routes, and
 * get the response of an installation that does not use the feature.
 */

#include "server/api/absent.h"
#include "base/str.h"
#include "server/api/handlers.h"

#include <string.h>

/* An installation without alert rules has no alerts. */
#define NO_ALERTS                                                  \
    "{\"total\":0,\"by_state\":{\"open\":0,\"snoozed\":0,"         \
    "\"resolved\":0},\"by_severity\":{\"critical\":0,\"error\":0," \
    "\"warning\":0,\"info\":0}}"
#define NO_TEMPLATES                                             \
    "{\"variables\":[],\"default_templates\":{\"default\":\"\"," \
    "\"metric\":\"\",\"state_change\":\"\",\"health\":\"\","     \
    "\"update\":\"\"},\"examples\":{}}"
#define NO_OIDC                                                    \
    "{\"enabled\":false,\"provider_url\":null,\"client_id\":null," \
    "\"client_secret_configured\":false,\"scopes\":\"\","          \
    "\"claim_for_groups\":\"\",\"default_group_id\":null}"
#define NO_CHECK                                                 \
    "{\"enabled\":false,\"url\":\"\",\"method\":\"GET\","        \
    "\"expected_status_codes\":\"200\",\"timeout_seconds\":10,"  \
    "\"check_interval_seconds\":60,\"follow_redirects\":true,"   \
    "\"verify_ssl\":true,\"check_from\":\"backend\","            \
    "\"auto_restart_on_failure\":false,\"failure_threshold\":3," \
    "\"success_threshold\":1,\"max_restart_attempts\":3,"        \
    "\"restart_retry_delay_seconds\":120,"                       \
    "\"current_status\":\"unknown\",\"last_checked_at\":null,"   \
    "\"last_success_at\":null,\"last_failure_at\":null,"         \
    "\"consecutive_failures\":0,\"consecutive_successes\":0,"    \
    "\"last_response_time_ms\":null,\"last_error_message\":null}"
#define NO_UPGRADE                                  \
    "{\"show_notice\":false,\"from_version\":null," \
    "\"to_version\":null,\"version\":\"" DOCKMON_VERSION "\"}"

const struct absent_route absent_routes[] = {
    {"/api/alerts",                                          "{\"alerts\":[],\"total\":0,\"page\":1,\"page_size\":50}"},
    {"/api/alerts/rules",                                    "{\"rules\":[],\"total\":0}"                             },
    {"/api/alerts/stats",                                    NO_ALERTS                                                },
    {"/api/auto-update-configs",                             "{}"                                                     },
    {"/api/containers/{host}/{container}/http-health-check", NO_CHECK                                                 },
    {"/api/deployments",                                     "[]"                                                     },
    {"/api/health-check-configs",                            "{}"                                                     },
    {"/api/notifications/channels",                          "[]"                                                     },
    {"/api/notifications/template-variables",                NO_TEMPLATES                                             },
    {"/api/stacks",                                          "[]"                                                     },
    {"/api/update-policies",                                 "{\"categories\":{}}"                                    },
    {"/api/upgrade-notice",                                  NO_UPGRADE                                               },
    {"/api/v2/action-tokens/{token}/info",                   "{\"valid\":false,\"reason\":\"not_found\"}"             },
    {"/api/v2/oidc/config",                                  NO_OIDC                                                  },
    {"/api/v2/oidc/group-mappings",                          "[]"                                                     },
    {"/api/v2/oidc/status",                                  "{\"enabled\":false,\"provider_configured\":false}"      },
};

const size_t n_absent_routes = ARRAY_LEN(absent_routes);

void absent_get(struct api_call *call)
{
    size_t i = 0;

    while (i < n_absent_routes - 1 && !str_eq(absent_routes[i].pattern, call->match.route->pattern))
        i++;
    api_reply_text(call, 200, absent_routes[i].response, strlen(absent_routes[i].response));
}

/* POST /api/hosts and /api/hosts/test-connection */
void direct_host_post(struct api_call *call)
{
    api_fail_code(
        call, CODE_NOT_SUPPORTED,
        "This server never connects to an engine: install an agent on the host, or run one "
        "anywhere with DOCKER_HOST set to the address of the engine");
}
