/* Meters: energy, power, memory, heat, clocks.
 *
 * probe -> info -> (prove) -> start -> read batch -> stop.  A list of meters holds what works here *and* what does not,
 * each refusal with a reason and a remedy. Values are in J, W, bytes, degrees Celsius, Hz or s; a value that a sensor
 * could not give this time is NAN. A meter is used by one thread at a time. */
#ifndef EDGEWISE_METER_H
#define EDGEWISE_METER_H

#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ew_meter_quantity {
    EW_METER_ENERGY = 0,
    EW_METER_MEMORY,
    EW_METER_TEMPERATURE,
    EW_METER_FREQUENCY,
    EW_METER_TIME,
    EW_METER_VOLTAGE,
    EW_METER_STATE,    /* a flag, 0 or 1 (resolution 1), or a share from 0 to 1 */
    EW_METER_ROTATION, /* revolutions per minute */
    EW_METER_EVENTS,   /* how often something happened since some start */
    EW_METER_QUANTITIES
};

enum ew_meter_kind {
    EW_METER_COUNTER = 0, /* grows; joules since some start, may wrap */
    EW_METER_POWER,       /* watts at (or averaged before) the stamp */
    EW_METER_GAUGE        /* a level: bytes, degrees, hertz, seconds */
};

/* What is inside the figure, from small to large. */
enum ew_meter_boundary {
    EW_BOUNDARY_UNKNOWN = 0, /* a rail whose place on the board is not known: never chosen automatically */
    EW_BOUNDARY_PROCESS,
    EW_BOUNDARY_CORE,     /* CPU cores only */
    EW_BOUNDARY_DIE,      /* processor package (and memory, where a DRAM domain is added) */
    EW_BOUNDARY_GPU,      /* a graphics card or its chip */
    EW_BOUNDARY_MODULE,   /* compute module without its carrier board */
    EW_BOUNDARY_BOARD_DC, /* the board's DC input */
    EW_BOUNDARY_WALL      /* mains side of the power supply */
};

/* Trust grade of an energy figure; docs/meters.md has the rules. Larger is better. */
enum ew_trust_grade { EW_GRADE_NONE = 0, EW_GRADE_E, EW_GRADE_D, EW_GRADE_C, EW_GRADE_B, EW_GRADE_A };

enum ew_meter_reason {
    EW_METER_USABLE = 0,
    EW_METER_ABSENT,      /* the interface is not there */
    EW_METER_PERMISSION,  /* there, but not readable by this user */
    EW_METER_IO_ERROR,    /* there, and reading fails */
    EW_METER_FROZEN,      /* the reading does not change under load */
    EW_METER_IMPLAUSIBLE, /* zero, negative, not finite or far out of range */
    EW_METER_DUPLICATE,   /* the same domain is already read another way */
    EW_METER_LIMIT,       /* a negotiated limit, not a measurement */
    EW_METER_UNSUPPORTED, /* known, but this version does not read it */
    EW_METER_SATURATED,   /* stands at the end of its range: the true value may be larger */
    EW_METER_GONE,        /* was there, and disappeared while it was read */
    EW_METER_NOT_NOW      /* works only in another state of the machine, which the remedy names */
};

enum { EW_METER_NAME_SIZE = 64, EW_METER_TEXT_SIZE = 256 };

struct ew_meter_channel {
    char name[EW_METER_NAME_SIZE]; /* domain or rail: "package-0", "VDD_IN", "rss" */
    bool in_total;                 /* energy: part of the meter's sum; false for parts that another channel contains */
    double wrap;                   /* counter: value at which it starts again from 0; 0 = never */
};

struct ew_meter_info {
    char name[EW_METER_NAME_SIZE];   /* what --meter takes: "rapl", "rapl-psys", "hwmon:ina3221", "replay" */
    char source[EW_METER_TEXT_SIZE]; /* file or folder it reads */
    enum ew_meter_quantity quantity;
    enum ew_meter_kind kind;
    enum ew_meter_boundary boundary;
    char covers[EW_METER_TEXT_SIZE];     /* in words */
    char leaves_out[EW_METER_TEXT_SIZE]; /* in words; "" = nothing inside the boundary is missing */
    double period_s;                     /* how often it is sampled */
    double resolution;                   /* smallest step, in the unit of the values; 0 = not known */
    double range_max;                    /* largest value that it can show, unit of the values; 0 = not known */
    double averaging_s;                  /* the sensor's averaging window before the stamp (exponential: 2 time
                                            constants); 0 = instantaneous or not known */
    double error_relative;               /* expected error limit, 0.05 = 5 %; NAN = not documented */
    double stamp_error_s;                /* limit of how far a stamp is from its moment: delay, clock offset */
    double clock_drift;                  /* limit of its own clock against ours, 1e-4 = 100 ppm; 0 = our stamps */
    double power_max_w;                  /* counter: most that it may count; tells hidden wraps; 0 = not known */
    const char *documented;              /* where the figures above come from */
    enum ew_trust_grade grade_ceiling;   /* best grade that a figure of this meter can get */
    enum ew_meter_reason reason;         /* EW_METER_USABLE or why not */
    char reason_text[EW_METER_TEXT_SIZE];
    char remedy[2 * EW_METER_TEXT_SIZE]; /* a command or rule that would help; "" = none known */
    bool assumed;                        /* the user's word, not a reading: cannot be proved, grade E, no interval */
    size_t n_channels;
    const struct ew_meter_channel *channels; /* [n_channels], owned by the meter */
};

/* The clock that meters stamp with; tests script it. */
struct ew_meter_clock {
    int64_t (*now_ns)(void *context);
    void (*sleep_until_ns)(void *context, int64_t time_ns);
    void *context;
};

struct ew_meter;
struct ew_meter_list;
struct ew_plug_interface;

struct ew_meter_config {
    const char *root;                   /* where /proc, /sys and /dev are looked for; NULL or "" = this machine */
    const struct ew_meter_clock *clock; /* NULL = CLOCK_MONOTONIC_RAW; otherwise must outlive the meters */
    /* Meters that no probe can find, as the user names them: "replay:FILE", "log:FILE", "shelly:HOST[/CHANNEL]",
     * "tasmota:HOST[/CHANNEL]", "assumed:WATTS"; docs/meters.md has the grammar. A source that was named and does not
     * work is a refused meter; one that cannot be understood is an error of the probe (ARGUMENT). */
    const char *const *sources; /* [n_sources]; must outlive the probe */
    size_t n_sources;
    /* How plugs are asked: &ew_plugs_over_http in the program (meter/plug_http.h). NULL = not at all: they are refused.
     */
    const struct ew_plug_interface *plugs;
    const char *nvml_path; /* NVIDIA's management library; NULL = the system's, and none where root is given */
    /* Sees the list when all meters are found and none is proved, as for calibrations; its error ends the probe.
     * NULL = nothing. */
    enum ew_status (*found)(const struct ew_meter_config *config, struct ew_meter_list *list, struct ew_error *err);
    const void *found_context;
};

/* Finds every meter of the machine, usable or refused. config may be NULL. *out: ew_meter_list_close.
 * Errors: MEMORY; ARGUMENT for a source; FORMAT, IO, NOT_FOUND for a replay file. A machine without any meter is not an
 * error. */
enum ew_status ew_meter_list_probe(const struct ew_meter_config *config, struct ew_meter_list **out,
                                   struct ew_error *err);
void ew_meter_list_close(struct ew_meter_list **list); /* closes its meters */
size_t ew_meter_list_count(const struct ew_meter_list *list);
struct ew_meter *ew_meter_list_at(const struct ew_meter_list *list, size_t index);       /* owned by the list */
struct ew_meter *ew_meter_list_find(const struct ew_meter_list *list, const char *name); /* NULL = not there */

/* Chooses the energy meter and makes it prove itself, which loads one core for about half a second (3 to 20 s when the
 * meter stands still or is slow).
 * selector: NULL or "auto", "none", or a name. On failure NOT_FOUND (PERMISSION where that alone is missing), and err
 * says why there is no energy figure: "no RAPL (/sys/class/powercap is missing), no power sensor (…)". */
enum ew_status ew_meter_list_choose_energy(struct ew_meter_list *list, const char *selector, struct ew_meter **out,
                                           struct ew_error *err);

/* The energy meter that "auto" would take, or try first where none has proved itself yet; NULL = none. */
const struct ew_meter *ew_meter_list_best(const struct ew_meter_list *list);

const struct ew_meter_info *ew_meter_info(const struct ew_meter *meter);
void ew_meter_close(struct ew_meter **meter); /* only for meters opened singly */

/* Start before the first read; stop after the last. Errors: PERMISSION, IO, UNSUPPORTED (a refused meter). */
enum ew_status ew_meter_start(struct ew_meter *meter, struct ew_error *err);
void ew_meter_stop(struct ew_meter *meter);

/* Takes the samples that are due now: times_ns [capacity] (the meter's clock), values [capacity][n_channels].
 * *n <= capacity is set; 0 = nothing new. A polled sensor gives one per call. Errors: IO, NOT_FOUND (the source is
 * gone: process ended, device unplugged, trace over). */
enum ew_status ew_meter_read(struct ew_meter *meter, int64_t *times_ns, double *values, size_t capacity, size_t *n,
                             struct ew_error *err);

/* Fixed words for reports. Never NULL. */
const char *ew_meter_quantity_name(enum ew_meter_quantity quantity); /* "energy" */
const char *ew_meter_kind_name(enum ew_meter_kind kind);             /* "counter" */
const char *ew_meter_unit_name(
    const struct ew_meter_info *info); /* "J", "W", "bytes", "celsius", "Hz", "s", "V", "1", "rpm", "events" */
const char *ew_meter_boundary_name(enum ew_meter_boundary boundary); /* "die", "board" … as in trace files */
const char *ew_meter_reason_name(enum ew_meter_reason reason);       /* "permission" */
const char *ew_trust_grade_name(enum ew_trust_grade grade);          /* "B"; "none" */

#ifdef __cplusplus
}
#endif

#endif
