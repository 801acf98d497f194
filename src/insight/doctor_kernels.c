/* Owns the rules about instructions: what the processor has, what kernels may use, and what they did use. */
#include "insight/doctor.h"

#include "machine/cpu_features.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = 160 };
static const uint64_t dot_products = EW_CPU_DOTPROD | EW_CPU_AVXVNNI | EW_CPU_AVX512VNNI;

static bool is_known(const struct ew_machine *m) {
    return strcmp(m->architecture, "x86_64") == 0 || strcmp(m->architecture, "aarch64") == 0;
}

static bool kernel_features(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                            struct ew_doctor_finding *out) {
    (void)before;
    char names[TEXT];
    ew_cpu_features_text(f->features, names, sizeof names);
    if (f->features == 0) {
        if (f->recorded && !is_known(f->machine)) return false;
        return ew_doctor_say(out, f->recorded ? EW_DOCTOR_NOTE : EW_DOCTOR_WARNING,
                             "%s: the kernels are plain C, many times slower",
                             f->recorded ? "no vector instructions told" : "no vector instructions that kernels use");
    }
    if (!(f->features & dot_products))
        return ew_doctor_say(out, EW_DOCTOR_NOTE, "%s; no 8-bit dot product (%s)", names,
                             f->features & EW_CPU_NEON ? "dotprod, Armv8.2" : "VNNI");
    return ew_doctor_say(out, EW_DOCTOR_OK, "%s", names);
}

static bool kernel_mask(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    char names[TEXT];
    uint64_t hidden = f->features & ~f->allowed;
    if (f->recorded || hidden == 0) return false;
    ew_cpu_features_text(hidden, names, sizeof names);
    ew_doctor_remedy(out, "leave out --cpu-mask");
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "--cpu-mask hides %s", names);
}

/* Only those of which a kernel would gain: matrix products. */
static bool kernel_missing(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                           struct ew_doctor_finding *out) {
    (void)before;
    char names[TEXT];
    uint64_t missing =
        f->features & (EW_CPU_I8MM | EW_CPU_AVXVNNI | EW_CPU_AVX512VNNI | EW_CPU_DOTPROD) & ~f->kernel_features;
    if (f->kernel_features == 0 || missing == 0) return false;
    ew_cpu_features_text(missing, names, sizeof names);
    return ew_doctor_say(out, EW_DOCTOR_NOTE, "the processor has %s, this build has no kernels for it", names);
}

/* Names that end in _ref, "gemm_q5_k_ref". */
static bool kernel_reference(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                             struct ew_doctor_finding *out) {
    (void)before;
    if (!f->model || !f->model->kernels[0]) return false;
    char slow[TEXT] = "";
    for (const char *p = f->model->kernels; *p;) {
        size_t n = strcspn(p, " ");
        if (n > 4 && memcmp(p + n - 4, "_ref", 4) == 0)
            snprintf(slow + strlen(slow), sizeof slow - strlen(slow), "%s%.*s", slow[0] ? " " : "", (int)n, p);
        p += n;
        p += *p == ' ';
    }
    if (!slow[0]) return ew_doctor_say(out, EW_DOCTOR_OK, "%s", f->model->kernels);
    bool avoidable = f->allowed & f->kernel_features;
    ew_doctor_remedy(out, "%s", avoidable ? "another type of the same model: q4_0, q4_k_m, q8_0" : "");
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "plain C at work: %s", slow);
}

static const struct ew_doctor_rule rules[] = {
    {"kernel.features", "instructions", "prefill is bound by 8-bit products, and one instruction does many of them",
     false, kernel_features},
    {"kernel.mask", "mask", "kernels are chosen from what is left", true, kernel_mask},
    {"kernel.missing", "unused", "prefill could be faster with kernels that do not exist yet", false, kernel_missing},
    {"kernel.reference", "kernels", "the plain reference is there to be right, not fast", true, kernel_reference},
};
const struct ew_doctor_rules ew_doctor_kernel_rules = {sizeof rules / sizeof *rules, rules};
