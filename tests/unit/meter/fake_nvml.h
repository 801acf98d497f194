/* What a test may set in the stand-in for NVIDIA's library (fake_nvml.c); found by dlsym as "fake_nvml". */
#ifndef EW_TESTS_FAKE_NVML_H
#define EW_TESTS_FAKE_NVML_H

#include <stdint.h>

/* The card draws LOW_W and HIGH_W in turn, each for HALF_NS, from time 0 on. */
enum { FAKE_LOW_W = 60, FAKE_HIGH_W = 300, FAKE_START_MJ = 123456789 };
static const int64_t fake_half_ns = 2000000000;

struct fake_nvml {
    int64_t (*now_ns)(void *context); /* the test's clock; NULL = time 0 for ever */
    void *context;
    int64_t power_step_ns;   /* how often its power is updated */
    int64_t counter_step_ns; /* and its energy counter */
    int64_t lost_at_ns;      /* from then on the card is lost; 0 = never */
    unsigned long long reasons;
    int64_t open_now; /* calls of init less those of shutdown */
    struct {
        unsigned pid;
        unsigned long long bytes;
    } compute[100], graphics[4];
    unsigned n_compute, n_graphics;
};

#endif
