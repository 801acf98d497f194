/* Owns the names of processors: x86 names itself, ARM gives numbers that the tables below turn into names.
 * Source of the tables: ARM's MIDR_EL1 register description and the parts' technical reference manuals; other vendors'
 * parts as listed by the kernel's arch/arm64/include/asm/cputype.h. A number that is not listed stays a number. */
#include "machine/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct id_name {
    unsigned id;
    const char *name;
};

static const struct id_name implementers[] = {
    {0x41, "ARM"},       {0x42, "Broadcom"},  {0x43, "Cavium"},   {0x46, "Fujitsu"},
    {0x48, "HiSilicon"}, {0x4e, "NVIDIA"},    {0x51, "Qualcomm"}, {0x53, "Samsung"},
    {0x61, "Apple"},     {0x6d, "Microsoft"}, {0x70, "Phytium"},  {0xc0, "Ampere"},
};

/* implementer << 12 | part */
static const struct id_name parts[] = {
    {0x41b76, "ARM1176"},       {0x41c05, "Cortex-A5"},
    {0x41c07, "Cortex-A7"},     {0x41c08, "Cortex-A8"},
    {0x41c09, "Cortex-A9"},     {0x41c0d, "Cortex-A17"},
    {0x41c0e, "Cortex-A17"},    {0x41c0f, "Cortex-A15"},
    {0x41d01, "Cortex-A32"},    {0x41d02, "Cortex-A34"},
    {0x41d03, "Cortex-A53"},    {0x41d04, "Cortex-A35"},
    {0x41d05, "Cortex-A55"},    {0x41d06, "Cortex-A65"},
    {0x41d07, "Cortex-A57"},    {0x41d08, "Cortex-A72"},
    {0x41d09, "Cortex-A73"},    {0x41d0a, "Cortex-A75"},
    {0x41d0b, "Cortex-A76"},    {0x41d0c, "Neoverse-N1"},
    {0x41d0d, "Cortex-A77"},    {0x41d0e, "Cortex-A76AE"},
    {0x41d40, "Neoverse-V1"},   {0x41d41, "Cortex-A78"},
    {0x41d42, "Cortex-A78AE"},  {0x41d43, "Cortex-A65AE"},
    {0x41d44, "Cortex-X1"},     {0x41d46, "Cortex-A510"},
    {0x41d47, "Cortex-A710"},   {0x41d48, "Cortex-X2"},
    {0x41d49, "Neoverse-N2"},   {0x41d4a, "Neoverse-E1"},
    {0x41d4b, "Cortex-A78C"},   {0x41d4c, "Cortex-X1C"},
    {0x41d4d, "Cortex-A715"},   {0x41d4e, "Cortex-X3"},
    {0x41d4f, "Neoverse-V2"},   {0x41d80, "Cortex-A520"},
    {0x41d81, "Cortex-A720"},   {0x41d82, "Cortex-X4"},
    {0x41d83, "Neoverse-V3AE"}, {0x41d84, "Neoverse-V3"},
    {0x41d85, "Cortex-X925"},   {0x41d87, "Cortex-A725"},
    {0x41d89, "Cortex-A720AE"}, {0x41d8e, "Neoverse-N3"},
    {0x48d01, "TaiShan-v110"},  {0x48d40, "Cortex-A76"},
    {0x4e003, "Denver-2"},      {0x4e004, "Carmel"},
    {0x51001, "Oryon"},         {0x51201, "Kryo"},
    {0x51205, "Kryo"},          {0x51211, "Kryo"},
    {0x51800, "Kryo-2xx-Gold"}, {0x51801, "Kryo-2xx-Silver"},
    {0x51802, "Kryo-3xx-Gold"}, {0x51803, "Kryo-3xx-Silver"},
    {0x51804, "Kryo-4xx-Gold"}, {0x51805, "Kryo-4xx-Silver"},
    {0x61022, "Icestorm-M1"},   {0x61023, "Firestorm-M1"},
    {0x61032, "Blizzard-M2"},   {0x61033, "Avalanche-M2"},
    {0xc0ac3, "Ampere-1"},      {0xc0ac4, "Ampere-1A"},
};

static const char *find_name(const struct id_name *table, size_t n, unsigned id) {
    for (size_t i = 0; i < n; i++)
        if (table[i].id == id) return table[i].name;
    return NULL;
}

/* What one block of /proc/cpuinfo says. */
struct block {
    char model_name[EW_MACHINE_TEXT], vendor[32], implementer[16], part[16], uarch[48];
};

static void read_block(const char *text, struct block *b) {
    ew_facts_field(text, "model name", b->model_name, sizeof b->model_name);
    ew_facts_field(text, "vendor_id", b->vendor, sizeof b->vendor);
    ew_facts_field(text, "CPU implementer", b->implementer, sizeof b->implementer);
    ew_facts_field(text, "CPU part", b->part, sizeof b->part);
    ew_facts_field(text, "uarch", b->uarch, sizeof b->uarch);
}

static void name_core(const struct block *b, struct ew_machine_cpu *cpu) {
    if (b->uarch[0]) {
        snprintf(cpu->model, sizeof cpu->model, "%.47s", b->uarch);
    } else if (b->implementer[0] && b->part[0]) {
        unsigned implementer = (unsigned)strtoul(b->implementer, NULL, 0), part = (unsigned)strtoul(b->part, NULL, 0);
        const char *name = find_name(parts, sizeof parts / sizeof *parts, implementer << 12 | part);
        if (name)
            snprintf(cpu->model, sizeof cpu->model, "%s", name);
        else
            snprintf(cpu->model, sizeof cpu->model, "implementer %.12s part %.12s", b->implementer, b->part);
    }
}

static void name_vendor(const struct block *b, struct ew_machine *m) {
    if (m->vendor[0]) return;
    const char *name = NULL;
    if (b->implementer[0])
        name = find_name(implementers, sizeof implementers / sizeof *implementers,
                         (unsigned)strtoul(b->implementer, NULL, 0));
    snprintf(m->vendor, sizeof m->vendor, "%s", b->vendor[0] ? b->vendor : name ? name : "");
}

static struct ew_machine_cpu *find_cpu(struct ew_machine *m, long id) {
    for (size_t i = 0; i < m->n_cpus; i++)
        if (m->cpus[i].id == id) return &m->cpus[i];
    return NULL;
}

/* One block per processor; a last block without number holds for those that named nothing (older ARM kernels). */
static void read_blocks(struct ew_machine *m, char *text) {
    char *next;
    for (char *at = text; at; at = next) {
        next = strstr(at, "\n\n");
        if (next) *next = 0, next += 2;
        struct block b = {0};
        read_block(at, &b);
        name_vendor(&b, m);
        char number[16] = "";
        bool numbered = ew_facts_field(at, "processor", number, sizeof number);
        struct ew_machine_cpu *cpu = numbered ? find_cpu(m, strtol(number, NULL, 10)) : NULL;
        if (cpu) name_core(&b, cpu);
        for (size_t i = 0; !numbered && i < m->n_cpus; i++)
            if (!m->cpus[i].model[0]) name_core(&b, &m->cpus[i]);
        if (!m->cpu_model[0] && b.vendor[0]) snprintf(m->cpu_model, sizeof m->cpu_model, "%s", b.model_name);
    }
}

/* "Cortex-X3 + Cortex-A715": each model once, fastest kind first. */
static void join_models(struct ew_machine *m) {
    size_t used = 0;
    for (int kind = 0; kind < m->kinds; kind++) {
        for (size_t i = 0; i < m->n_cpus; i++) {
            const struct ew_machine_cpu *c = &m->cpus[i];
            size_t k = 0;
            while (k < i && strcmp(m->cpus[k].model, c->model) != 0) k++;
            if (c->kind != kind || k < i || !c->model[0] || used >= sizeof m->cpu_model) continue;
            int n = snprintf(m->cpu_model + used, sizeof m->cpu_model - used, "%s%s", used ? " + " : "", c->model);
            if (n > 0) used += (size_t)n;
        }
    }
}

bool ew_facts_read_cpu_names(struct ew_machine *m, const char *root) {
    char *text = ew_facts_read_file(root, "/proc/cpuinfo");
    if (!text) return true;
    char first[EW_MACHINE_TEXT] = "", flags[8192] = "";
    ew_facts_field(text, "model name", first, sizeof first);
    if (ew_facts_field(text, "flags", flags, sizeof flags) && strstr(flags, " hypervisor") && !m->hypervisor[0])
        snprintf(m->hypervisor, sizeof m->hypervisor, "virtual machine");
    read_blocks(m, text);
    if (!m->cpu_model[0]) join_models(m);
    if (!m->cpu_model[0]) snprintf(m->cpu_model, sizeof m->cpu_model, "%s", first);
    free(text);
    return true;
}
