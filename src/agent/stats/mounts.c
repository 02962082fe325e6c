#include "agent/stats/mounts.h"

#include "agent/stats/parse.h"
#include "agent/stats/text.h"
#include "base/alloc.h"
#include "base/str.h"

#include <dirent.h>
#include <string.h>

#define SECTOR      512
#define TEXT_SIZE   128
#define FIELDS      8
#define MAX_SENSORS 32 /* per chip */

/* File systems on a disk of this machine. */
static const char *const local_types[] = {
    "ext4",  "xfs",   "btrfs", "zfs", "ext3", "ext2",     "f2fs",     "vfat",
    "exfat", "ntfs3", "ntfs",  "jfs", "ufs",  "reiserfs", "bcachefs", "nilfs2",
};

static bool is_local(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(local_types); i++) {
        if (str_eq(type, local_types[i]))
            return true;
    }
    return false;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static char *unescape(const char *s)
{
    char *copy = xstrdup(s), *to = copy;

    for (const char *p = copy; *p; p++) {
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
            p[3] >= '0' && p[3] <= '7') {
            *to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 3;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return copy;
}

static bool parse_device(const char *text, unsigned *ret_major, unsigned *ret_minor)
{
    _cleanup_free_ char *major = xstrdup(text);
    char *colon = strchr(major, ':');
    uint64_t high = 0, low = 0;

    if (!colon)
        return false;
    *colon = '\0';
    if (parse_u64(major, UINT32_MAX, &high) < 0 || parse_u64(colon + 1, UINT32_MAX, &low) < 0)
        return false;
    *ret_major = (unsigned)high;
    *ret_minor = (unsigned)low;
    return true;
}

static bool is_known(const struct mount_table *t, const struct mount_line *line)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct mount_line *other = &t->lines[i];

        /* Subvolumes and data sets have different numbers on the same device. */
        if ((other->major == line->major && other->minor == line->minor) ||
            str_eq(other->device, line->device))
            return true;
    }
    return false;
}

static void free_line(struct mount_line *line)
{
    free(line->path);
    free(line->device);
    free(line->type);
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static void parse_line(char *text, struct mount_table *t)
{
    char *rest = strstr(text, " - "), *word, *fields[FIELDS] = {NULL};
    struct mount_line line = {0};
    size_t n = 0;

    if (!rest || t->n == SAMPLES_MAX_MOUNTS)
        return;
    *rest = '\0';
    rest += strlen(" - ");
    while (n < 5 && (word = strsep(&text, " ")))
        fields[n++] = word;
    while (n >= 5 && n < 7 && (word = strsep(&rest, " ")))
        fields[n++] = word;
    if (n < 7 || !is_local(fields[5]) || !parse_device(fields[2], &line.major, &line.minor))
        return;
    line.path = unescape(fields[4]);
    line.type = unescape(fields[5]);
    line.device = unescape(fields[6]);
    if (is_known(t, &line)) {
        free_line(&line);
    } else {
        t->lines[t->n++] = line;
    }
}

void mount_table_parse(const char *text, struct mount_table *ret)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *rest = copy, *line;

    ret->n = 0;
    while ((line = strsep(&rest, "\n")))
        parse_line(line, ret);
}

void mount_table_done(struct mount_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free_line(&t->lines[i]);
    t->n = 0;
}

static size_t split(char *line, char **words, size_t max)
{
    size_t n = 0;
    char *word;

    while (n < max && (word = strsep(&line, " "))) {
        if (*word)
            words[n++] = word;
    }
    return n;
}

static bool is_line_of(const struct mount_line *line, char *const *words)
{
    const char *slash = strrchr(line->device, '/');
    uint64_t major = 0, minor = 0;

    if (parse_u64(words[0], UINT32_MAX, &major) < 0 || parse_u64(words[1], UINT32_MAX, &minor) < 0)
        return false;
    if (major == line->major && minor == line->minor)
        return true;
    /* the mount does not have the number of the device (btrfs) */
    return line->major == 0 && slash && str_eq(words[2], slash + 1);
}

void mount_io(const char *diskstats,
              const struct mount_line *line,
              int64_t *ret_read,
              int64_t *ret_written)
{
    enum { READ = 5, WRITTEN = 9, N = 10 }; /* the unit is sectors */
    _cleanup_free_ char *copy = xstrdup(diskstats);
    char *rest = copy, *text, *words[N];

    *ret_read = *ret_written = METRIC_NONE;
    while ((text = strsep(&rest, "\n"))) {
        uint64_t r = 0, w = 0;

        if (split(text, words, N) < N || !is_line_of(line, words))
            continue;
        if (parse_u64(words[READ], INT64_MAX / SECTOR, &r) == 0 &&
            parse_u64(words[WRITTEN], INT64_MAX / SECTOR, &w) == 0) {
            *ret_read = (int64_t)r * SECTOR;
            *ret_written = (int64_t)w * SECTOR;
        }
        return;
    }
}

/* Reads "temp1_label" or the like of a chip, without the newline; returns false if it does not
 * exist. */
static bool read_line(char ret[TEXT_SIZE], const char *folder, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

    if (text_read(path, ret, TEXT_SIZE) < 0)
        return false;
    ret[strcspn(ret, "\n")] = '\0';
    return *ret != '\0' && str_is_utf8(ret, strlen(ret));
}

/* The file contains thousandths of a degree. */
static bool read_degrees(const char *folder, const char *name, int64_t *ret)
{
    char text[TEXT_SIZE];
    int64_t v = 0;

    if (!read_line(text, folder, name) || parse_i64(text, &v) < 0)
        return false;
    *ret = v / 10;
    return true;
}

static size_t read_chip(const char *folder, struct temperature_sample *ret, size_t max)
{
    char chip[TEXT_SIZE], label[TEXT_SIZE];
    size_t n = 0;

    if (!read_line(chip, folder, "name"))
        str_copy(chip, sizeof(chip), "sensor");
    for (size_t i = 1; i <= MAX_SENSORS && n < max; i++) {
        _cleanup_free_ char *input = xasprintf("temp%zu_input", i);
        _cleanup_free_ char *label_file = xasprintf("temp%zu_label", i);

        if (!read_degrees(folder, input, &ret[n].centi_degrees))
            continue;
        if (read_line(label, folder, label_file)) {
            ret[n++].label = xasprintf("%s %s", chip, label);
        } else {
            ret[n++].label = xasprintf("%s %zu", chip, i);
        }
    }
    return n;
}

static size_t read_zone(const char *folder, struct temperature_sample *ret, size_t max)
{
    char type[TEXT_SIZE];

    if (max == 0 || !read_degrees(folder, "temp", &ret->centi_degrees))
        return 0;
    if (!read_line(type, folder, "type"))
        str_copy(type, sizeof(type), "zone");
    ret->label = xstrdup(type);
    return 1;
}

typedef size_t (*read_fn)(const char *folder, struct temperature_sample *ret, size_t max);

static size_t read_class(const char *path,
                         const char *prefix,
                         read_fn fn,
                         struct temperature_sample *ret)
{
    DIR *dir = opendir(path);
    const struct dirent *e;
    size_t n = 0;

    if (!dir)
        return 0;
    while ((e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        _cleanup_free_ char *folder = xasprintf("%s/%s", path, e->d_name);

        if (str_starts_with(e->d_name, prefix))
            n += fn(folder, ret + n, SAMPLES_MAX_TEMPERATURES - n);
    }
    (void)closedir(dir);
    return n;
}

size_t temperatures_read(const char *root, struct temperature_sample *ret)
{
    _cleanup_free_ char *chips = xasprintf("%s/sys/class/hwmon", root);
    _cleanup_free_ char *zones = xasprintf("%s/sys/class/thermal", root);
    size_t n = read_class(chips, "hwmon", read_chip, ret);

    /* Small boards have only zones; where there are chips, the zones repeat them. */
    return n > 0 ? n : read_class(zones, "thermal_zone", read_zone, ret);
}
