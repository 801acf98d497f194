/* The inside of machine.h: how facts are read, and which file owns which. */
#ifndef EW_MACHINE_FACTS_H
#define EW_MACHINE_FACTS_H

#include "machine/machine.h"

/* Reading, below a root folder (facts.c). Paths are formatted; what is not there reads as unknown. */

/* The whole file, NUL-terminated (at most 4 MiB), malloc'd; NULL when it cannot be read. */
char *ew_facts_read_file(const char *root, const char *path);

/* The first line, without white space at its end and without bytes that are no printable text. buf is "" on failure. */
__attribute__((format(printf, 4, 5))) bool ew_facts_text(const char *root, char *buf, size_t capacity,
                                                         const char *format, ...);

/* A decimal number; NAN when there is none. */
__attribute__((format(printf, 2, 3))) double ew_facts_number(const char *root, const char *format, ...);

/* Numbers of a kernel list such as "0-3,8,10-11" into a set of n flags; numbers beyond n are dropped. false when the
 * text is no such list; the set is then untouched. */
bool ew_facts_parse_list(const char *text, bool *set, int n);

/* Calls visit for every entry of a folder whose name begins with prefix, in rising order of the names (numbers inside
 * them by value); stops when it returns false. */
void ew_facts_each_entry(const char *root, const char *folder, const char *prefix,
                         bool (*visit)(void *context, const char *name), void *context);

/* The text after "Key:" (blanks around the colon allowed) in the first line that begins with Key, trimmed. */
bool ew_facts_field(const char *text, const char *key, char *buf, size_t capacity);

/* Adds room for one more element: returns the zeroed element, or NULL when out of memory. */
void *ew_facts_append(void **array, size_t *n, size_t element_bytes);

/* Fact by fact. Each leaves unknown what it cannot find; false = out of memory. */
bool ew_facts_read_topology(struct ew_machine *m, const char *root);   /* cpu_topology.c: CPUs, kinds, caches */
bool ew_facts_read_cpu_names(struct ew_machine *m, const char *root);  /* cpu_names.c: vendor and models */
void ew_facts_read_clocks(struct ew_machine *m, const char *root);     /* cpu_clocks.c: frequencies, governor, EPP */
void ew_facts_read_board(struct ew_machine *m, const char *root);      /* board.c: board, kernel, system, power mode */
void ew_facts_read_power_mode(struct ew_machine *m, const char *root); /* board.c */
void ew_facts_read_memory(struct ew_machine *m, const char *root);     /* memory_facts.c */
void ew_facts_read_cgroup(struct ew_machine *m, const char *root);  /* cgroup_limits.c: quota, cpuset, memory limit */
bool ew_facts_read_heat(struct ew_machine *m, const char *root);    /* heat_facts.c: temperatures, once */
void ew_facts_refresh_heat(struct ew_machine *m, const char *root); /* heat_facts.c: their values */
double ew_facts_degrees(const char *root, const char *path);        /* heat_facts.c: NAN where the sensor is off */
bool ew_facts_read_cooling(struct ew_machine *m, const char *root); /* cooling_facts.c: fans, cooling devices */
void ew_facts_refresh_cooling(struct ew_machine *m, const char *root);  /* cooling_facts.c */
void ew_facts_refresh_throttle(struct ew_machine *m, const char *root); /* throttle_facts.c, after the cooling */
void ew_facts_read_pi_firmware(struct ew_machine *m, const char *root); /* pi_firmware.c: version */
void ew_facts_read_gpu(struct ew_machine *m, const char *root);         /* gpu_facts.c */
void ew_facts_refresh_gpu(struct ew_machine *m, const char *root);      /* gpu_facts.c: clock and load */

/* The control group whose memory limit holds: the smallest on the way up; this process's own where none has one. */
struct ew_facts_memory_group {
    bool v2;
    int64_t limit_bytes; /* -1 none */
    char folder[800];    /* below the root */
};

/* cgroup_limits.c. false = this process is in no group, or the kernel does not say. */
bool ew_facts_find_memory_group(const char *root, struct ew_facts_memory_group *out);

/* Whether the device tree names a board or chip that begins like this, "nvidia,tegra" (gpu_facts.c). */
bool ew_facts_is_compatible(const char *root, const char *chip);

/* The flags of get_throttled, from the kernel's file or the firmware (throttle_facts.c); -1 unknown. */
int64_t ew_facts_pi_flags(const char *root);

/* The flags as the firmware itself gives them (pi_firmware.c); -1 unknown. */
int64_t ew_facts_ask_pi_flags(const char *root);

/* "throttled=0x50005". false = it is not of that form. */
bool ew_pi_parse_throttled(const char *answer, int64_t *out);

#endif
