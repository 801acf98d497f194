/* Owns the rules about measured limits and what a model reaches of them: bandwidth against the data sheet, numbers of
 * threads, shares of the limit, and the reasons that the rules before have found. */
#include "insight/doctor.h"

#include "insight/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double theory_note = 0.5; /* of the data sheet's bandwidth; processors seldom reach more than 0.8 */
static const double faster = 1.05;     /* another number of threads is worth a line from here on */
static const double decode_good = 0.7, decode_poor = 0.5;
static const double prefill_good = 0.5, prefill_poor = 0.3;
static const double above_limit = 1.005; /* shown as 101 % */
static const double cache_share = 2;     /* weights of less than this many last caches may be read from there */

/* Bandwidth by data sheet: transfers per second times bytes. Boards with several kinds of memory are not listed. */
static const struct {
    const char *board;
    double bytes_per_s;
    const char *source;
} boards[] = {
    {"Raspberry Pi 5", 17.07e9, "LPDDR4X-4267, 32 bit"},
    {"Raspberry Pi Compute Module 5", 17.07e9, "LPDDR4X-4267, 32 bit"},
    {"Raspberry Pi 4", 12.8e9, "LPDDR4-3200, 32 bit"},
    {"NVIDIA Jetson AGX Orin", 204.8e9, "LPDDR5-6400, 256 bit, shared with the GPU"},
};

double ew_doctor_memory_theory(const char *board, const char **source) {
    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++) {
        if (strncmp(board, boards[i].board, strlen(boards[i].board)) != 0) continue;
        *source = boards[i].source;
        return boards[i].bytes_per_s;
    }
    return NAN;
}

/* ---- limits ---- */

static bool limit_memory(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                         struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine_limits *l = f->limits;
    if (!l) return false;
    const char *source = "";
    double theory = ew_doctor_memory_theory(f->machine->board, &source);
    ew_doctor_say(out, EW_DOCTOR_OK, "reads %.1f GB/s with %u thread%s", l->read_bytes_per_s * 1e-9, l->read_threads,
                  l->read_threads == 1 ? "" : "s");
    if (l->n_reads > 0 && l->reads[0].threads == 1 && l->read_threads != 1)
        ew_doctor_add(out, " (%.1f with one)", l->reads[0].bytes_per_s * 1e-9);
    if (isfinite(theory)) ew_doctor_add(out, ", of %.1f in theory (%s)", theory * 1e-9, source);
    if (l->buffer_is_small) ew_doctor_add(out, "; little memory was free: some of it may have come from a cache");
    if (isfinite(theory) && l->read_bytes_per_s < theory_note * theory) out->severity = EW_DOCTOR_NOTE;
    return true;
}

static bool limit_compute(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                          struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine_limits *l = f->limits;
    if (!l) return false;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    ew_words_number(a, l->int8_ops_per_s * 1e-9, -1);
    ew_words_number(b, l->f32_ops_per_s * 1e-9, -1);
    return ew_doctor_say(out, EW_DOCTOR_OK, "int8 %s Gop/s (%s), f32 %s Gop/s (%s), %u thread%s", a, l->int8_with, b,
                         l->f32_with, l->threads, l->threads == 1 ? "" : "s");
}

/* ---- threads ---- */

static const struct ew_doctor_speed *speed_of(const struct ew_doctor_model *m, uint32_t threads) {
    for (size_t i = 0; i < m->n_speeds; i++)
        if (m->speeds[i].threads == threads) return &m->speeds[i];
    return NULL;
}

/* CPUs of the fastest kind, one thread per core. */
static uint32_t fast_cores(const struct ew_machine *m) {
    uint32_t n = 0;
    for (size_t i = 0; i < m->n_cpus; i++) n += m->cpus[i].usable && m->cpus[i].kind == 0 && m->cpus[i].smt <= 0;
    return n;
}

/* The figures of one phase, so that both share a rule. */
struct phase {
    const char *name, *option;
    double (*median)(const struct ew_doctor_speed *);
    double (*low)(const struct ew_doctor_speed *);
    double (*high)(const struct ew_doctor_speed *);
};
static double prefill_median(const struct ew_doctor_speed *s) { return s->prefill_per_s; }
static double prefill_low(const struct ew_doctor_speed *s) { return s->prefill_low; }
static double prefill_high(const struct ew_doctor_speed *s) { return s->prefill_high; }
static double decode_median(const struct ew_doctor_speed *s) { return s->decode_per_s; }
static double decode_low(const struct ew_doctor_speed *s) { return s->decode_low; }
static double decode_high(const struct ew_doctor_speed *s) { return s->decode_high; }
static const struct phase prefill = {"prefill", "--prefill-threads", prefill_median, prefill_low, prefill_high};
static const struct phase decode = {"decode", "--decode-threads", decode_median, decode_low, decode_high};

static const struct ew_doctor_speed *fastest(const struct ew_doctor_model *m, const struct phase *phase) {
    const struct ew_doctor_speed *best = NULL;
    for (size_t i = 0; i < m->n_speeds; i++)
        if (!best || phase->median(&m->speeds[i]) > phase->median(best)) best = &m->speeds[i];
    return best;
}

static const struct ew_doctor_speed *usual_speed(const struct ew_doctor_model *m, const struct phase *phase) {
    bool own = phase == &decode && m->default_decode_threads > 0;
    return speed_of(m, own ? m->default_decode_threads : m->default_threads);
}

/* Another number of threads counts as faster only when its slowest run beats the default's fastest. */
static bool threads_of_phase(const struct ew_doctor_facts *f, const struct phase *phase,
                             struct ew_doctor_finding *out) {
    const struct ew_doctor_model *m = f->model;
    const struct ew_doctor_speed *usual = m ? usual_speed(m, phase) : NULL;
    const struct ew_doctor_speed *best = m ? fastest(m, phase) : NULL;
    if (!usual || m->n_speeds < 2) return false;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    ew_words_number(a, phase->median(usual), -1);
    ew_words_number(b, phase->median(best), -1);
    if (best == usual || phase->median(best) < faster * phase->median(usual) || phase->low(best) <= phase->high(usual))
        return ew_doctor_say(out, EW_DOCTOR_OK, "%s with %u thread%s: none of the others tried is clearly faster",
                             phase->name, usual->threads, usual->threads == 1 ? "" : "s");
    bool fast_only = f->machine->kinds > 1 && best->threads == fast_cores(f->machine);
    bool siblings = f->machine->cores > 0 && best->threads > (uint32_t)f->machine->cores;
    ew_doctor_remedy(out, "%s %u", phase->option, best->threads);
    return ew_doctor_say(out, EW_DOCTOR_WARNING,
                         "%s with %u thread%s is faster than with %u: %s → %s tok/s, measured just now%s", phase->name,
                         best->threads, best->threads == 1 ? "" : "s", usual->threads, a, b,
                         fast_only  ? "; those are the fast cores alone"
                         : siblings ? "; those are two per core"
                                    : "");
}

static bool threads_decode(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                           struct ew_doctor_finding *out) {
    (void)before;
    return threads_of_phase(f, &decode, out);
}

static bool threads_prefill(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                            struct ew_doctor_finding *out) {
    (void)before;
    return threads_of_phase(f, &prefill, out);
}

static bool threads_kinds(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                          struct ew_doctor_finding *out) {
    (void)before;
    if (f->machine->kinds < 2) return false;
    ew_doctor_say(out, EW_DOCTOR_NOTE, "%d kinds of core", f->machine->kinds);
    const struct ew_machine_limits *l = f->limits;
    if (l && l->n_kinds > 1 && l->kinds[l->n_kinds - 1].int8_ops_per_s > 0)
        ew_doctor_add(out, "; the fastest does %.1f times the 8-bit products of the slowest",
                      l->kinds[0].int8_ops_per_s / l->kinds[l->n_kinds - 1].int8_ops_per_s);
    return true;
}

static bool threads_siblings(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                             struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine *m = f->machine;
    if (m->cores <= 0 || m->threads <= m->cores) return false;
    return ew_doctor_say(out, EW_DOCTOR_NOTE,
                         "%d CPUs are two threads each of %d core%s; one thread per core is the default", m->threads,
                         m->cores, m->cores == 1 ? "" : "s");
}

/* ---- the model ---- */

bool ew_doctor_is_in_cache(const struct ew_machine *machine, uint64_t weights_bytes) {
    int64_t cache = ew_machine_last_cache_bytes(machine);
    return cache > 0 && (double)weights_bytes < cache_share * (double)cache;
}

static bool is_in_cache(const struct ew_doctor_facts *f) {
    return ew_doctor_is_in_cache(f->machine, f->model->weights_bytes);
}

static bool model_memory(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                         struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_doctor_model *m = f->model;
    int64_t room = ew_machine_free_bytes(f->machine);
    if (!m || m->needed_bytes == 0 || room < 0) return false;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    ew_words_size(a, (double)m->needed_bytes);
    ew_words_size(b, (double)room);
    if (m->needed_bytes <= (uint64_t)room) return ew_doctor_say(out, EW_DOCTOR_OK, "needs %s, %s are free", a, b);
    ew_doctor_remedy(out,
                     "a smaller type of it (q4_0, q4_k_m), or a smaller model: edgewise info says what each needs");
    return ew_doctor_say(out, EW_DOCTOR_PROBLEM, "needs %s, %s are free: not measured", a, b);
}

static bool model_cache(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    if (!f->model || f->model->n_speeds == 0 || !is_in_cache(f)) return false;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    ew_words_size(a, (double)f->model->weights_bytes);
    ew_words_size(b, (double)ew_machine_last_cache_bytes(f->machine));
    ew_doctor_remedy(out, "a larger MODEL, or none: then one that does not fit there is made up");
    return ew_doctor_say(out, EW_DOCTOR_NOTE, "%s of weights beside %s of cache", a, b);
}

/* "; slowed by: governor, swap". */
static void add_reasons(struct ew_doctor_finding *out, const struct ew_doctor_findings *before) {
    size_t n = 0;
    for (size_t i = 0; i < before->n; i++) {
        bool slows = false;
        for (size_t r = 0; r < ew_doctor_rule_count(); r++)
            if (ew_doctor_rule_at(r)->id == before->at[i].id) slows = ew_doctor_rule_at(r)->slows;
        if (!slows || before->at[i].severity < EW_DOCTOR_WARNING) continue;
        ew_doctor_add(out, "%s%s", n++ ? ", " : ". What stands in the way: ", before->at[i].topic);
    }
    if (n == 0) ew_doctor_add(out, ". Nothing found on this machine that explains it: the rest is the kernels' own");
}

static bool share_of_limit(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                           const struct phase *phase, double limit, double good, double poor, const char *bound,
                           struct ew_doctor_finding *out) {
    const struct ew_doctor_speed *usual = usual_speed(f->model, phase);
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    if (!usual) return false;
    ew_words_number(a, phase->median(usual), -1);
    ew_words_number(b, limit, -1);
    if (is_in_cache(f) && phase == &decode)
        return ew_doctor_say(out, EW_DOCTOR_NOTE, "%s tok/s; the weights fit a cache, so memory is not its limit", a);
    if (!(limit > 0)) return false;
    double share = phase->median(usual) / limit;
    if (share >= above_limit) {
        ew_doctor_say(out, EW_DOCTOR_NOTE,
                      "%s tok/s, %.0f %% of the %s that %s: that cannot be. The limit was measured at a slower moment",
                      a, 100 * share, b, bound);
        if (phase == &decode) ew_doctor_add(out, ", or part of the weights stays in a cache");
        ew_doctor_remedy(out,
                         "run it again while nothing else runs; what came out above 100 %% says only: near the limit");
        return true;
    }
    enum ew_doctor_severity severity = share >= good   ? EW_DOCTOR_OK
                                       : share >= poor ? EW_DOCTOR_NOTE
                                                       : EW_DOCTOR_WARNING;
    ew_doctor_say(out, severity, "%s tok/s, %.0f %% of the %s that %s", a, 100 * share, b, bound);
    if (severity != EW_DOCTOR_OK) add_reasons(out, before);
    return true;
}

static bool model_decode(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                         struct ew_doctor_finding *out) {
    if (!f->model || f->model->n_speeds == 0) return false;
    return share_of_limit(f, before, &decode, f->model->decode_limit_per_s, decode_good, decode_poor,
                          "reading the weights once per token allows", out);
}

static bool model_prefill(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                          struct ew_doctor_finding *out) {
    if (!f->model || f->model->n_speeds == 0) return false;
    return share_of_limit(f, before, &prefill, f->model->prefill_limit_per_s, prefill_good, prefill_poor,
                          "its operations allow at the measured peaks", out);
}

static const struct ew_doctor_rule rules[] = {
    {"limit.memory", "bandwidth", "decode reads all weights for every token: memory is its limit", false, limit_memory},
    {"limit.compute", "arithmetic", "prefill does the same weights for many tokens: arithmetic is its limit", false,
     limit_compute},
    {"threads.kinds", "kinds", "all threads wait for the slowest core", false, threads_kinds},
    {"threads.siblings", "siblings", "two threads of a core share its arithmetic and its way to memory", false,
     threads_siblings},
    {"threads.decode", "decode threads", "beyond what memory can feed, more threads only wait for each other", true,
     threads_decode},
    {"threads.prefill", "prefill threads", "all threads wait for the slowest core", true, threads_prefill},
    {"model.memory", "fits", "what does not fit is read from disk again and again, or killed", false, model_memory},
    {"model.cache", "in cache", "weights that stay in a cache say nothing about memory, and larger models are slower",
     false, model_cache},
    {"model.decode", "decode", "the share says how much a better kernel or setting could still give", false,
     model_decode},
    {"model.prefill", "prefill", "the share says how much a better kernel or setting could still give", false,
     model_prefill},
};
const struct ew_doctor_rules ew_doctor_model_rules = {sizeof rules / sizeof *rules, rules};
