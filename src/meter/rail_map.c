/* Owns the rail maps of NVIDIA's boards. They are told apart by their rails' names, which differ between generations;
 * where two share a name (Orin Nano/NX, Xavier NX, TX2: VDD_IN), the rail means the same. */
#include "meter/rail_map.h"

#include <string.h>

/* Of the TX2's and TX1's developer kits: the carrier board's input and its converters. */
#define CARRIER_RAILS                                                                                                  \
    "VDD_MUX", "VDD_5V0_IO_SYS", "VDD_5V_IO_SYS", "VDD_3V3_SYS", "VDD_3V3_IO_SLP", "VDD_3V3_IO", "VDD_1V8_IO",         \
        "VDD_3V3_SYS_M2", "VDD_M2_IN"

static const struct ew_rail_map maps[] = {
    {.label = "VDD_GPU_SOC",
     .total = {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"},
     .boundary = EW_BOUNDARY_MODULE,
     .ceiling = EW_GRADE_C,
     .covers = "Jetson AGX Orin module: sum of VDD_GPU_SOC, VDD_CPU_CV and VIN_SYS_5V0",
     .leaves_out =
         "the carrier board; whether VDDQ_VDD2_1V8AO is fed from VIN_SYS_5V0 is not documented, it is not added",
     .source = "NVIDIA Jetson Linux Developer Guide, Orin power monitors; rbonghi/jetson_stats issue 344"},
    {.label = "VDD_IN",
     .total = {"VDD_IN"},
     .boundary = EW_BOUNDARY_MODULE,
     .ceiling = EW_GRADE_B,
     .outside = {CARRIER_RAILS},
     .covers = "Jetson module input VDD_IN (Orin Nano/NX, Xavier NX, TX2, TX1): the whole module",
     .leaves_out = "the carrier board",
     .source = "NVIDIA Jetson Linux Developer Guide, power monitors"},
    {.label = "VDD_MUX",
     .total = {"VDD_IN", "VDD_MUX"},
     .boundary = EW_BOUNDARY_BOARD_DC,
     .ceiling = EW_GRADE_C,
     .covers = "Jetson TX2/TX1 developer kit: sum of the module's input VDD_IN and the carrier board's VDD_MUX",
     .leaves_out = "what is lost before both inputs; that they branch from the supply side by side is read from the "
                   "design guide, not stated by it",
     .source =
         "NVIDIA Tegra Linux Driver Package Development Guide 32.6; energymon, jetson/JetsonPowerRails.md; NVIDIA "
         "forum 201037, TX2 power rail relationships"},
    {.label = "POM_5V_IN",
     .total = {"POM_5V_IN"},
     .boundary = EW_BOUNDARY_MODULE,
     .ceiling = EW_GRADE_B,
     .covers = "Jetson Nano 5 V input POM_5V_IN: the whole module",
     .leaves_out = "the carrier board",
     .source = "NVIDIA Jetson Linux Developer Guide, power monitors; rbonghi/jetson_stats issue 51"},
    {.label = "VDDRQ",
     .total = {"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"},
     .boundary = EW_BOUNDARY_MODULE,
     .ceiling = EW_GRADE_C,
     .covers = "Jetson AGX Xavier module: sum of GPU, CPU, SOC, CV, VDDRQ and SYS5V",
     .leaves_out = "the carrier board",
     .source = "NVIDIA forum, Xavier total power consumption (81016); rbonghi/jetson_stats issue 51"},
    {.label = "VDD_CPU_SOC_MSS", /* in lines of tegrastats; in /sys VIN is a chip of its own */
     .total = {"VIN"},
     .boundary = EW_BOUNDARY_BOARD_DC,
     .ceiling = EW_GRADE_B,
     .covers = "Jetson Thor's DC input VIN: module and carrier board",
     .leaves_out = "",
     .source = "NVIDIA forum 366461: VIN holds module and carrier board; rbonghi/jetson_stats pull 900"},
};
enum { N_MAPS = sizeof maps / sizeof *maps };

static bool has(const char *const *rails, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(rails[i], name) == 0) return true;
    return false;
}

static bool fits(const struct ew_rail_map *map, const char *const *rails, size_t n) {
    bool complete = has(rails, n, map->label);
    for (size_t i = 0; i < EW_RAIL_MAP_TOTAL && map->total[i]; i++) complete &= has(rails, n, map->total[i]);
    return complete;
}

const struct ew_rail_map *ew_rail_map_find(const char *const *rails, size_t n) {
    for (size_t k = 0; k < N_MAPS; k++)
        if (fits(&maps[k], rails, n)) return &maps[k];
    return NULL;
}

const struct ew_rail_map *ew_rail_map_around(const struct ew_rail_map *map, const char *const *rails, size_t n) {
    for (const struct ew_rail_map *other = map + 1; other < maps + N_MAPS; other++)
        if (other->boundary > map->boundary && fits(other, rails, n)) return other;
    return NULL;
}

bool ew_rail_map_holds(const struct ew_rail_map *map, const char *rail) {
    for (size_t i = 0; i < EW_RAIL_MAP_OUTSIDE && map->outside[i]; i++)
        if (strcmp(map->outside[i], rail) == 0) return false;
    return true;
}

bool ew_rail_map_in_total(const struct ew_rail_map *map, const char *rail) {
    size_t n = 0;
    while (n < EW_RAIL_MAP_TOTAL && map->total[n]) n++;
    return has(map->total, n, rail);
}
