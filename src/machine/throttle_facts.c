/* Owns what counts the slowing-down of the processor, and what a difference of counts says. Unknown is not zero: a
 * machine that counts nothing tells nothing. */
#include "base/text_parts.h"
#include "machine/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_FILE "/sys/devices/system/cpu/cpu%d/thermal_throttle/%s"

static int64_t count_or_unknown(double v) { return v >= 0 && v < 0x1p62 ? (int64_t)v : -1; }

static void add_count(int64_t *sum, double value) {
    int64_t count = count_or_unknown(value);
    if (count >= 0) *sum = count + (*sum > 0 ? *sum : 0);
}

/* ---- x86 ---- */

/* Threads of one core, and cores of one package, repeat the same count. */
static void read_x86(struct ew_machine *m, const char *root) {
    struct ew_machine_throttle *t = &m->throttle;
    for (size_t i = 0; i < m->n_cpus; i++) {
        const struct ew_machine_cpu *c = &m->cpus[i];
        bool first_of_package = true;
        for (size_t k = 0; k < i; k++) first_of_package &= m->cpus[k].package != c->package;
        if (c->smt == 0) {
            add_count(&t->core_events, ew_facts_number(root, CPU_FILE, c->id, "core_throttle_count"));
            add_count(&t->core_ms, ew_facts_number(root, CPU_FILE, c->id, "core_throttle_total_time_ms"));
        }
        if (first_of_package) {
            add_count(&t->package_events, ew_facts_number(root, CPU_FILE, c->id, "package_throttle_count"));
            add_count(&t->package_ms, ew_facts_number(root, CPU_FILE, c->id, "package_throttle_total_time_ms"));
            add_count(&t->power_limit_events, ew_facts_number(root, CPU_FILE, c->id, "package_power_limit_count"));
        }
    }
}

/* ---- Raspberry Pi, Jetson ---- */

struct scan {
    struct ew_machine *m;
    const char *root, *chip;
    int64_t flags;
};

static bool visit_firmware(void *context, const char *name) {
    struct scan *s = context;
    char text[32];
    static const char *const inner[] = {"soc:firmware", "soc@107c000000:firmware"};
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        if (!ew_facts_text(s->root, text, sizeof text, "/sys/devices/platform/%s/%s/get_throttled", name, inner[i]))
            continue;
        char *end;
        unsigned long flags = strtoul(text, &end, 16);
        if (end != text) s->flags = (int64_t)flags;
    }
    return s->flags < 0;
}

int64_t ew_facts_pi_flags(const char *root) {
    struct scan s = {.root = root, .flags = -1};
    ew_facts_each_entry(root, "/sys/devices/platform", "soc", visit_firmware, &s);
    return s.flags < 0 ? ew_facts_ask_pi_flags(root) : s.flags;
}

static bool visit_alarm(void *context, const char *name) {
    struct scan *s = context;
    size_t n = 2 + strspn(name + 2, "0123456789");
    if (n > 2 && strcmp(name + n, "_event_cnt") == 0)
        add_count(&s->m->throttle.over_current_events,
                  ew_facts_number(s->root, "/sys/class/hwmon/%s/%s", s->chip, name));
    return true;
}

static bool visit_chip(void *context, const char *name) {
    struct scan *s = context;
    char folder[96];
    snprintf(folder, sizeof folder, "/sys/class/hwmon/%.64s", name);
    s->chip = name;
    ew_facts_each_entry(s->root, folder, "oc", visit_alarm, s);
    return true;
}

/* ---- together ---- */

static void find_cooling(struct ew_machine *m) {
    struct ew_machine_throttle *t = &m->throttle;
    double deepest = 0;
    for (size_t i = 0; i < m->n_coolers; i++) {
        const struct ew_machine_cooler *c = &m->coolers[i];
        if (c->kind != EW_COOLING_CPU && c->kind != EW_COOLING_GPU) continue;
        if (t->cooling_state < 0) t->cooling_state = t->cooling_most = 0;
        double share = c->state > 0 && c->most > 0 ? (double)c->state / (double)c->most : 0;
        if (share <= deepest) continue;
        deepest = share;
        t->cooling_state = c->state;
        t->cooling_most = c->most;
        snprintf(t->cooling_name, sizeof t->cooling_name, "%s", c->name);
    }
}

void ew_facts_refresh_throttle(struct ew_machine *m, const char *root) {
    m->throttle = ew_machine_throttle_unknown();
    struct scan s = {.m = m, .root = root};
    read_x86(m, root);
    find_cooling(m);
    ew_facts_each_entry(root, "/sys/class/hwmon", "hwmon", visit_chip, &s);
    m->throttle.pi_flags = ew_facts_pi_flags(root);
}

/* ---- differences in words ---- */

static int64_t grown(int64_t before, int64_t after) { return before < 0 || after < before ? 0 : after - before; }

static const char *times(int64_t n) { return n == 1 ? "time" : "times"; }

static void add_heat(char *buf, size_t capacity, const char *what, int64_t events, int64_t ms) {
    if (events > 0 && ms > 0)
        ew_text_add_part(buf, capacity, "; ", "%s slowed by heat %lld %s, %lld ms in all", what, (long long)events,
                         times(events), (long long)ms);
    else if (events > 0)
        ew_text_add_part(buf, capacity, "; ", "%s slowed by heat %lld %s", what, (long long)events, times(events));
    else if (ms > 0)
        ew_text_add_part(buf, capacity, "; ", "%s slowed by heat for %lld ms", what, (long long)ms);
}

static const char *const pi_words[] = {"under-voltage", "frequency capped", "throttled", "soft temperature limit"};
enum { PI_REASONS = sizeof pi_words / sizeof *pi_words };

/* A bit that only says "since boot", and said so before, tells nothing of this run. */
static void add_pi(char *buf, size_t capacity, int64_t before, int64_t after) {
    if (before < 0 || after < 0) return;
    for (int bit = 0; bit < PI_REASONS; bit++) {
        bool first = before >> bit & 1, last = after >> bit & 1;
        bool within = !(before >> (16 + bit) & 1) && (after >> (16 + bit) & 1);
        if (first && last)
            ew_text_add_part(buf, capacity, "; ", "%s at start and end", pi_words[bit]);
        else if (first || last)
            ew_text_add_part(buf, capacity, "; ", "%s at the %s", pi_words[bit], first ? "start" : "end");
        else if (within)
            ew_text_add_part(buf, capacity, "; ", "%s in between", pi_words[bit]);
    }
}

static void add_cooling(char *buf, size_t capacity, const struct ew_machine_throttle *before,
                        const struct ew_machine_throttle *after) {
    const struct ew_machine_throttle *said = before->cooling_state > 0 ? before : after;
    if (said->cooling_state <= 0) return;
    bool both = said == before && after->cooling_state > 0;
    ew_text_add_part(buf, capacity, "; ", "the kernel held the clocks down %s (%s at %lld",
                     both             ? "at start and end"
                     : said == before ? "at the start"
                                      : "at the end",
                     said->cooling_name, (long long)said->cooling_state);
    size_t used = strlen(buf);
    if (both && strcmp(before->cooling_name, after->cooling_name) != 0)
        used += (size_t)snprintf(buf + used, capacity - used, " of %lld, %s at %lld", (long long)before->cooling_most,
                                 after->cooling_name, (long long)after->cooling_state);
    else if (both && before->cooling_state != after->cooling_state)
        used += (size_t)snprintf(buf + used, capacity - used, " and %lld", (long long)after->cooling_state);
    if (used < capacity)
        snprintf(buf + used, capacity - used, " of %lld)", (long long)(both ? after : said)->cooling_most);
}

bool ew_machine_throttle_words(const struct ew_machine_throttle *before, const struct ew_machine_throttle *after,
                               char *buf, size_t capacity) {
    buf[0] = 0;
    add_heat(buf, capacity, "cores", grown(before->core_events, after->core_events),
             grown(before->core_ms, after->core_ms));
    add_heat(buf, capacity, "package", grown(before->package_events, after->package_events),
             grown(before->package_ms, after->package_ms));
    int64_t power = grown(before->power_limit_events, after->power_limit_events);
    int64_t alarms = grown(before->over_current_events, after->over_current_events);
    if (power > 0)
        ew_text_add_part(buf, capacity, "; ", "package held at its power limit %lld %s", (long long)power,
                         times(power));
    if (alarms > 0)
        ew_text_add_part(buf, capacity, "; ", "%lld alarm%s of over-current or under-voltage", (long long)alarms,
                         alarms == 1 ? "" : "s");
    add_pi(buf, capacity, before->pi_flags, after->pi_flags);
    add_cooling(buf, capacity, before, after);
    return buf[0] != 0;
}

bool ew_machine_throttle_now(const struct ew_machine_throttle *t, char *buf, size_t capacity) {
    buf[0] = 0;
    for (int bit = 0; bit < PI_REASONS && t->pi_flags >= 0; bit++)
        if (t->pi_flags >> bit & 1) ew_text_add_part(buf, capacity, "; ", "%s", pi_words[bit]);
    if (t->cooling_state > 0)
        ew_text_add_part(buf, capacity, "; ", "the kernel holds the clocks down (%s at %lld of %lld)", t->cooling_name,
                         (long long)t->cooling_state, (long long)t->cooling_most);
    return buf[0] != 0;
}

bool ew_machine_throttle_is_known(const struct ew_machine_throttle *t) {
    return t->core_events >= 0 || t->package_events >= 0 || t->core_ms >= 0 || t->package_ms >= 0 ||
           t->power_limit_events >= 0 || t->over_current_events >= 0 || t->pi_flags >= 0 || t->cooling_state >= 0;
}

int64_t ew_machine_throttle_events(const struct ew_machine_throttle *before, const struct ew_machine_throttle *after) {
    const int64_t b[] = {before->core_events, before->package_events, before->power_limit_events,
                         before->over_current_events};
    const int64_t a[] = {after->core_events, after->package_events, after->power_limit_events,
                         after->over_current_events};
    int64_t sum = -1;
    for (size_t i = 0; i < 4; i++)
        if (b[i] >= 0 && a[i] >= 0) sum = (sum > 0 ? sum : 0) + grown(b[i], a[i]);
    return sum;
}
