/* What sampling costs: processor time of the sampling thread as a share of the time it runs, at the meters' own periods
 * and at 1 kHz, for the meters of this machine and the memory of a process.
 *   bench_meter_sampler [MIB [ROOT]]     size of that process (512); folder of a recorded machine instead of this one
 * Medians and the whole range of several rounds, which take turns so that a neighbour spoils none of them alone. */

#include "edgewise/meter.h"
#include "meter/driver.h"
#include "meter/meter_sampler.h"
#include "meter/process_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7, ROUND_S = 1, MAX_METERS = 64 };

struct bench_case {
    const char *name;
    double period_s; /* 0 = each meter's own */
    bool memory, sensors;
    double share[ROUNDS], rate[ROUNDS];
};

struct bench {
    struct ew_meter *meters[MAX_METERS];
    double own_period_s[MAX_METERS];
    size_t n_sensors; /* first; the memory meter stands behind them */
};

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool run_round(struct bench *b, struct bench_case *c, int round, struct ew_error *err) {
    size_t first = c->sensors ? 0 : b->n_sensors, end = b->n_sensors + c->memory;
    for (size_t i = first; i < end; i++)
        b->meters[i]->info.period_s = c->period_s > 0 ? c->period_s : b->own_period_s[i];
    struct ew_meter_sampler *sampler;
    if (ew_meter_sampler_open(b->meters + first, end - first, NULL, &sampler, err) != EW_OK) return false;
    if (ew_meter_sampler_start(sampler, err) != EW_OK) {
        ew_meter_sampler_close(&sampler);
        return false;
    }
    nanosleep(&(struct timespec){.tv_sec = ROUND_S}, NULL);
    ew_meter_sampler_stop(sampler);
    struct ew_sampler_cost cost = ew_meter_sampler_cost(sampler);
    c->share[round] = (double)cost.cpu_ns / (double)cost.wall_ns;
    c->rate[round] = (double)cost.reads / ((double)cost.wall_ns * 1e-9);
    ew_meter_sampler_close(&sampler);
    return true;
}

static void print_case(struct bench_case *c) {
    qsort(c->share, ROUNDS, sizeof *c->share, by_size);
    qsort(c->rate, ROUNDS, sizeof *c->rate, by_size);
    printf("%-34s %7.0f readings/s  %6.3f %% of one core  (%.3f to %.3f)  %5.1f us each\n", c->name,
           c->rate[ROUNDS / 2], 100 * c->share[ROUNDS / 2], 100 * c->share[0], 100 * c->share[ROUNDS - 1],
           1e6 * c->share[ROUNDS / 2] / c->rate[ROUNDS / 2]);
}

static bool is_sensor(const struct ew_meter_info *info) {
    return info->reason == EW_METER_USABLE && info->n_channels > 0 && info->quantity != EW_METER_TIME;
}

int main(int argc, char **argv) {
    struct bench b = {.n_sensors = 0};
    struct ew_error err = {0};
    struct ew_meter_list *list;
    const struct ew_meter_config config = {.root = argc > 2 ? argv[2] : NULL};
    if (ew_meter_list_probe(&config, &list, &err) != EW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("sensors:");
    for (size_t i = 0; i < ew_meter_list_count(list) && b.n_sensors < MAX_METERS - 1; i++) {
        struct ew_meter *m = ew_meter_list_at(list, i);
        if (!is_sensor(&m->info)) continue;
        printf(" %s (%.0f Hz)", m->info.name, 1 / m->info.period_s);
        b.meters[b.n_sensors++] = m;
    }
    printf("%s\n", b.n_sensors ? "" : " none on this machine");

    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 512;
    char *block = malloc(mib << 20);
    if (!block || ew_meter_open_process_memory(NULL, getpid(), &b.meters[b.n_sensors], &err) != EW_OK) {
        fprintf(stderr, "%s\n", block ? err.message : "out of memory");
        return 1;
    }
    memset(block, 1, mib << 20);
    for (size_t i = 0; i <= b.n_sensors; i++) b.own_period_s[i] = b.meters[i]->info.period_s;

    struct bench_case cases[] = {
        {.name = "memory of a process, own period", .memory = true},
        {.name = "memory of a process, 1 kHz", .period_s = 1e-3, .memory = true},
        {.name = "sensors, own periods", .sensors = true},
        {.name = "sensors, 1 kHz", .period_s = 1e-3, .sensors = true},
        {.name = "both", .memory = true, .sensors = true},
    };
    size_t n = sizeof cases / sizeof *cases;
    bool ok = true;
    for (int round = 0; ok && round < ROUNDS; round++)
        for (size_t i = 0; ok && i < n; i++)
            if (cases[i].memory || b.n_sensors > 0) ok = run_round(&b, &cases[i], round, &err);
    if (!ok) fprintf(stderr, "%s\n", err.message);
    for (size_t i = 0; ok && i < n; i++)
        if (cases[i].memory || b.n_sensors > 0) print_case(&cases[i]);
    ew_meter_close(&b.meters[b.n_sensors]);
    ew_meter_list_close(&list);
    free(block);
    return !ok;
}
