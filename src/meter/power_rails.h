/* Power rails: sensors that tell watts, or volts and amperes, in files below /sys. Who finds them: hwmon_power.c and
 * ina3221x_power.c; which of them make up a board: rail_map.c. */
#ifndef EW_METER_POWER_RAILS_H
#define EW_METER_POWER_RAILS_H

#include "meter/driver.h"
#include "meter/sensor_number.h"

enum { EW_POWER_RAILS = 32 };

struct ew_power_rail {
    char name[EW_METER_NAME_SIZE];
    char power[EW_SENSOR_PATH_SIZE];                            /* "" = product of the two below */
    double power_scale;                                         /* of its number to watts */
    char volts[EW_SENSOR_PATH_SIZE], amps[EW_SENSOR_PATH_SIZE]; /* in thousandths */
    double shunt_ohm;                                           /* 0 or NAN = not told */
    int read_errno;                                             /* of the first look; 0 = it can be read */
};

/* The rails of one chip, or of all chips that a map speaks of. */
struct ew_power_chip {
    char name[40];
    char source[EW_SENSOR_PATH_SIZE + 48];
    struct ew_power_rail rails[EW_POWER_RAILS];
    size_t n;
    double interval_s; /* how long the chip averages; NAN unknown */
};

/* Looks at the rail once and appends it; dropped where the chip has no room left. */
void ew_power_chip_add(struct ew_power_chip *chip, const char *root, const struct ew_power_rail *rail);

/* A meter over all rails of the chip, none of them in its total yet. NULL when out of memory. */
struct ew_meter *ew_power_meter_new(const struct ew_meter_config *config, const struct ew_power_chip *chip,
                                    const char *name);

/* Makes the channel part of the total; the meter is refused where it cannot be read. */
void ew_power_meter_count(struct ew_meter *meter, const struct ew_power_chip *chip, size_t channel);

/* Refuses a meter of several rails of which nothing says which are whole and which are parts; names them. */
void ew_power_meter_refuse_unknown(struct ew_meter *meter);

/* The meters of a board whose rails have a map: one for each boundary, so that no rail is counted twice. The first is
 * called name, a wider one name-board. *known = false: no map fits, and nothing was added. */
enum ew_status ew_power_board_add(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_power_chip *board, const char *name, bool *known,
                                  struct ew_error *err);

#endif
