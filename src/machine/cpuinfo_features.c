/* Owns the features of a recorded machine: what its /proc/cpuinfo lists. Of this machine cpu_features.c asks the
 * processor itself, since a list of names says nothing about what the operating system saves.
 * Every processor with AVX2 that runs Linux servers or desktops has FMA and F16C as well, so AVX2 stands for all three.
 * Source: names in the kernel's arch/x86/include/asm/cpufeatures.h and Documentation/arch/arm64/elf_hwcaps.rst. */
#include "machine/cpu_features.h"
#include "machine/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_word(const char *list, const char *word, size_t n) {
    for (const char *p = list; (p = strstr(p, word)); p++) {
        bool starts = p == list || p[-1] == ' ';
        if (starts && (p[n] == ' ' || p[n] == 0)) return true;
    }
    return false;
}

/* All of the words, separated by blanks, are in the list. */
static bool has_all(const char *list, const char *words) {
    char word[24];
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        if (!has_word(list, word, n)) return false;
        p += n;
        p += *p == ' ';
    }
    return true;
}

uint64_t ew_cpu_features_recorded(const char *root) {
    static const struct {
        uint64_t bit;
        const char *words;
    } rows[] = {
        {EW_CPU_AVX2, "avx2"},
        {EW_CPU_AVXVNNI, "avx2 avx_vnni"},
        {EW_CPU_AVX512, "avx2 avx512f avx512bw avx512dq avx512vl avx512cd"},
        {EW_CPU_AVX512VNNI, "avx512f avx512bw avx512_vnni"},
        {EW_CPU_AVX512BF16, "avx512f avx512bw avx512_bf16"},
        {EW_CPU_AVX512VBMI, "avx512f avx512bw avx512vbmi"},
        {EW_CPU_NEON, "asimd"},
        {EW_CPU_DOTPROD, "asimddp"},
        {EW_CPU_I8MM, "i8mm"},
        {EW_CPU_FP16, "asimdhp"},
        {EW_CPU_SVE, "sve"},
        {EW_CPU_BF16, "bf16"},
    };
    char *text = ew_facts_read_file(root, "/proc/cpuinfo"), list[4096];
    uint64_t features = 0;
    bool found = text && (ew_facts_field(text, "flags", list, sizeof list) ||
                          ew_facts_field(text, "Features", list, sizeof list));
    for (size_t i = 0; found && i < sizeof rows / sizeof *rows; i++)
        if (has_all(list, rows[i].words)) features |= rows[i].bit;
    free(text);
    return features;
}
