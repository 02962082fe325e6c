#include "agent/update/plan.h"
#include "agent/update/plan_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/*
 * Each case has the members that differ from an empty container, a path in the body, and its value
 * (NULL: absent). Quotes are written as ' in all JSON.
 */
static const struct rule_case {
    const char *name;
    unsigned api_minor;
    bool is_podman;
    const char *host, *config, *image, *settings, *extra;
    const char *path, *expected;
} cases[] = {
    {"a published port is kept though the old image exposes it", 51, false,
     "'PortBindings':{'81/udp':[{'HostPort':'81'}]}",                                                                                   "'ExposedPorts':{'81/udp':{}}",
     "'ExposedPorts':{'81/udp':{}}",                                                                                                                                                                                                              "",       "", "ExposedPorts",                       "{'81/udp':{}}"                                                              },
    {"an empty list of ports is dropped",                        51, false, "'PortBindings':{'80/tcp':[]}",                             "",                                                "",                                                    "",       "",
     "HostConfig/PortBindings",                                                                                                                                                                                                                                                                       "{}"                                                                         },
    {"a writable mount below a read-only bind",                  51, false, "'Binds':['/a:/b:ro']",                                     "",                                                "",                                                    "",
     "'submounts':['/b/c']",                                                                                                                                                                                                                                    "HostConfig/Mounts",
     "[{'Type':'bind','Source':'/a','Target':'/b','ReadOnly':true,'BindOptions':"
     "{'ReadOnlyNonRecursive':true,'CreateMountpoint':true}}]"                                                                                                                                                                                                                                                                                                                     },
    {"a MAC address of the main network at its endpoint",        51, false, "'NetworkMode':'n'",
     "'MacAddress':'02:42:00:00:00:50'",                                                                                                                                                   "",                                                    "'n':{}", "",
     "NetworkingConfig/EndpointsConfig/n/MacAddress",                                                                                                                                                                                                                                                 "'02:42:00:00:00:50'"                                                        },
    {"no Config.MacAddress from 1.44",                           51, false, "'NetworkMode':'n'",
     "'MacAddress':'02:42:00:00:00:50'",                                                                                                                                                   "",                                                    "'n':{}", "", "MacAddress",                         NULL                                                                         },
    {"Config.MacAddress before 1.44",                            41, false, "'NetworkMode':'n'",
     "'MacAddress':'02:42:00:00:00:50'",                                                                                                                                                   "",                                                    "'n':{}", "", "MacAddress",                         "'02:42:00:00:00:50'"                                                        },
    {"a universal MAC address of a second network",              51, false, "'NetworkMode':'n'",                                        "",                                                "",
     "'m':{'MacAddress':'00:11:22:33:44:55'},'n':{}",                                                                                                                                                                                                       "",
     "NetworkingConfig/EndpointsConfig/m/MacAddress",                                                                                                                                                                                                                                                 "'00:11:22:33:44:55'"                                                        },
    {"a random MAC address of a second network",                 51, false, "'NetworkMode':'n'",                                        "",                                                "",
     "'m':{'MacAddress':'12:11:22:33:44:55'},'n':{}",                                                                                                                                                                                                       "", "NetworkingConfig/EndpointsConfig/m",
     "{}"                                                                                                                                                                                                                                                                                                                                                                          },
    {"a MAC address derived from the address",                   45, false, "'NetworkMode':'n'",                                        "",                                                "",
     "'m':{'MacAddress':'02:42:0a:00:00:02','IPAddress':'10.0.0.2'},'n':{}",                                                                                                                                                                                "",
     "NetworkingConfig/EndpointsConfig/m",                                                                                                                                                                                                                                                            "{}"                                                                         },
    {"sysctls of an interface move to the endpoint",             51, false,
     "'NetworkMode':'n','Sysctls':{'net.ipv4.conf.eth0.forwarding':'1'}",                                                               "",                                                "",                                                    "'n':{}", "",
     "NetworkingConfig/EndpointsConfig/n/DriverOpts",                                                                                                                                                                                                                                                 "{'com.docker.network.endpoint.sysctls':'net.ipv4.conf.IFNAME.forwarding=1'}"},
    {"a link to a container that was set aside",                 51, false,
     "'Links':['/p.dmold-01234567:/me/alias']",                                                                                         "",                                                "",                                                    "",       "", "HostConfig/Links",                   "['p:alias']"                                                                },
    {"an id as network mode",                                    51, false, "'NetworkMode':'" ID "'",                                   "",                                                "",
     "'n':{'NetworkID':'" ID "'}",                                                                                                                                                                                                                          "", "HostConfig/NetworkMode",             "'n'"                                                                        },
    {"an old list of masked paths",                              51, false,
     "'MaskedPaths':['/proc/asound','/proc/acpi','/proc/kcore','/proc/keys','/proc/latency_stats',"
     "'/proc/timer_list','/proc/timer_stats','/proc/sched_debug','/proc/scsi','/sys/firmware']",                                        "",                                                "",                                                    "",       "", "HostConfig/MaskedPaths",             NULL                                                                         },
    {"unconfined system paths",                                  51, false, "'MaskedPaths':[]",                                         "",                                                "",                                                    "",       "",
     "HostConfig/MaskedPaths",                                                                                                                                                                                                                                                                        "[]"                                                                         },
    {"options of the log, per key",                              51, false,
     "'LogConfig':{'Type':'j','Config':{'max-file':'3','max-size':'1m'}}",                                                              "",                                                "",                                                    "",
     "'probe':{'HostConfig':{'LogConfig':{'Type':'j','Config':{'max-size':'1m'}}}}",                                                                                                                                                                            "HostConfig/LogConfig",               "{'Type':'j','Config':{'max-file':'3'}}"                                     },
    {"the own id among the aliases, at any version",             51, false, "'NetworkMode':'n'",                                        "",                                                "",
     "'n':{'Aliases':['0123456789ab','redis-master']}",                                                                                                                                                                                                     "",
     "NetworkingConfig/EndpointsConfig/n/Aliases",                                                                                                                                                                                                                                                    "['redis-master']"                                                           },
    {"--entrypoint ''",                                          51, false, "",                                                         "'Cmd':['x']",                                     "'Entrypoint':['/e']",                                 "",       "", "Entrypoint",
     "['']"                                                                                                                                                                                                                                                                                                                                                                        },
    {"a command equal to the image's, with an own entrypoint",   51, false, "",
     "'Entrypoint':['/u'],'Cmd':['x']",                                                                                                                                                    "'Entrypoint':['/e'],'Cmd':['x']",                     "",       "", "Cmd",                                "['x']"                                                                      },
    {"a health check, per member",                               51, false, "",                                                         "'Healthcheck':{'Test':['CMD','x'],'Interval':5}",
     "'Healthcheck':{'Test':['CMD','x']}",                                                                                                                                                                                                        "",       "", "Healthcheck",                        "{'Interval':5}"                                                             },
    {"labels of compose stay, though the image has them",        51, false, "",
     "'Labels':{'com.docker.compose.project':'p','x':'1'}",                                                                                                                                "'Labels':{'com.docker.compose.project':'p','x':'1'}", "",       "", "Labels",
     "{'com.docker.compose.project':'p'}"                                                                                                                                                                                                                                                                                                                                          },
    {"only configured addresses",                                51, false, "'NetworkMode':'n'",                                        "",                                                "",
     "'n':{'IPAMConfig':{'IPv4Address':'10.0.0.9'},'IPAddress':'10.0.0.9'}",                                                                                                                                                                                "",
     "NetworkingConfig/EndpointsConfig/n",                                                                                                                                                                                                                                                            "{'IPAMConfig':{'IPv4Address':'10.0.0.9'}}"                                  },
    {"no aliases on the default bridge",                         51, false, "'NetworkMode':'bridge'",                                   "",                                                "",
     "'bridge':{'Aliases':['a']}",                                                                                                                                                                                                                          "", "NetworkingConfig",                   NULL                                                                         },
    {"an unknown field of a newer engine",                       51, false, "'Future':{'a':1}",                                         "",                                                "",                                                    "",       "",
     "HostConfig/Future",                                                                                                                                                                                                                                                                             "{'a':1}"                                                                    },
    {"a field of a newer API",                                   41, false, "'Annotations':{'a':'b'}",                                  "",                                                "",                                                    "",       "",
     "HostConfig/Annotations",                                                                                                                                                                                                                                                                        NULL                                                                         },
    {"swap of twice the memory",                                 51, false, "'Memory':5,'MemorySwap':10",                               "",                                                "",                                                    "",       "",
     "HostConfig/MemorySwap",                                                                                                                                                                                                                                                                         NULL                                                                         },
    {"GPUs",                                                     51, false, "'DeviceRequests':[{'Count':-1,'Capabilities':[['gpu']]}]", "",                                                "",                                                    "",       "",
     "HostConfig/DeviceRequests",                                                                                                                                                                                                                                                                     "[{'Count':-1,'Capabilities':[['gpu']]}]"                                    },
    {"Podman: permissions of a device",                          44, true,  "'Devices':[{'CgroupPermissions':''}]",                     "",                                                "",
     "",                                                                                                                                                                                                                                                    "", "HostConfig/Devices",                 "[{'CgroupPermissions':'rwm'}]"                                              },
    {"Podman: a signal as a number",                             44, true,  "",                                                         "'StopSignal':'15'",                               "'StopSignal':'SIGTERM'",
     "",                                                                                                                                                                                                                                                    "", "StopSignal",                         NULL                                                                         },
    {"Podman: another signal",                                   44, true,  "",                                                         "'StopSignal':'2'",                                "'StopSignal':'SIGTERM'",                              "",       "",
     "StopSignal",                                                                                                                                                                                                                                                                                    "'2'"                                                                        },
    {"Podman: no limit of processes",                            44, true,  "",                                                         "",                                                "",                                                    "",
     "'probe':{'HostConfig':{'PidsLimit':2048}}",                                                                                                                                                                                                               "HostConfig/PidsLimit",               "0"                                                                          },
    {"Podman: the present address",                              44, true,  "'NetworkMode':'bridge'",                                   "",                                                "",
     "'n':{'IPAddress':'10.0.0.9','MacAddress':'aa:bb:cc:dd:ee:ff'}",                                                                                                                                                                                       "",
     "NetworkingConfig/EndpointsConfig/n",                                                                                                                                                                                                                                                            "{'IPAMConfig':{'IPv4Address':'10.0.0.9'},'MacAddress':'aa:bb:cc:dd:ee:ff'}" },
};

static json_t *parse(const char *text)
{
    _cleanup_free_ char *copy = xstrdup(text);
    struct error err = ERROR_INIT;
    json_t *v;

    for (char *p = copy; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    v = json_loads(copy, JSON_DECODE_ANY, NULL);
    if (!v)
        fail_msg("%s: %s", copy, err.msg);
    return v;
}

static const json_t *find(const json_t *v, const char *path)
{
    while (v && *path) {
        size_t n = strcspn(path, "/");

        v = json_object_getn(v, path, n);
        path += n + (path[n] == '/');
    }
    return v;
}

static bool check_case(const struct rule_case *c)
{
    _cleanup_free_ char *text = xasprintf(
        "{'Id':'" ID "','Name':'/me','HostConfig':{%s},'Config':{%s},'NetworkSettings':"
        "{'Networks':{%s}}}",
        c->host, c->config, c->settings);
    _cleanup_free_ char *image_text = xasprintf("{%s}", c->image);
    _cleanup_free_ char *extra_text = xasprintf("{%s}", c->extra);
    json_auto_t *container = parse(text);
    json_auto_t *image = parse(image_text);
    json_auto_t *extra = parse(extra_text);
    json_auto_t *expected = c->expected ? parse(c->expected) : NULL;
    struct plan_source s = {.container = container,
                            .old_config = image,
                            .new_config = image,
                            .probe = json_object_get(extra, "probe"),
                            .submounts = json_object_get(extra, "submounts"),
                            .host_name = "host-1",
                            .image = "web:2",
                            .image_id = "sha256:2",
                            .api_minor = c->api_minor,
                            .is_podman = c->is_podman,
                            .has_consent = c->is_podman};
    struct error err = ERROR_INIT;
    const json_t *actual;
    struct plan p;
    bool is_right;

    if (plan_make(&s, &p, &err) < 0)
        fail_msg("%s: %s", c->name, err.msg);
    actual = find(p.create, c->path);
    is_right = expected ? json_equal(actual, expected) : actual == NULL;
    if (!is_right) {
        _cleanup_free_ char *shown = json_dumps(p.create, 0);

        print_error("%s: %s\n", c->name, shown);
    }
    plan_done(&p);
    return is_right;
}

static void test_rules(void **state)
{
    size_t n_right = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        n_right += check_case(&cases[i]);
    assert_int_equal(n_right, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
