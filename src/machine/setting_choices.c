/* Owns what each setting means on this device: which files, which values they offer, and the right to write them.
 * Refuses what could not be put back, and frequencies that the hardware would round. */
#include "base/error.h"
#include "machine/facts.h"
#include "machine/power_mode.h"
#include "machine/setting_change.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CPUFREQ "/sys/devices/system/cpu/cpufreq"
#define PROFILE "/sys/firmware/acpi/platform_profile"

enum { MOST_POLICIES = 512, LIST_SIZE = 1024, MOST_MODES = 32 };

static const char *const kind_names[EW_SETTING_KINDS] = {
    [EW_SETTING_POWER_MODE] = "power-mode",       [EW_SETTING_PLATFORM_PROFILE] = "platform-profile",
    [EW_SETTING_GOVERNOR] = "governor",           [EW_SETTING_PREFERENCE] = "epp",
    [EW_SETTING_MAX_FREQUENCY] = "max-frequency", [EW_SETTING_FREQUENCY] = "frequency",
};

const char *ew_setting_kind_name(enum ew_setting_kind kind) {
    return (unsigned)kind < EW_SETTING_KINDS ? kind_names[kind] : "";
}

bool ew_setting_kind_parse(const char *name, enum ew_setting_kind *out) {
    for (int k = 0; k < EW_SETTING_KINDS; k++) {
        const char *a = kind_names[k], *b = name;
        while (*a && (*a == *b || (*a == '-' && *b == '_'))) a++, b++;
        if (*a || *b) continue;
        *out = (enum ew_setting_kind)k;
        return true;
    }
    return false;
}

enum ew_status ew_setting_parse(const char *text, struct ew_setting *out, struct ew_error *err) {
    char name[32];
    const char *equal = strchr(text, '=');
    size_t n = equal ? (size_t)(equal - text) : sizeof name;
    struct ew_setting s;
    if (n < sizeof name) {
        memcpy(name, text, n);
        name[n] = 0;
    }
    if (n >= sizeof name || !ew_setting_kind_parse(name, &s.kind))
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "`%.60s` is no setting: NAME=VALUE with governor, epp, max-frequency, frequency, "
                            "platform-profile, power-mode",
                            text);
    if (!ew_setting_value_is_plain(equal + 1))
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: `%.60s` is no value: letters, digits and . _ - + only", name,
                            equal + 1);
    snprintf(s.value, sizeof s.value, "%s", equal + 1);
    *out = s;
    return EW_OK;
}

/* ---- what is offered ---- */

struct policies {
    const char *root;
    size_t n;
    int ids[MOST_POLICIES];
};

/* A policy whose cores are all switched off has files that cannot be read. */
static bool visit_policy(void *context, const char *name) {
    struct policies *p = context;
    char *end, governor[EW_SETTING_VALUE_SIZE];
    long id = strtol(name + strlen("policy"), &end, 10);
    if (*end || id < 0 || id >= 4096) return true;
    if (!ew_setting_change_read(p->root, EW_TARGET_GOVERNOR, (int)id, governor)) return true;
    p->ids[p->n++] = (int)id;
    return p->n < MOST_POLICIES;
}

static void find_policies(const char *root, struct policies *p) {
    p->root = root;
    p->n = 0;
    ew_facts_each_entry(root, CPUFREQ, "policy", visit_policy, p);
}

static bool has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list + strspn(list, " "); *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == 0)) return true;
    return false;
}

static void join_words(const char *list, char *buf, size_t capacity) {
    size_t used = 0;
    buf[0] = 0;
    for (const char *p = list + strspn(list, " "); *p && used < capacity; p += strspn(p, " ")) {
        int n = (int)strcspn(p, " ");
        used += (size_t)snprintf(buf + used, capacity - used, "%s%.*s", used ? ", " : "", n, p);
        p += n;
    }
}

static bool offered(const char *root, enum ew_setting_kind kind, int policy, char list[LIST_SIZE]) {
    if (kind == EW_SETTING_PLATFORM_PROFILE) return ew_facts_text(root, list, LIST_SIZE, PROFILE "_choices");
    const char *file = kind == EW_SETTING_GOVERNOR     ? "scaling_available_governors"
                       : kind == EW_SETTING_PREFERENCE ? "energy_performance_available_preferences"
                                                       : "scaling_available_frequencies";
    if (!ew_facts_text(root, list, LIST_SIZE, CPUFREQ "/policy%d/%s", policy, file)) return false;
    size_t used = strlen(list);
    char boost[LIST_SIZE];
    if (kind >= EW_SETTING_MAX_FREQUENCY &&
        ew_facts_text(root, boost, sizeof boost, CPUFREQ "/policy%d/scaling_boost_frequencies", policy))
        snprintf(list + used, LIST_SIZE - used, " %.*s", (int)(LIST_SIZE - 2 - used), boost);
    return true;
}

static void frequency_choices(const char *root, int policy, char *buf, size_t capacity) {
    char list[LIST_SIZE];
    size_t used = 0;
    buf[0] = 0;
    if (!offered(root, EW_SETTING_FREQUENCY, policy, list)) {
        double low = ew_facts_number(root, CPUFREQ "/policy%d/cpuinfo_min_freq", policy);
        double high = ew_facts_number(root, CPUFREQ "/policy%d/cpuinfo_max_freq", policy);
        if (low > 0 && high > 0) snprintf(buf, capacity, "%gMHz to %gMHz", low / 1000, high / 1000);
        return;
    }
    for (char *p = list, *end; used < capacity; p = end) {
        long khz = strtol(p, &end, 10);
        if (end == p) break;
        used += (size_t)snprintf(buf + used, capacity - used, "%s%gMHz", used ? ", " : "", (double)khz / 1000);
    }
}

static void mode_choices(const char *root, char *buf, size_t capacity) {
    struct ew_power_mode modes[MOST_MODES];
    size_t n = ew_power_mode_list(root, modes, MOST_MODES), used = 0;
    buf[0] = 0;
    for (size_t i = 0; i < n && used < capacity; i++)
        used +=
            (size_t)snprintf(buf + used, capacity - used, "%s%d (%s)", used ? ", " : "", modes[i].id, modes[i].name);
}

void ew_device_setting_choices(const char *root, enum ew_setting_kind kind, char *buf, size_t capacity) {
    char list[LIST_SIZE];
    struct policies p;
    buf[0] = 0;
    if (kind == EW_SETTING_POWER_MODE) {
        mode_choices(root, buf, capacity);
        return;
    }
    find_policies(root, &p);
    if (kind != EW_SETTING_PLATFORM_PROFILE && p.n == 0) return;
    if (kind >= EW_SETTING_MAX_FREQUENCY)
        frequency_choices(root, p.ids[0], buf, capacity);
    else if (offered(root, kind, p.n ? p.ids[0] : 0, list))
        join_words(list, buf, capacity);
}

static enum ew_setting_target target_of(enum ew_setting_kind kind) {
    switch (kind) {
    case EW_SETTING_POWER_MODE: return EW_TARGET_POWER_MODE;
    case EW_SETTING_PLATFORM_PROFILE: return EW_TARGET_PROFILE;
    case EW_SETTING_GOVERNOR: return EW_TARGET_GOVERNOR;
    case EW_SETTING_PREFERENCE: return EW_TARGET_PREFERENCE;
    case EW_SETTING_MAX_FREQUENCY:
    case EW_SETTING_FREQUENCY:
    case EW_SETTING_KINDS: break;
    }
    return EW_TARGET_MAX_KHZ;
}

void ew_device_setting_now(const char *root, enum ew_setting_kind kind, char *buf, size_t capacity) {
    char value[EW_SETTING_VALUE_SIZE];
    struct policies p;
    find_policies(root, &p);
    bool known = ew_setting_change_read(root, target_of(kind), p.n ? p.ids[0] : 0, value);
    snprintf(buf, capacity, "%s", known ? value : "");
    if (known && kind >= EW_SETTING_MAX_FREQUENCY) snprintf(buf, capacity, "%gMHz", strtod(value, NULL) / 1000);
}

/* ---- from a setting to its changes ---- */

struct plan {
    const char *root;
    const struct ew_setting *setting;
    struct ew_setting_change *changes;
    size_t capacity, *n;
};

static enum ew_status check_right(const struct plan *plan, enum ew_setting_target target, int policy,
                                  struct ew_error *err) {
    char path[128], full[PATH_MAX];
    const char *name = ew_setting_kind_name(plan->setting->kind), *root = plan->root ? plan->root : "";
    ew_setting_change_path(target, policy, path, sizeof path);
    if (target == EW_TARGET_POWER_MODE) {
        if (root[0] || geteuid() == 0) return EW_OK;
        return ew_error_set(err, EW_ERR_PERMISSION, "%s: nvpmodel sets modes for root alone: run this with sudo", name);
    }
    snprintf(full, sizeof full, "%s%s", root, path);
    if (faccessat(AT_FDCWD, full, W_OK, AT_EACCESS) == 0) return EW_OK;
    if (errno == EROFS)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: %s lies on a read-only file system, as in a container: set it on the host", name,
                            path);
    return ew_error_set(err, EW_ERR_PERMISSION,
                        "%s: this user may not write %s: run this with sudo, or give group edgewise the right with "
                        "packaging/edgewise-settings.tmpfiles (packaging/README.md)",
                        name, path);
}

static enum ew_status add_change(const struct plan *plan, enum ew_setting_target target, int policy, const char *value,
                                 struct ew_error *err) {
    struct ew_setting_change c = {.target = target, .policy = policy};
    const char *name = ew_setting_kind_name(plan->setting->kind);
    if (!ew_setting_change_read(plan->root, target, policy, c.before) || !ew_setting_value_is_plain(c.before))
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: the value in force cannot be read, so that it could not be put back", name);
    if (strcmp(c.before, value) == 0) return EW_OK;
    if ((target == EW_TARGET_GOVERNOR && strcmp(c.before, "userspace") == 0) ||
        (target == EW_TARGET_PROFILE && strcmp(c.before, "custom") == 0))
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: `%s` is in force, which holds more than its name and could not be put back; leave it "
                            "by hand first",
                            name, c.before);
    enum ew_status status = check_right(plan, target, policy, err);
    if (status != EW_OK) return status;
    if (*plan->n == plan->capacity) return ew_error_set(err, EW_ERR_LIMIT, "%s: too many policies", name);
    snprintf(c.value, sizeof c.value, "%s", value);
    plan->changes[(*plan->n)++] = c;
    return EW_OK;
}

static enum ew_status not_offered(const struct plan *plan, struct ew_error *err) {
    char choices[320];
    const struct ew_setting *s = plan->setting;
    ew_device_setting_choices(plan->root, s->kind, choices, sizeof choices);
    return ew_error_set(err, EW_ERR_ARGUMENT, "%s: `%s` is not offered here; %s%s", ew_setting_kind_name(s->kind),
                        s->value, choices[0] ? "possible: " : "nothing is", choices);
}

static enum ew_status plan_mode(const struct plan *plan, struct ew_error *err) {
    struct ew_power_mode modes[MOST_MODES];
    size_t n = ew_power_mode_list(plan->root, modes, MOST_MODES);
    char number[16];
    if (n == 0)
        return ew_error_set(err, EW_ERR_NOT_FOUND,
                            "power-mode: /etc/nvpmodel.conf lists no modes: only a Jetson has them");
    for (size_t i = 0; i < n; i++) {
        snprintf(number, sizeof number, "%d", modes[i].id);
        if (strcmp(number, plan->setting->value) == 0 || strcasecmp(modes[i].name, plan->setting->value) == 0)
            return add_change(plan, EW_TARGET_POWER_MODE, 0, number, err);
    }
    return not_offered(plan, err);
}

static enum ew_status plan_profile(const struct plan *plan, struct ew_error *err) {
    char list[LIST_SIZE];
    if (!offered(plan->root, EW_SETTING_PLATFORM_PROFILE, 0, list))
        return ew_error_set(err, EW_ERR_NOT_FOUND, "platform-profile: this machine has none (" PROFILE "_choices)");
    if (!has_word(list, plan->setting->value)) return not_offered(plan, err);
    return add_change(plan, EW_TARGET_PROFILE, 0, plan->setting->value, err);
}

/* A governor must be there for every policy, a preference where there are any. */
static enum ew_status plan_words(const struct plan *plan, const struct policies *p, struct ew_error *err) {
    char list[LIST_SIZE];
    enum ew_setting_kind kind = plan->setting->kind;
    size_t found = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!offered(plan->root, kind, p->ids[i], list)) continue;
        if (!has_word(list, plan->setting->value)) return not_offered(plan, err);
        found++;
        enum ew_status status = add_change(plan, target_of(kind), p->ids[i], plan->setting->value, err);
        if (status != EW_OK) return status;
    }
    if (found > 0) return EW_OK;
    return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: this processor's cpufreq driver offers none",
                        ew_setting_kind_name(kind));
}

/* "1.5GHz", "1500MHz", "1500000kHz"; "min", "max" = 0, infinite. false = neither. */
static bool parse_khz(const char *text, double *khz) {
    static const struct {
        const char *unit;
        double khz;
    } units[] = {{"GHz", 1e6}, {"MHz", 1e3}, {"kHz", 1}};
    *khz = strcmp(text, "min") == 0 ? 0 : INFINITY;
    if (strcmp(text, "min") == 0 || strcmp(text, "max") == 0) return true;
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units && end != text; i++) {
        if (strcasecmp(end, units[i].unit) != 0) continue;
        *khz = round(value * units[i].khz);
        return *khz > 0 && *khz < 1e9;
    }
    return false;
}

/* The highest frequency of a policy that is not above khz; *exact: it is khz, or a limit that was asked for by name.
 * 0 = all are above it. */
static long choose_khz(const char *root, int policy, double khz, bool *exact) {
    char list[LIST_SIZE];
    double low = ew_facts_number(root, CPUFREQ "/policy%d/cpuinfo_min_freq", policy);
    double high = ew_facts_number(root, CPUFREQ "/policy%d/cpuinfo_max_freq", policy);
    long best = 0;
    *exact = khz == 0 || isinf(khz);
    if (khz == 0 && low > 0) return (long)low;
    if (khz >= high) {
        *exact |= khz == high;
        return (long)high;
    }
    if (!offered(root, EW_SETTING_FREQUENCY, policy, list)) { /* any step between the limits */
        if (!(khz >= low && khz <= high)) return 0;
        *exact = true;
        return (long)khz;
    }
    for (char *p = list, *end;; p = end) {
        long step = strtol(p, &end, 10);
        if (end == p) break;
        if ((double)step <= khz && step > best) best = step;
    }
    *exact |= (double)best == khz;
    return best;
}

/* The limit that leads is moved first, so that the lower one is never above the upper one. */
static enum ew_status add_limits(const struct plan *plan, int policy, long khz, struct ew_error *err) {
    char text[EW_SETTING_VALUE_SIZE];
    bool both = plan->setting->kind == EW_SETTING_FREQUENCY;
    double low = ew_facts_number(plan->root, CPUFREQ "/policy%d/scaling_min_freq", policy);
    double high = ew_facts_number(plan->root, CPUFREQ "/policy%d/scaling_max_freq", policy);
    snprintf(text, sizeof text, "%ld", khz);
    if (!both && (double)khz < low)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "max-frequency: %gMHz is below the lower limit in force of policy %d, %gMHz; frequency= "
                            "moves both",
                            (double)khz / 1000, policy, low / 1000);
    enum ew_status status = EW_OK;
    if (both && (double)khz <= high) status = add_change(plan, EW_TARGET_MIN_KHZ, policy, text, err);
    if (status == EW_OK) status = add_change(plan, EW_TARGET_MAX_KHZ, policy, text, err);
    if (status == EW_OK && both && (double)khz > high) status = add_change(plan, EW_TARGET_MIN_KHZ, policy, text, err);
    return status;
}

/* Kinds of core differ: each takes its highest step up to the one that was asked for, which one of them must have. */
static enum ew_status plan_frequency(const struct plan *plan, const struct policies *p, struct ew_error *err) {
    double khz;
    bool any_exact = false, exact;
    if (!parse_khz(plan->setting->value, &khz))
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: `%s` is no frequency: 1.5GHz, 1500MHz, 1500000kHz, min, max",
                            ew_setting_kind_name(plan->setting->kind), plan->setting->value);
    for (size_t i = 0; i < p->n; i++) {
        if (choose_khz(plan->root, p->ids[i], khz, &exact) <= 0) return not_offered(plan, err);
        any_exact |= exact;
    }
    if (!any_exact) return not_offered(plan, err);
    for (size_t i = 0; i < p->n; i++) {
        enum ew_status status = add_limits(plan, p->ids[i], choose_khz(plan->root, p->ids[i], khz, &exact), err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

enum ew_status ew_setting_plan(const char *root, const struct ew_setting *setting, struct ew_setting_change *changes,
                               size_t capacity, size_t *n, struct ew_error *err) {
    const struct plan plan = {.root = root, .setting = setting, .changes = changes, .capacity = capacity, .n = n};
    struct policies p;
    if (setting->kind == EW_SETTING_POWER_MODE) return plan_mode(&plan, err);
    if (setting->kind == EW_SETTING_PLATFORM_PROFILE) return plan_profile(&plan, err);
    find_policies(root, &p);
    if (p.n == 0)
        return ew_error_set(err, EW_ERR_NOT_FOUND,
                            "%s: " CPUFREQ
                            " has no policy: this kernel, or this virtual machine, lets nobody set clocks",
                            ew_setting_kind_name(setting->kind));
    if (setting->kind >= EW_SETTING_MAX_FREQUENCY) return plan_frequency(&plan, &p, err);
    return plan_words(&plan, &p, err);
}

enum ew_status ew_device_setting_check(const char *root, const struct ew_setting *setting, struct ew_error *err) {
    if ((unsigned)setting->kind >= EW_SETTING_KINDS || !ew_setting_value_is_plain(setting->value))
        return ew_error_set(err, EW_ERR_ARGUMENT, "setting: no such kind, or no plain value");
    struct ew_setting_change *changes = calloc(EW_SETTINGS_MOST, sizeof *changes);
    size_t n = 0;
    if (!changes) return ew_error_set(err, EW_ERR_MEMORY, "setting: out of memory");
    enum ew_status status = ew_setting_plan(root, setting, changes, EW_SETTINGS_MOST, &n, err);
    free(changes);
    return status;
}
