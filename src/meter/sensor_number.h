/* Numbers of sensor files in /sys, read strictly: a sensor that answers with something else gave nothing. */
#ifndef EW_METER_SENSOR_NUMBER_H
#define EW_METER_SENSOR_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_SENSOR_PATH_SIZE = 128 };

/* A whole decimal number, perhaps with a unit behind a blank ("32760 mA", as older Jetson kernels write). false for
 * anything else, and for what does not fit. */
bool ew_sensor_number_parse(const char *text, int64_t *out);

/* The number in the file root/path. false with errno set: as the system said, or EINVAL when it is no number. */
bool ew_sensor_number_read(const char *root, const char *path, int64_t *out);

/* Whether the file is there, readable or not. */
bool ew_sensor_file_exists(const char *root, const char *path);

/* Whether an errno means that the device went away, rather than that one reading failed. */
bool ew_sensor_errno_is_gone(int errno_value);

#endif
