#pragma once

/*
 * The handlers of the route table (routes.c); each resource has its own file.
 */

#include "server/api/call.h"

/* health.c */
void health_get(struct api_call *call);

/* updates.c */
void updates_get(struct api_call *call);
void updates_history_get(struct api_call *call);
void update_get(struct api_call *call);

/* update_batches.c */
void update_batches_post(struct api_call *call);
void update_batches_get(struct api_call *call);
void update_batch_get(struct api_call *call);
void update_batch_delete(struct api_call *call);

/* update_run.c */
void container_update_preview(struct api_call *call);
void container_execute_update(struct api_call *call);
void container_update_rollback(struct api_call *call);
void container_update_cancel(struct api_call *call);

/* downloads.c */
void install_get(struct api_call *call);
void agent_program_get(struct api_call *call);
void agent_image_get(struct api_call *call);

/* openapi.c */
void openapi_get(struct api_call *call);

/* log_level.c */
void log_level_get(struct api_call *call);
void log_level_put(struct api_call *call);

/* login.c */
void login_post(struct api_call *call);
void logout_post(struct api_call *call);
void me_get(struct api_call *call);
void profile_post(struct api_call *call);
void password_post(struct api_call *call);

/* users.c */
void users_list(struct api_call *call);
void users_get_one(struct api_call *call);
void users_pending_count(struct api_call *call);
void groups_list(struct api_call *call);
void users_create(struct api_call *call);
void users_put(struct api_call *call);
void users_reset_password(struct api_call *call);
void users_delete_one(struct api_call *call);
void sessions_list(struct api_call *call);
void sessions_revoke(struct api_call *call);

/* preferences.c */
void preferences_get(struct api_call *call);
void preferences_patch(struct api_call *call);
void preferences_delete(struct api_call *call);
void view_mode_get(struct api_call *call);
void view_mode_post(struct api_call *call);
void event_sort_order_get(struct api_call *call);
void event_sort_order_post(struct api_call *call);

/* keys.c */
void keys_list(struct api_call *call);
void keys_create(struct api_call *call);
void keys_patch(struct api_call *call);
void keys_delete(struct api_call *call);

/* agents.c */
void agents_token_post(struct api_call *call);
void agents_list(struct api_call *call);
void agents_refusals(struct api_call *call);
void agents_status(struct api_call *call);
void agents_migrate(struct api_call *call);
void hosts_agent_get(struct api_call *call);
void hosts_agent_update(struct api_call *call); /* agent_update.c */

/* agent_tokens.c */
void agents_rotate(struct api_call *call);
void agents_revoke(struct api_call *call);

/* hosts.c */
void hosts_list(struct api_call *call);
void hosts_put(struct api_call *call);
void hosts_tags_patch(struct api_call *call);
void hosts_delete_one(struct api_call *call);

/* containers.c */
void containers_list(struct api_call *call);

/* resolve.c */
void containers_resolve_get(struct api_call *call);

/* stats.c */
void hosts_metrics(struct api_call *call);
void host_stats_history(struct api_call *call);
void host_stats_live(struct api_call *call);
void container_stats_history(struct api_call *call);
void container_stats_live(struct api_call *call);
void history_get(struct api_call *call);

/* metrics.c */
void metrics_get(struct api_call *call);

/* operations.c: the operation of the route, on a container */
void container_operate(struct api_call *call);

/* container_settings.c */
void container_tags_patch(struct api_call *call);
void container_auto_restart_post(struct api_call *call);
void container_desired_state_post(struct api_call *call);

/* bulk_routes.c */
void bulk_create(struct api_call *call);
void bulk_get(struct api_call *call);
void bulk_cancel(struct api_call *call);

/* batch_routes.c: the same jobs in the shape of DockMon */
void batch_create(struct api_call *call);
void batch_get(struct api_call *call);

/* container_read.c: top, diff */
void container_read(struct api_call *call);

/* inspect.c */
void container_inspect(struct api_call *call);

/* logs.c */
void container_logs(struct api_call *call);

/* http_log_viewer.c: the same with follow=true */
void container_logs_follow(struct api_call *call, uint64_t tail);

/* resources.c; host_resource_ask is for operations without arguments */
void host_resource_ask(struct api_call *call);
void host_images_prune(struct api_call *call);
void host_networks_prune(struct api_call *call);
void host_volumes_prune(struct api_call *call);
void host_image_delete(struct api_call *call);
void host_network_create(struct api_call *call);
void host_network_delete(struct api_call *call);
void host_volume_create(struct api_call *call);
void host_volume_delete(struct api_call *call);

/* events.c */
void api_events_list(struct api_call *call);
void api_events_of_host(struct api_call *call);
void api_events_of_container(struct api_call *call);
void api_events_of_correlation(struct api_call *call);
void api_events_get(struct api_call *call);
void api_audit_list(struct api_call *call);
void audit_log_list(struct api_call *call);
void audit_log_actions(struct api_call *call);
void audit_log_entity_types(struct api_call *call);
void audit_log_users(struct api_call *call);
void audit_log_retention(struct api_call *call);
void audit_log_export(struct api_call *call);

/* tags.c */
void host_tags_suggest(struct api_call *call);
void tags_suggest(struct api_call *call);

/* capability_routes.c */
void capabilities_list(struct api_call *call);
void groups_permissions(struct api_call *call);

/* dashboard.c */
void dashboard_summary_get(struct api_call *call);

/* settings.c */
void api_settings_get(struct api_call *call);
void api_settings_put(struct api_call *call);

/* image_updates.c */
void container_update_status_get(struct api_call *call);
void container_update_check_post(struct api_call *call);
void updates_check_all_post(struct api_call *call);
void updates_summary_get(struct api_call *call);

/* registries.c */
void registries_list(struct api_call *call);
void registries_post(struct api_call *call);
void registries_put(struct api_call *call);
void registries_delete_one(struct api_call *call);
void registries_webhook_post(struct api_call *call);
void registry_webhook_call(struct api_call *call);

/* absent.c: features that this server does not have */
void absent_get(struct api_call *call);
void direct_host_post(struct api_call *call);
