/* Lines of NVIDIA's tegrastats: the power rails and the stamp. */
#ifndef EW_METER_TEGRASTATS_H
#define EW_METER_TEGRASTATS_H

#include <stdbool.h>
#include <stddef.h>

enum { EW_TEGRA_MAX_RAILS = 16, EW_TEGRA_NAME_SIZE = 32 };

struct ew_tegra_line {
    char stamp[24]; /* "04-19-2026 01:31:10"; "" = the version writes none */
    char rail[EW_TEGRA_MAX_RAILS][EW_TEGRA_NAME_SIZE];
    double power_w[EW_TEGRA_MAX_RAILS]; /* of now, not the average beside it; NAN = below zero: the sensor is off */
    size_t n;                           /* rails; those named NC are not connected and left out */
};

/* Rails read `NAME 5971mW/5971mW` (now/average), `…/…/…` with a maximum from R39 on, and `NAME 3902/3611` in JetPack 4.
 * false = no line of tegrastats, or more rails than are possible. Source: NVIDIA Jetson Linux Developer Guide,
 * tegrastats. */
bool ew_tegra_line_parse(const char *line, struct ew_tegra_line *out);

#endif
