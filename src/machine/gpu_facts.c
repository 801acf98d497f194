/* Owns what is known of a graphics processor that sits beside the CPU on one chip: its clock (devfreq), how busy it is,
 * and whether it has memory of its own. Cards that sit on a bus are asked elsewhere: src/meter/nvml_meter.c.
 * Sources: kernel Documentation/ABI/testing/sysfs-class-devfreq; NVIDIA Jetson Linux Developer Guide, "Clocks". */
#include "base/small_file.h"
#include "machine/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVFREQ "/sys/class/devfreq"

struct scan {
    struct ew_machine_gpu *gpu;
    const char *root;
};

/* Names of devices that are graphics processors: Tegra's chips by their code name, and what the others are called. */
static bool is_gpu(const char *name) {
    static const char *const words[] = {"gpu", "ga10b", "gv11b", "gp10b", "gm20b", "gb10b", "mali", "v3d"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(name, words[i])) return true;
    return false;
}

static bool visit_device(void *context, const char *name) {
    struct scan *s = context;
    if (!is_gpu(name) || strlen(name) >= sizeof s->gpu->name) return true;
    if (isnan(ew_facts_number(s->root, DEVFREQ "/%s/cur_freq", name))) return true;
    snprintf(s->gpu->name, sizeof s->gpu->name, "%s", name);
    return false;
}

/* Tegra counts in thousandths; vendor kernels of Mali chips write "45@300000000Hz" in per cent. */
static void find_load(struct ew_machine_gpu *gpu, const char *root) {
    char text[48];
    snprintf(gpu->load_path, sizeof gpu->load_path, DEVFREQ "/%.40s/load", gpu->name);
    gpu->load_scale = 1e-2;
    if (ew_facts_text(root, text, sizeof text, "%s", gpu->load_path) && strchr(text, '@')) return;
    gpu->load_scale = 1e-3;
    snprintf(gpu->load_path, sizeof gpu->load_path, DEVFREQ "/%.40s/device/load", gpu->name);
    static const char *const older[] = {"", "/sys/devices/platform/gpu.0/load", "/sys/devices/gpu.0/load"};
    for (size_t i = 0; i < sizeof older / sizeof *older; i++) {
        if (older[i][0]) snprintf(gpu->load_path, sizeof gpu->load_path, "%s", older[i]);
        if (!isnan(ew_facts_number(root, "%s", gpu->load_path))) return;
    }
    gpu->load_path[0] = 0;
}

void ew_facts_refresh_gpu(struct ew_machine *m, const char *root) {
    struct ew_machine_gpu *gpu = &m->gpu;
    if (!gpu->name[0]) return;
    gpu->now_mhz = ew_facts_number(root, DEVFREQ "/%s/cur_freq", gpu->name) * 1e-6;
    gpu->min_mhz = ew_facts_number(root, DEVFREQ "/%s/min_freq", gpu->name) * 1e-6;
    gpu->max_mhz = ew_facts_number(root, DEVFREQ "/%s/max_freq", gpu->name) * 1e-6;
    ew_facts_text(root, gpu->governor, sizeof gpu->governor, DEVFREQ "/%s/governor", gpu->name);
    gpu->load = gpu->load_path[0] ? ew_facts_number(root, "%s", gpu->load_path) * gpu->load_scale : NAN;
    if (!(gpu->load >= 0 && gpu->load <= 1)) gpu->load = NAN;
}

/* The entries are strings that NUL bytes separate. */
bool ew_facts_is_compatible(const char *root, const char *chip) {
    static const char *const paths[] = {"/proc/device-tree/compatible", "/sys/firmware/devicetree/base/compatible"};
    char text[256];
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        ssize_t n = ew_small_file_read(root, paths[p], text, sizeof text);
        for (ssize_t i = 0; i < n; i++)
            if (text[i] == 0) text[i] = ' ';
        if (n > 0 && strstr(text, chip)) return true;
    }
    return false;
}

void ew_facts_read_gpu(struct ew_machine *m, const char *root) {
    m->gpu = (struct ew_machine_gpu){.now_mhz = NAN, .min_mhz = NAN, .max_mhz = NAN, .load = NAN, .shares_memory = -1};
    struct scan s = {.gpu = &m->gpu, .root = root};
    ew_facts_each_entry(root, DEVFREQ, "", visit_device, &s);
    if (m->gpu.name[0]) {
        /* A graphics processor with a clock of the system's own is part of the chip, and so is its memory. */
        m->gpu.shares_memory = 1;
        find_load(&m->gpu, root);
    } else if (ew_facts_is_compatible(root, "nvidia,tegra") || ew_facts_is_compatible(root, "raspberrypi,")) {
        m->gpu.shares_memory = 1;
    }
    ew_facts_refresh_gpu(m, root);
}
