/* Owns the choice of a loop, and the plain C that stands in where an instruction set has none. */
#include "kernel/limit_loops.h"

#include "machine/cpu_features.h"

#include <string.h>

static volatile uint64_t sink;

static void read_plain(const char *p, size_t size_bytes) {
    uint64_t sum[16] = {0};
    for (size_t i = 0; i + sizeof sum <= size_bytes; i += sizeof sum) {
        uint64_t v[16];
        memcpy(v, p + i, sizeof v);
        for (int j = 0; j < 16; j++) sum[j] ^= v[j];
    }
    for (int j = 1; j < 16; j++) sum[0] ^= sum[j];
    sink = sum[0];
}

/* The factors come from memory that the compiler must believe to change, so that no turn can be left out. */
static double int_plain(uint64_t turns) {
    volatile int32_t seed = 3;
    int32_t sum[32] = {0}, x = seed;
    for (uint64_t t = 0; t < turns; t++) {
        for (int j = 0; j < 32; j++) sum[j] = (int32_t)((uint32_t)sum[j] + (uint32_t)(x * (int8_t)(sum[j] & 127)));
        x ^= 1;
    }
    for (int j = 1; j < 32; j++) sum[0] ^= sum[j];
    sink = (uint64_t)sum[0];
    return 64 * (double)turns;
}

static double f32_plain(uint64_t turns) {
    volatile float seed = 0.5F;
    float sum[32] = {0}, x = seed;
    for (uint64_t t = 0; t < turns; t++)
        for (int j = 0; j < 32; j++) sum[j] = sum[j] * x + x;
    for (int j = 1; j < 32; j++) sum[0] += sum[j];
    sink = (uint64_t)sum[0];
    return 64 * (double)turns;
}

void ew_limit_read(const void *data, size_t size_bytes, uint64_t features) {
    const char *begin = data;
    size_bytes = size_bytes / 256 * 256;
    if (size_bytes == 0) return;
    features &= ew_cpu_features();
    for (size_t i = 0; i < ew_limit_n_readers; i++) {
        if ((features & ew_limit_readers[i].needs) != ew_limit_readers[i].needs) continue;
        ew_limit_readers[i].read(begin, begin + size_bytes);
        return;
    }
    read_plain(begin, size_bytes);
}

static const struct ew_limit_loop *choose(enum ew_peak peak, uint64_t features) {
    features &= ew_cpu_features();
    for (size_t i = 0; i < ew_limit_n_loops; i++) {
        const struct ew_limit_loop *loop = &ew_limit_loops[i];
        if (loop->peak == peak && (features & loop->needs) == loop->needs) return loop;
    }
    return NULL;
}

double ew_limit_peak(enum ew_peak peak, uint64_t features, uint64_t turns) {
    const struct ew_limit_loop *loop = choose(peak, features);
    if (!loop) return peak == EW_PEAK_F32 ? f32_plain(turns) : int_plain(turns);
    if (turns > 0) loop->run(turns);
    return loop->ops * (double)turns;
}

const char *ew_limit_peak_name(enum ew_peak peak, uint64_t features) {
    const struct ew_limit_loop *loop = choose(peak, features);
    return loop ? loop->name : "plain C";
}

#if !defined(__x86_64__) && !defined(__aarch64__)
const struct ew_limit_loop ew_limit_loops[1];
const struct ew_limit_reader ew_limit_readers[1];
const size_t ew_limit_n_loops = 0, ew_limit_n_readers = 0;
#endif
