/* The inside of a meter: what a driver fills in. One file per driver: rapl.c, rapl_perf.c, hwmon_power.c,
 * ina3221x_power.c, heat_meter.c, process_memory.c, replay.c, log_meter.c, fake_meter.c, time_meter.c. meter_list.c
 * calls their probes. */
#ifndef EW_METER_DRIVER_H
#define EW_METER_DRIVER_H

#include "meter/prove.h"

/* What ew_meter_read hands to a driver: append at [n], never beyond capacity. */
struct ew_meter_batch {
    int64_t *times_ns; /* [capacity] */
    double *values;    /* [capacity][n_channels] */
    size_t capacity;
    size_t n;
};

struct ew_meter_driver {
    enum ew_status (*start)(struct ew_meter *meter, struct ew_error *err); /* NULL = nothing to do */
    enum ew_status (*read)(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err);
    void (*stop)(struct ew_meter *meter);  /* NULL = nothing to do */
    void (*close)(struct ew_meter *meter); /* frees what state points to, not state itself; NULL = nothing to do */
    /* Instead of the watch at rest and under load of prove.c; the meter stands still before and after. NULL = that. */
    enum ew_status (*prove)(struct ew_meter *meter, const struct ew_prove_load *load, struct ew_error *err);
    /* How long after its moment a reading may still arrive; NULL = readings are of the moment they are taken. */
    double (*late_s)(struct ew_meter *meter);
};

struct ew_meter {
    const struct ew_meter_driver *driver; /* NULL for a refused meter */
    struct ew_meter_info info;
    struct ew_meter_channel *channels; /* info.channels points here; owned */
    struct ew_meter_clock clock;
    char *root;  /* owned; "" = this machine */
    void *state; /* owned, from the driver */
    bool started;
};

/* The config's clock, or the machine's. */
struct ew_meter_clock ew_meter_clock_of(const struct ew_meter_config *config);

/* A zeroed meter with its channels, root, clock and state_size bytes of zeroed state; NULL when out of memory. */
struct ew_meter *ew_meter_new(const struct ew_meter_driver *driver, const struct ew_meter_config *config,
                              size_t n_channels, size_t state_size);

/* Marks a meter as refused; it keeps its description. text and remedy are formatted by the caller. */
void ew_meter_refuse(struct ew_meter *meter, enum ew_meter_reason reason, const char *text, const char *remedy);

/* For a driver's read: the meter turned out to be useless for good (GONE, SATURATED). The first text stays; the meter
 * is not stopped, as it is being read. The read that flags returns NOT_FOUND for GONE and IO for the rest. */
void ew_meter_flag(struct ew_meter *meter, enum ew_meter_reason reason, const char *text);

/* An empty list, for tests of single probes; NULL when out of memory. */
struct ew_meter_list *ew_meter_list_new(void);

/* Gives the meter to the list (also on failure, when it is closed). meter NULL (out of memory) gives MEMORY. */
enum ew_status ew_meter_list_add(struct ew_meter_list *list, struct ew_meter *meter, struct ew_error *err);

/* Adds an energy meter that is refused from the start. */
enum ew_status ew_meter_list_add_refused(struct ew_meter_list *list, const struct ew_meter_config *config,
                                         const char *name, enum ew_meter_reason reason, const char *text,
                                         const char *remedy, struct ew_error *err);

/* Appends one sample stamped now with all values NAN and returns its values [n_channels]; NULL when the batch is full.
 */
double *ew_meter_batch_add(const struct ew_meter *meter, struct ew_meter_batch *batch);

static inline int64_t ew_meter_now_ns(const struct ew_meter *meter) {
    return meter->clock.now_ns(meter->clock.context);
}

static inline double ew_meter_late_s(struct ew_meter *meter) {
    return meter->driver && meter->driver->late_s ? meter->driver->late_s(meter) : 0;
}

/* snprintf that cuts silently: the texts of a description are for people. */
__attribute__((format(printf, 3, 4))) void ew_meter_text(char *buf, size_t capacity, const char *format, ...);

/* One per driver: add every meter found below config->root, and a refused one with its reason where the kind of meter
 * is missing. */
enum ew_status ew_meter_probe_rapl(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err);
enum ew_status ew_meter_probe_rapl_perf(struct ew_meter_list *list, const struct ew_meter_config *config,
                                        struct ew_error *err);
enum ew_status ew_meter_probe_hwmon(struct ew_meter_list *list, const struct ew_meter_config *config,
                                    struct ew_error *err);
enum ew_status ew_meter_probe_ina3221x(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       struct ew_error *err);
enum ew_status ew_meter_probe_battery(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      struct ew_error *err);
enum ew_status ew_meter_probe_heat(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err);
enum ew_status ew_meter_probe_cooling(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      struct ew_error *err);
enum ew_status ew_meter_probe_throttle(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       struct ew_error *err);
enum ew_status ew_meter_probe_time(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err);
enum ew_status ew_meter_probe_pmic(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err);
enum ew_status ew_meter_probe_gpu_clock(struct ew_meter_list *list, const struct ew_meter_config *config,
                                        struct ew_error *err);
enum ew_status ew_meter_probe_nvml(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err);
enum ew_status ew_meter_probe_sources(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      struct ew_error *err);

/* One per kind of source that the user names (meter_source.c): text is what stands after "KIND:". Errors: ARGUMENT
 * where it cannot be understood; what is understood and does not work is added as a refused meter. */
enum ew_status ew_meter_source_replay(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      const char *path, struct ew_error *err);
enum ew_status ew_meter_source_log(struct ew_meter_list *list, const struct ew_meter_config *config, const char *text,
                                   struct ew_error *err);
enum ew_status ew_meter_source_shelly(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      const char *address, struct ew_error *err);
enum ew_status ew_meter_source_tasmota(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       const char *address, struct ew_error *err);
enum ew_status ew_meter_source_assumed(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       const char *watts, struct ew_error *err);

#endif
