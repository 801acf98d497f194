/* Owns the rules about clocks, power and heat: what keeps the processor from running as fast as it could. */
#include "insight/doctor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double cap_share = 0.99;   /* a limit this far below the hardware's is a cap, not rounding */
static const double loaded_share = 0.9; /* a clock under load below this share of its limit is worth a line */
static const double near_slowing_c = 5; /* degrees below the point where it slows down */

#define CPUFREQ "/sys/devices/system/cpu/cpu*/cpufreq/"

static double ghz(double mhz) { return mhz / 1000; }

/* CPUs that have the governor of the first one; 0 = not known. */
static size_t count_governor(const struct ew_machine *m, const char *governor) {
    size_t n = 0;
    for (size_t i = 0; i < m->n_cpus; i++) n += strcmp(m->cpus[i].governor, governor) == 0;
    return n;
}

/* The governor to speak of: the first that is not "performance", or that. */
static const struct ew_machine_cpu *governed_cpu(const struct ew_machine *m) {
    const struct ew_machine_cpu *any = NULL;
    for (size_t i = 0; i < m->n_cpus; i++) {
        const struct ew_machine_cpu *c = &m->cpus[i];
        if (!c->governor[0]) continue;
        if (!any) any = c;
        if (strcmp(c->governor, "performance") != 0) return c;
    }
    return any;
}

/* Drivers that choose the clock themselves, whatever the governor is called; their hint is the preference. */
static bool driver_decides(const struct ew_doctor_facts *f, const struct ew_machine_cpu *c) {
    return c->preference[0] || strcmp(f->tuning->driver, "intel_pstate") == 0 ||
           strcmp(f->tuning->driver, "amd-pstate-epp") == 0;
}

static const struct {
    const char *name;
    enum ew_doctor_severity severity;
    const char *words;
} governors[] = {
    {"performance", EW_DOCTOR_OK, "the highest allowed clock at all times"},
    {"schedutil", EW_DOCTOR_WARNING, "the clock follows the load: after every pause it has to climb again"},
    {"ondemand", EW_DOCTOR_WARNING, "the clock follows the load: after every pause it has to climb again"},
    {"interactive", EW_DOCTOR_WARNING, "the clock follows the load: after every pause it has to climb again"},
    {"conservative", EW_DOCTOR_WARNING, "the clock climbs in small steps, too slowly for short answers"},
    {"userspace", EW_DOCTOR_WARNING, "the clock stays where a program or person has put it"},
    {"powersave", EW_DOCTOR_PROBLEM, "the clock stays at its lowest"},
};

static bool clock_governor(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                           struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine_cpu *c = governed_cpu(f->machine);
    if (!c) return false;
    size_t n = count_governor(f->machine, c->governor);
    if (strcmp(c->governor, "powersave") == 0 && driver_decides(f, c))
        return ew_doctor_say(out, EW_DOCTOR_OK, "powersave%s%s: here the processor itself chooses the clock",
                             f->tuning->driver[0] ? " of " : "", f->tuning->driver);
    for (size_t i = 0; i < sizeof governors / sizeof *governors; i++) {
        if (strcmp(c->governor, governors[i].name) != 0) continue;
        enum ew_doctor_severity severity = governors[i].severity;
        if (severity == EW_DOCTOR_PROBLEM && !f->tuning->driver[0]) severity = EW_DOCTOR_WARNING;
        ew_doctor_say(out, severity, "%s on %zu of %zu CPUs: %s", c->governor, n, f->machine->n_cpus,
                      governors[i].words);
        if (severity != EW_DOCTOR_OK) ew_doctor_remedy(out, "echo performance | sudo tee " CPUFREQ "scaling_governor");
        return true;
    }
    return ew_doctor_say(out, EW_DOCTOR_NOTE, "%s on %zu of %zu CPUs", c->governor, n, f->machine->n_cpus);
}

static bool clock_preference(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                             struct ew_doctor_finding *out) {
    (void)before;
    const char *p = "";
    for (size_t i = 0; i < f->machine->n_cpus; i++)
        if (f->machine->cpus[i].preference[0] && (!*p || strcmp(p, "performance") == 0))
            p = f->machine->cpus[i].preference;
    if (!*p) return false;
    if (strcmp(p, "performance") == 0) return ew_doctor_say(out, EW_DOCTOR_OK, "performance");
    bool saving = strcmp(p, "power") == 0 || strcmp(p, "balance_power") == 0;
    ew_doctor_remedy(out, "echo performance | sudo tee " CPUFREQ "energy_performance_preference");
    return ew_doctor_say(out, saving ? EW_DOCTOR_WARNING : EW_DOCTOR_NOTE, "%s: the processor %s", p,
                         saving ? "saves power before it gives speed" : "weighs speed against power");
}

/* The cap of the first CPU of each kind that has one. */
static bool clock_limit(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    double most = 0;
    bool known = false;
    char text[EW_DOCTOR_TEXT / 2] = "";
    size_t used = 0, n = 0;
    for (int kind = 0; kind < f->machine->kinds; kind++) {
        for (size_t i = 0; i < f->machine->n_cpus; i++) {
            const struct ew_machine_cpu *c = &f->machine->cpus[i];
            if (c->kind != kind || !(c->hardware_max_mhz > 0) || !(c->max_mhz > 0)) continue;
            known = true;
            most = fmax(most, c->hardware_max_mhz);
            if (c->max_mhz >= cap_share * c->hardware_max_mhz) continue;
            if (used < sizeof text)
                used += (size_t)snprintf(text + used, sizeof text - used, "%s%s at %.2f of %.2f GHz", n ? ", " : "",
                                         c->model[0] ? c->model : "CPUs", ghz(c->max_mhz), ghz(c->hardware_max_mhz));
            n++;
            break;
        }
    }
    if (!known) return false;
    if (n == 0) return ew_doctor_say(out, EW_DOCTOR_OK, "up to %.2f GHz, all that the hardware allows", ghz(most));
    if (f->tuning->n_modes > 0)
        ew_doctor_remedy(out, "the power mode sets it: see there; sudo jetson_clocks holds it at the mode's largest");
    else
        ew_doctor_remedy(out, "for p in /sys/devices/system/cpu/cpufreq/policy*; do sudo sh -c \"cat "
                              "$p/cpuinfo_max_freq > $p/scaling_max_freq\"; done");
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "capped below the hardware's maximum: %s", text);
}

static bool clock_boost(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    if (f->tuning->boost < 0) return false;
    if (f->tuning->boost) return ew_doctor_say(out, EW_DOCTOR_OK, "on");
    ew_doctor_remedy(out, "%s", f->tuning->boost_command);
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "off: clocks above the nominal one are not used");
}

/* Several cores under load share a power budget on x86, so a clock below the limit is usual there. */
static bool clock_loaded(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                         struct ew_doctor_finding *out) {
    (void)before;
    bool x86 = strcmp(f->machine->architecture, "x86_64") == 0;
    for (size_t i = 0; i < f->machine->n_cpus; i++) {
        const struct ew_machine_cpu *c = &f->machine->cpus[i];
        double seen = c->kind >= 0 && c->kind < EW_LIMIT_KINDS ? f->loaded_mhz[c->kind] : NAN;
        if (!(seen > 0) || !(c->max_mhz > 0) || seen >= loaded_share * c->max_mhz) continue;
        if (!x86) ew_doctor_remedy(out, "see heat, throttled and governor");
        return ew_doctor_say(out, x86 ? EW_DOCTOR_NOTE : EW_DOCTOR_WARNING,
                             "%.2f GHz at most right after load, the limit is %.2f%s", ghz(seen), ghz(c->max_mhz),
                             x86 ? " (for one core; all together share a power budget)" : "");
    }
    return false;
}

/* ---- power ---- */

static bool jetson_mode(const struct ew_doctor_facts *f, struct ew_doctor_finding *out) {
    const struct ew_power_mode *largest = ew_machine_largest_mode(f->tuning);
    if (!largest) return ew_doctor_say(out, EW_DOCTOR_NOTE, "nvpmodel %s", f->machine->power_mode);
    if (largest->id == f->tuning->mode)
        return ew_doctor_say(out, EW_DOCTOR_OK, "nvpmodel %s, the largest", f->machine->power_mode);
    ew_doctor_remedy(out, "sudo nvpmodel -m %d", largest->id);
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "nvpmodel %s, the largest is %d %s", f->machine->power_mode,
                         largest->id, largest->name);
}

static bool power_mode(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                       struct ew_doctor_finding *out) {
    (void)before;
    const char *mode = f->machine->power_mode;
    if (!mode[0]) return false;
    if (f->tuning->mode >= 0) return jetson_mode(f, out);
    if (strcmp(mode, "performance") == 0) return ew_doctor_say(out, EW_DOCTOR_OK, "platform profile performance");
    bool balanced = strncmp(mode, "balanced", 8) == 0;
    bool offered = !f->tuning->profiles[0] || strstr(f->tuning->profiles, "performance") != NULL;
    if (offered) ew_doctor_remedy(out, "echo performance | sudo tee /sys/firmware/acpi/platform_profile");
    return ew_doctor_say(out, balanced ? EW_DOCTOR_NOTE : EW_DOCTOR_WARNING, "platform profile %s", mode);
}

static bool power_battery(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                          struct ew_doctor_finding *out) {
    (void)before;
    if (f->tuning->on_battery != 1) return false;
    ew_doctor_remedy(out, "connect the power supply, or measure on purpose like this and say so");
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "running on battery");
}

/* ---- heat ---- */

static bool heat_temperature(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                             struct ew_doctor_finding *out) {
    (void)before;
    double now = ew_machine_cpu_temperature_c(f->machine), limit = f->tuning->slows_at_c;
    if (isnan(now)) return false;
    if (isnan(limit)) return ew_doctor_say(out, EW_DOCTOR_OK, "%.0f °C", now);
    enum ew_doctor_severity severity = now >= limit                    ? EW_DOCTOR_PROBLEM
                                       : now >= limit - near_slowing_c ? EW_DOCTOR_WARNING
                                                                       : EW_DOCTOR_OK;
    if (severity != EW_DOCTOR_OK) ew_doctor_remedy(out, "let it cool, and give it air, a heat sink or a fan");
    return ew_doctor_say(out, severity, "%.0f °C, slows down from %.0f °C (%s)", now, limit, f->tuning->slows_source);
}

enum { PI_NOW = 0xf, PI_UNDER_VOLTAGE = 1 | 1 << 16 };

static bool pi_throttled(int64_t flags, struct ew_doctor_finding *out) {
    char words[200];
    if (flags == 0) return ew_doctor_say(out, EW_DOCTOR_OK, "never since boot");
    ew_machine_pi_flags_text(flags, words, sizeof words);
    bool voltage = flags & PI_UNDER_VOLTAGE, now = flags & PI_NOW;
    if (voltage)
        ew_doctor_remedy(out,
                         "use the maker's power supply (27 W for a Pi 5) and a short, thick cable; the flags clear "
                         "at the next start");
    else
        ew_doctor_remedy(out, "cool it: fan or heat sink; the flags clear at the next start");
    return ew_doctor_say(out, voltage || now ? EW_DOCTOR_PROBLEM : EW_DOCTOR_WARNING, "%s (flags 0x%" PRIx64 ")", words,
                         (uint64_t)flags);
}

static bool heat_throttled(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                           struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine_throttle *t = &f->machine->throttle;
    if (t->pi_flags >= 0) return pi_throttled(t->pi_flags, out);
    if (t->core_events < 0 && t->package_events < 0) return false;
    int64_t core = t->core_events > 0 ? t->core_events : 0, package = t->package_events > 0 ? t->package_events : 0;
    if (f->throttled_by > 0) {
        ew_doctor_remedy(out, "let it cool, and give it air; short runs are cooler than long ones");
        return ew_doctor_say(out, EW_DOCTOR_PROBLEM, "%" PRId64 " times while this was measured", f->throttled_by);
    }
    if (core + package == 0) return ew_doctor_say(out, EW_DOCTOR_OK, "never since boot");
    return ew_doctor_say(out, EW_DOCTOR_NOTE, "since boot: cores %" PRId64 " times, packages %" PRId64 "%s", core,
                         package, f->throttled_by == 0 ? "; not while this was measured" : "");
}

static const struct ew_doctor_rule rules[] = {
    {"clock.governor", "governor",
     "a clock that has to climb first makes short answers slow and runs unlike each other", true, clock_governor},
    {"clock.preference", "preference",
     "the energy performance preference decides how fast the clock climbs and how far", true, clock_preference},
    {"clock.limit", "clock limit", "prefill follows the clock directly", true, clock_limit},
    {"clock.boost", "boost", "prefill follows the clock directly", true, clock_boost},
    {"clock.loaded", "clock", "what counts is the clock under load", true, clock_loaded},
    {"power.mode", "power mode", "it sets clocks, cores in use and the power budget together", true, power_mode},
    {"power.battery", "supply", "many machines lower their clocks on battery", true, power_battery},
    {"heat.temperature", "heat", "a hot processor is slowed down, and long runs get slower than short ones", true,
     heat_temperature},
    {"heat.throttled", "throttled",
     "figures taken while throttled are the cooling's, not the processor's; runs are marked", true, heat_throttled},
};
const struct ew_doctor_rules ew_doctor_clock_rules = {sizeof rules / sizeof *rules, rules};
