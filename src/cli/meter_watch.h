/* One moment of `edgewise meter watch`, and the ways to show it. */
#ifndef EW_CLI_METER_WATCH_H
#define EW_CLI_METER_WATCH_H

#include "meter/integrate.h"

#include <stdio.h>

enum { EW_WATCH_ENERGY = 8, EW_WATCH_GAUGES = 64, EW_WATCH_HISTORY = 60 };

struct ew_watch_energy {
    const struct ew_meter_info *info;
    double energy_j;                    /* since the first sample */
    double now_w, average_w, peak_w;    /* now: mean since the moment before; NAN unknown */
    double silent_s;                    /* since its last sample */
    bool fresh;                         /* there are samples since the moment before */
    double history_w[EW_WATCH_HISTORY]; /* of now_w, oldest first; [n_history] */
    size_t n_history;
};

struct ew_watch_gauge {
    const char *name;
    double value; /* NAN unknown */
};

enum ew_watch_kind { EW_WATCH_HEAT = 0, EW_WATCH_CLOCKS, EW_WATCH_FANS, EW_WATCH_FAN_DRIVES, EW_WATCH_KINDS };

/* Of one kind: degrees Celsius, Hz, revolutions per minute, share of the most. */
struct ew_watch_gauges {
    struct ew_watch_gauge list[EW_WATCH_GAUGES];
    size_t n;
};

/* What slows the processor down: machine/heat.h. */
struct ew_watch_throttle {
    bool known;           /* the machine tells anything about it */
    char now[256];        /* at this moment; "" = nothing */
    char since[512];      /* since the start, by what was counted and by the first and last moment; "" = nothing */
    int64_t events;       /* since the start; -1 unknown */
    size_t looks, slowed; /* moments until now, and those with something in `now` */
};

struct ew_watch_moment {
    double time_s; /* since the first sample */
    struct ew_watch_energy energy[EW_WATCH_ENERGY];
    size_t n_energy;
    const char *energy_none; /* why there is none; NULL when there is */
    struct ew_watch_gauges gauges[EW_WATCH_KINDS];
    int64_t memory_available_bytes, memory_total_bytes, swap_used_bytes; /* -1 unknown */
    struct ew_watch_throttle throttle;
};

struct ew_watch_view {
    FILE *out;
    size_t shown; /* lines of a terminal that the next picture replaces */
    size_t width;
    double last_time_s; /* of the CSV: times rise */
};

/* On a terminal: takes the cursor away and draws in place; close gives it back. */
void ew_watch_view_open(struct ew_watch_view *view, FILE *out);
void ew_watch_view_close(struct ew_watch_view *view);
void ew_watch_view_draw(struct ew_watch_view *view, const struct ew_watch_moment *moment);

/* One line per moment. The head of the CSV is that of a trace file (docs/meters.md). */
void ew_watch_print_line(FILE *out, const struct ew_watch_moment *moment);
void ew_watch_print_csv_head(FILE *out, const struct ew_watch_moment *moment);
void ew_watch_print_csv(struct ew_watch_view *view, const struct ew_watch_moment *moment);
void ew_watch_print_json(FILE *out, const struct ew_watch_moment *moment);

/* The end: energies [n_energy] over the whole time. */
void ew_watch_print_summary(FILE *out, const struct ew_watch_moment *moment, const struct ew_energy *energies);
void ew_watch_print_summary_json(FILE *out, const struct ew_watch_moment *moment, const struct ew_energy *energies);

#endif
