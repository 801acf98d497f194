/* Owns the rail maps of NVIDIA's boards. They are told apart by their rails' names, which differ between generations;
 * where two share a name (Orin Nano/NX, Xavier NX, TX2: VDD_IN), the rail means the same. */
#include "meter/rail_map.h"

#include <string.h>

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
     .covers = "Jetson module input VDD_IN (Orin Nano/NX, Xavier NX, TX2): the whole module",
     .leaves_out = "the carrier board",
     .source = "NVIDIA Jetson Linux Developer Guide, power monitors"},
    {.label = "POM_5V_IN",
     .total = {"POM_5V_IN"},
     .boundary = EW_BOUNDARY_MODULE,
     .ceiling = EW_GRADE_B,
     .covers = "Jetson Nano/TX1 5 V input POM_5V_IN: the whole module",
     .leaves_out = "the carrier board",
     .source = "NVIDIA Jetson Linux Developer Guide, power monitors; rbonghi/jetson_stats issue 51"},
    {.label = "VDDRQ",
     .total = {"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"},
     .boundary = EW_BOUNDARY_MODULE,
     .ceiling = EW_GRADE_C,
     .covers = "Jetson AGX Xavier module: sum of GPU, CPU, SOC, CV, VDDRQ and SYS5V",
     .leaves_out = "the carrier board",
     .source = "NVIDIA forum, Xavier total power consumption (81016); rbonghi/jetson_stats issue 51"},
};
enum { N_MAPS = sizeof maps / sizeof *maps };

static bool has(const char *const *rails, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(rails[i], name) == 0) return true;
    return false;
}

const struct ew_rail_map *ew_rail_map_find(const char *const *rails, size_t n) {
    for (size_t k = 0; k < N_MAPS; k++) {
        bool complete = has(rails, n, maps[k].label);
        for (size_t i = 0; i < EW_RAIL_MAP_TOTAL && maps[k].total[i]; i++) complete &= has(rails, n, maps[k].total[i]);
        if (complete) return &maps[k];
    }
    return NULL;
}

bool ew_rail_map_in_total(const struct ew_rail_map *map, const char *rail) {
    size_t n = 0;
    while (n < EW_RAIL_MAP_TOTAL && map->total[n]) n++;
    return has(map->total, n, rail);
}
