/* A load on chosen cores, for proving, aligning and calibrating meters: how hard it works can be set, and when a call
 * returns, the change has happened. */
#ifndef EW_METER_LOAD_MAKER_H
#define EW_METER_LOAD_MAKER_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ew_load_maker;

/* Threads share a level by switching on and off within this period, each core shifted against the others. */
enum { EW_LOAD_PERIOD_MS = 10, EW_LOAD_MAX_THREADS = 1024 };

/* n threads (1 … EW_LOAD_MAX_THREADS), asleep until a level is set. cores: [n] CPU numbers to pin them to, or NULL to
 * let the system place them. Errors: ARGUMENT (n, a core this process may not use), MEMORY, IO (no more threads). */
enum ew_status ew_load_maker_open(const int *cores, size_t n, struct ew_load_maker **out, struct ew_error *err);
void ew_load_maker_close(struct ew_load_maker **maker); /* stops it first */

/* Sets the share of time that each thread works: 0 = off (all sleep, and use no time at all), 1 = all the time.
 * Clamped to 0 … 1. Returns when every thread has taken the change over: with 0, when all are off. */
void ew_load_maker_set(struct ew_load_maker *maker, double level);

/* For callbacks (ew_prove_load): context is the maker; on is level 1. */
void ew_load_maker_switch(void *maker, bool on);

/* How many CPUs this process may use; cores [capacity] receives their numbers, rising. */
size_t ew_load_maker_usable_cores(int *cores, size_t capacity);

#endif
