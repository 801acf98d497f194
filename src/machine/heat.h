/* Heat and what is done against it: temperatures, fans, cooling devices, and how often the processor was slowed down.
 * Parts of struct ew_machine (machine.h), which fills and refreshes them.
 *
 * Sources: kernel Documentation/driver-api/thermal/sysfs-api.rst, Documentation/hwmon/sysfs-interface.rst,
 * arch/x86/kernel/cpu/mce/therm_throt.c; NVIDIA Jetson Linux Developer Guide, over-current throttling; Raspberry Pi
 * documentation, "vcgencmd get_throttled". */
#ifndef EW_MACHINE_HEAT_H
#define EW_MACHINE_HEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ew_machine_temperature {
    char name[64]; /* zone type or chip and label: "cpu-thermal", "coretemp Package id 0" */
    char path[96]; /* file in millidegrees, below the root */
    double degrees_c;
    bool is_cpu; /* the one that stands for the processor; at most one */
};

struct ew_machine_fan {
    char name[64]; /* chip and label: "nct6775 fan2", "pwmfan pwm1" */
    char path[96]; /* below the root */
    bool is_drive; /* how hard it is driven, 0 to 1; otherwise its speed in revolutions per minute */
    double now;    /* NAN unknown */
};

/* A means of the kernel against heat. */
enum ew_cooling_kind {
    EW_COOLING_OTHER = 0,
    EW_COOLING_FAN,
    EW_COOLING_CPU, /* slows or idles the processor */
    EW_COOLING_GPU  /* slows another clock: a graphics processor's, memory's */
};

struct ew_machine_cooler {
    char name[48];   /* its type, and a number where there are several: "pwm-fan", "cpufreq-cpu0", "Processor 2" */
    char folder[64]; /* below the root */
    enum ew_cooling_kind kind;
    int64_t state, most; /* 0 = does nothing … most; -1 unknown */
};

/* Slowing-down that the kernel or firmware counts; a difference over a run means that it was throttled. -1 unknown. */
struct ew_machine_throttle {
    int64_t core_events,
        package_events;          /* x86: heat; sums over cores of core_throttle_count, over sockets of package_… */
    int64_t core_ms, package_ms; /* x86: how long in all: …_throttle_total_time_ms, likewise */
    int64_t power_limit_events;  /* x86: sum over sockets of package_power_limit_count */
    int64_t over_current_events; /* Jetson: sum of ocN_event_cnt: over-current and under-voltage alarms */
    int64_t pi_flags;            /* Raspberry Pi get_throttled: bits 0-3 now, 16-19 since boot */
    int64_t cooling_state, cooling_most; /* of the cooling device that slows the processor most now; 0 = none does */
    char cooling_name[48];               /* its name; "" = none does */
};

/* All of it unknown. */
static inline struct ew_machine_throttle ew_machine_throttle_unknown(void) {
    return (struct ew_machine_throttle){.core_events = -1,
                                        .package_events = -1,
                                        .core_ms = -1,
                                        .package_ms = -1,
                                        .power_limit_events = -1,
                                        .over_current_events = -1,
                                        .pi_flags = -1,
                                        .cooling_state = -1,
                                        .cooling_most = -1};
}

/* What a bit of throttle.pi_flags says, "under-voltage now"; NULL for a bit without meaning. */
const char *ew_machine_pi_flag_name(int bit);

/* All bits that are set, in words, joined by ", "; "" when none is, or when the flags are unknown (-1). */
void ew_machine_pi_flags_text(int64_t pi_flags, char *buf, size_t capacity);

/* What slowed the processor down between two readings, in words, joined by "; ": "cores slowed by heat 12 times, 340 ms
 * in all". false and "" when nothing did, as far as this machine tells. */
bool ew_machine_throttle_words(const struct ew_machine_throttle *before, const struct ew_machine_throttle *after,
                               char *buf, size_t capacity);

/* What slows it down at this moment, as far as a single reading tells: "under-voltage; the kernel holds the clocks down
 * (cpufreq-cpu0 at 3 of 10)". Counts tell nothing of one moment. false and "" when nothing is said to. */
bool ew_machine_throttle_now(const struct ew_machine_throttle *throttle, char *buf, size_t capacity);

/* Whether this machine tells anything about it at all. */
bool ew_machine_throttle_is_known(const struct ew_machine_throttle *throttle);

/* Events that were counted in between: heat, power limit and over-current together; -1 unknown. */
int64_t ew_machine_throttle_events(const struct ew_machine_throttle *before, const struct ew_machine_throttle *after);

#endif
