/* The knobs of a study: what a sweep may vary, what each takes, and how its values read. One row per knob in the table
 * of study_axis.c; the study file, the plan and the progress line walk over it. */
#ifndef EW_STUDY_STUDY_AXIS_H
#define EW_STUDY_STUDY_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ew_study_axis {
    EW_AXIS_THREADS, /* prefill and decode alike; instead of the next two */
    EW_AXIS_PREFILL_THREADS,
    EW_AXIS_DECODE_THREADS,
    EW_AXIS_PROMPT_TOKENS,
    EW_AXIS_GENERATE_TOKENS,
    EW_AXIS_DEPTH,
    EW_AXIS_LAYOUT, /* enum ew_weights_layout */
    EW_AXIS_BATCH,
    EW_AXIS_CORES,     /* a word: "0-3", "big", "little"; EW_STUDY_ALL */
    EW_AXIS_SUSTAINED, /* milliseconds */
    EW_AXIS_LOAD,      /* enum ew_study_load */
    EW_AXIS_BACKEND,
    EW_AXIS_KV,
    EW_AXIS_SPECULATE,
    EW_AXIS_SPIN,          /* microseconds */
    EW_AXIS_GOVERNOR,      /* a word */
    EW_AXIS_FREQUENCY_CAP, /* hertz */
    EW_AXIS_POWER_MODE,    /* a word */
    EW_AXIS_EPP,           /* a word */
    EW_SWEEP_AXES,         /* those above make the grid; those below only choose models */
    EW_AXIS_MODEL = EW_SWEEP_AXES,
    EW_AXIS_TYPE,
    EW_AXES
};

/* Values that are no number: all cores of the machine; whatever the machine is set to. */
enum { EW_STUDY_ALL = -1, EW_STUDY_AS_IS = -2 };

/* How long waiting threads of this engine spin where nobody says so (include/edgewise/session.h). */
enum { EW_STUDY_SPIN_US = 200 };

enum ew_study_load { EW_LOAD_WARM, EW_LOAD_COLD };

enum ew_axis_kind {
    EW_KIND_THREADS,
    EW_KIND_COUNT,
    EW_KIND_CHOICE,   /* the index of a known word */
    EW_KIND_DURATION, /* in milliseconds */
    EW_KIND_HERTZ,
    EW_KIND_CORES, /* words: indices of what the study file keeps */
    EW_KIND_WORD
};

struct ew_axis_info {
    const char *name;
    enum ew_axis_kind kind;
    int64_t low, high;         /* of numbers */
    const char *const *choice; /* NULL-terminated */
    int64_t standard;          /* where the study says nothing; words: EW_STUDY_ALL or EW_STUDY_AS_IS */
    bool by_device;            /* a setting of the machine, made and undone around a trial */
};
extern const struct ew_axis_info ew_study_axis_table[EW_AXES];

/* false when no knob has that name. */
bool ew_study_axis_find(const char *name, enum ew_study_axis *out);

/* One value as a person writes it; what is wrong with it goes to why. A word's value is left to the caller: *out = 0.
 */
bool ew_study_axis_parse(enum ew_study_axis axis, const char *text, int64_t *out, char *why, size_t capacity);

/* The reverse; word: the text of a word's value, or NULL. */
void ew_study_axis_print(enum ew_study_axis axis, int64_t value, const char *word, char *buf, size_t capacity);

#endif
