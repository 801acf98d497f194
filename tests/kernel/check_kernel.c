/* Implements the harness of the kernel checks; see check_kernel.h. */
#include "check_kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GUARD = 256, PATTERN = 0xa5, MESSAGES_MAX = 20 };

static size_t n_checks, n_failed;

/* splitmix64, public domain: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
uint64_t ew_check_random(struct ew_check_rng *rng) {
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

float ew_check_uniform(struct ew_check_rng *rng, float low, float high) {
    return low + (high - low) * (float)(ew_check_random(rng) >> 40) * 0x1p-24f;
}

int ew_check_integer(struct ew_check_rng *rng, int low, int high) {
    return low + (int)(ew_check_random(rng) % (uint64_t)(high - low + 1));
}

void ew_check_fill_uniform(struct ew_check_rng *rng, float *x, size_t n, float low, float high) {
    for (size_t i = 0; i < n; i++) {
        float v = ew_check_uniform(rng, low, high);
        memcpy((char *)x + i * sizeof v, &v, sizeof v);
    }
}

void ew_check_fill_integers(struct ew_check_rng *rng, float *x, size_t n, int low, int high) {
    for (size_t i = 0; i < n; i++) {
        float v = (float)ew_check_integer(rng, low, high);
        memcpy((char *)x + i * sizeof v, &v, sizeof v);
    }
}

void ew_check_fill_bytes(struct ew_check_rng *rng, void *data, size_t n) {
    for (size_t i = 0; i < n; i++) ((uint8_t *)data)[i] = (uint8_t)ew_check_random(rng);
}

struct ew_check_buffer ew_check_alloc(size_t size, size_t misalign) {
    size_t total = (GUARD + misalign + size + GUARD + 63) / 64 * 64;
    uint8_t *base = aligned_alloc(64, total);
    if (!base) abort();
    memset(base, PATTERN, total);
    return (struct ew_check_buffer){base + GUARD + misalign, size, base, 0};
}

struct ew_check_buffer ew_check_alloc_at_end(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (size + page - 1) / page * page;
    uint8_t *base = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + usable, page, PROT_NONE)) abort();
    return (struct ew_check_buffer){base + usable - size, size, base, usable + page};
}

bool ew_check_guards(const struct ew_check_buffer *buffer, const char *what) {
    const uint8_t *data = buffer->data;
    bool ok = true;
    for (const uint8_t *p = buffer->base; p < data; p++) ok &= *p == PATTERN;
    for (const uint8_t *p = data + buffer->size; p < data + buffer->size + GUARD; p++) ok &= *p == PATTERN;
    n_checks++;
    if (!ok && ++n_failed <= MESSAGES_MAX) printf("FAILED %s: wrote outside its output\n", what);
    return ok;
}

void ew_check_free(struct ew_check_buffer *buffer) {
    if (buffer->mapped_bytes)
        munmap(buffer->base, buffer->mapped_bytes);
    else
        free(buffer->base);
    *buffer = (struct ew_check_buffer){0};
}

bool ew_check_true(bool ok, const char *what) {
    n_checks++;
    if (!ok && ++n_failed <= MESSAGES_MAX) printf("FAILED %s\n", what);
    return ok;
}

bool ew_check_near(float got, double want, double bound, const char *what, size_t index) {
    n_checks++;
    bool ok = fabs((double)got - want) <= bound;
    if (!ok && ++n_failed <= MESSAGES_MAX)
        printf("FAILED %s [%zu]: got %.9g, want %.9g within %.3g\n", what, index, (double)got, want, bound);
    return ok;
}

bool ew_check_equal(float got, float want, const char *what, size_t index) {
    return ew_check_near(got, (double)want, 0, what, index);
}

bool ew_check_wants(const char *isa) {
    const char *list = getenv("EW_CHECK_VARIANTS");
    if (!list) return true;
    size_t n = strlen(isa);
    for (const char *at = strstr(list, isa); at; at = strstr(at + 1, isa))
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}

int ew_check_finish(void) {
    printf("%zu checks, %zu failed\n", n_checks, n_failed);
    return n_failed || n_checks == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
