/* What this computer is, as plain facts for results and for choosing cores. A fact that could not be read is marked as
 * unknown ("" for text, -1 for counts and sizes, NAN for other numbers) and never guessed.
 *
 * Sources: the kernel's ABI documents of /sys/devices/system/cpu, /sys/class/{thermal,hwmon,dmi}, proc(5), cgroups(7).
 */
#ifndef EW_MACHINE_MACHINE_H
#define EW_MACHINE_MACHINE_H

#include "edgewise/status.h"
#include "machine/heat.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_MACHINE_TEXT = 128 };

/* One logical CPU that is online. */
struct ew_machine_cpu {
    int id;         /* number that affinity uses */
    int package;    /* socket; -1 unknown */
    int core;       /* index of its physical core in this machine, 0 …; -1 unknown */
    int smt;        /* 0 = first thread of its core */
    int kind;       /* 0 = the fastest kind of core here, 1 = the next …; all 0 on an even machine */
    double speed;   /* what the kind was told by (capacity, performance level or maximum MHz); NAN unknown */
    bool usable;    /* this process may run on it (affinity, cpuset) */
    char model[48]; /* "Cortex-A76"; "" = the machine's model name holds for all */
    char governor[24];
    char preference[32];     /* energy_performance_preference (EPP) */
    double min_mhz, max_mhz; /* limits in force (scaling_min_freq, scaling_max_freq) */
    double hardware_max_mhz; /* cpuinfo_max_freq */
    double now_mhz;
};

/* One kind of cache, all levels that data passes through. */
struct ew_machine_cache {
    int level;
    char type[16];      /* "Data", "Instruction", "Unified" */
    int64_t size_bytes; /* of one instance */
    int instances;
    int shared_by; /* logical CPUs per instance, of the first one */
};

struct ew_machine_memory {
    int64_t total_bytes;
    int64_t available_bytes;  /* MemAvailable, never MemFree */
    int64_t swap_total_bytes; /* all swap, zram included */
    int64_t swap_free_bytes;
    int64_t zram_bytes;         /* swap that is compressed memory; 0 = none */
    int64_t cgroup_limit_bytes; /* smallest memory limit of this process's cgroups; -1 = none or unknown */
    int64_t cgroup_used_bytes;  /* of that cgroup, without cached file pages it gives back first */
    int64_t page_bytes;
};

/* A graphics processor on the same chip as the CPU. Cards on a bus are not listed here. */
struct ew_machine_gpu {
    char name[48];           /* of its clock: "17000000.gpu"; "" = none found */
    char governor[24];       /* of that clock */
    double min_mhz, max_mhz; /* limits in force */
    double now_mhz;
    double load;        /* share of the time that it was busy, 0 to 1; NAN unknown */
    int shares_memory;  /* 1 = its memory is the system's; -1 unknown */
    char load_path[96]; /* file that load comes from, below the root; "" = none */
    double load_scale;  /* from that file's number to a share */
};

struct ew_machine {
    char board[EW_MACHINE_TEXT];  /* "Raspberry Pi 5 Model B Rev 1.0", "Dell Inc. Latitude E4310" */
    char vendor[EW_MACHINE_TEXT]; /* of the processor: "GenuineIntel", "ARM" */
    char cpu_model[EW_MACHINE_TEXT];
    char kernel[EW_MACHINE_TEXT];     /* "Linux 6.6.20" */
    char os[EW_MACHINE_TEXT];         /* PRETTY_NAME of os-release */
    char architecture[16];            /* "x86_64", "aarch64"; "" unknown */
    char hypervisor[32];              /* "kvm" or the like where the machine says it is virtual; "" = not said */
    char firmware[EW_MACHINE_TEXT];   /* Raspberry Pi: date and version; "" elsewhere */
    char power_mode[EW_MACHINE_TEXT]; /* Jetson nvpmodel "1 25W", or ACPI platform_profile "balanced" */

    int packages; /* sockets */
    int cores;    /* physical */
    int threads;  /* logical CPUs online */
    int kinds;    /* kinds of core */
    int usable;   /* CPUs this process may use at once: affinity, cpuset and quota together; at least 1 */
    double quota; /* CPUs' worth of time that the cgroup allows; NAN = no limit */

    size_t n_cpus;
    struct ew_machine_cpu *cpus; /* [n_cpus], by id; owned */
    size_t n_caches;
    struct ew_machine_cache *caches; /* owned */
    size_t n_temperatures;
    struct ew_machine_temperature *temperatures; /* owned */
    size_t n_fans;
    struct ew_machine_fan *fans; /* owned */
    size_t n_coolers;
    struct ew_machine_cooler *coolers; /* owned */
    struct ew_machine_memory memory;
    struct ew_machine_throttle throttle;
    struct ew_machine_gpu gpu;
};

/* root: where /proc, /sys and /etc are looked for; NULL or "" = this machine. With a root this process's own affinity
 * is not asked, so every recorded CPU counts as usable unless the recorded cgroup says otherwise.
 * *out is owned by the caller: ew_machine_close. Errors: MEMORY. A missing fact is not an error. */
enum ew_status ew_machine_open(const char *root, struct ew_machine **out, struct ew_error *err);
void ew_machine_close(struct ew_machine **machine);

/* Fills ids [capacity] with usable CPUs in the order in which threads should take them: one thread per physical core,
 * fastest kind first, then the second threads of the cores in the same order. Returns how many there are, which may
 * exceed capacity and the quota. */
size_t ew_machine_core_order(const struct ew_machine *machine, int *ids, size_t capacity);

/* Physical cores among the usable CPUs, within the quota: the default number of threads. At least 1. */
int ew_machine_usable_cores(const struct ew_machine *machine);

/* All instances of the largest level of caches together; 0 = not known. */
int64_t ew_machine_last_cache_bytes(const struct ew_machine *machine);

/* Memory that a new model may take now: the smaller of MemAvailable and what the cgroup leaves. -1 unknown. */
int64_t ew_machine_free_bytes(const struct ew_machine *machine);

/* Facts that change while a study runs, read again cheaply into the machine: frequencies, governors, temperatures,
 * fans, cooling devices, memory, throttle counts, power mode. */
void ew_machine_refresh(struct ew_machine *machine, const char *root);

/* The processor's temperature, or NAN. */
double ew_machine_cpu_temperature_c(const struct ew_machine *machine);

#endif
