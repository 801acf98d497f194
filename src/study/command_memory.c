/* Owns reading the machine's memory counters around a run, and sampling graphics cards during it, in a thread of their
 * own: a driver that is slow to answer must not delay the readings of the command's pages. */
#include "study/command_memory.h"
#include "meter/nvml_processes.h"

#include <math.h>
#include <unistd.h>

void ew_command_memory_open(const struct ew_meter_config *config, struct ew_command_memory *out) {
    *out = (struct ew_command_memory){.root = config->root};
    if (ew_meter_open_gpu_memory(config, (int32_t)getpid(), &out->gpu, NULL) != EW_OK) {
        out->gpu = NULL; /* the list of meters says why */
        return;
    }
    if (ew_meter_sampler_open(&out->gpu, 1, NULL, &out->sampler, NULL) != EW_OK) out->sampler = NULL;
}

void ew_command_memory_close(struct ew_command_memory *memory) {
    ew_meter_sampler_close(&memory->sampler);
    ew_meter_close(&memory->gpu);
}

void ew_command_memory_begin(struct ew_command_memory *memory) {
    if (memory->sampler && ew_meter_sampler_start(memory->sampler, NULL) != EW_OK)
        ew_meter_sampler_close(&memory->sampler);
    ew_memory_reading_take(memory->root, &memory->before);
}

static void note_cards(const struct ew_meter_trace *trace, struct ew_command_window *w) {
    w->peak_gpu_bytes = trace ? ew_gpu_memory_peak(trace, w->begin_ns, w->end_ns) : NAN;
}

void ew_command_memory_end(struct ew_command_memory *memory, struct ew_command_once *once) {
    struct ew_memory_reading after;
    ew_memory_reading_take(memory->root, &after);
    if (memory->sampler) ew_meter_sampler_stop(memory->sampler);
    if (!once) return;
    int64_t window_ns = once->window.end_ns - once->window.begin_ns;
    ew_memory_activity_between(&memory->before, &after, window_ns, &once->memory);
    const struct ew_meter_trace *trace = memory->sampler ? ew_meter_sampler_trace(memory->sampler, 0) : NULL;
    note_cards(trace, &once->window);
    for (size_t i = 0; i < once->n_phases; i++) note_cards(trace, &once->phases[i].window);
}
