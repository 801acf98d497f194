/* Owns the names and lists of cores. Which core is of which kind: src/machine. */
#include "study/core_set.h"
#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_id(const char **at, int *id) {
    if (!isdigit((unsigned char)**at)) return false;
    char *end;
    long value = strtol(*at, &end, 10);
    if (value >= CPU_SETSIZE) return false;
    *at = end;
    *id = (int)value;
    return true;
}

bool ew_core_set_parse(const char *text, cpu_set_t *out) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *at = text;; at++) {
        int first, last;
        if (!read_id(&at, &first)) return false;
        last = first;
        if (*at == '-') {
            at++;
            if (!read_id(&at, &last) || last < first) return false;
        }
        for (int id = first; id <= last; id++) CPU_SET((size_t)id, &set);
        if (*at == 0) break;
        if (*at != ',') return false;
    }
    if (out) *out = set;
    return true;
}

bool ew_core_set_is_name(const char *text) { return strcmp(text, "big") == 0 || strcmp(text, "little") == 0; }

static const struct ew_machine_cpu *cpu_at(const struct ew_machine *machine, int id) {
    for (size_t i = 0; i < machine->n_cpus; i++)
        if (machine->cpus[i].id == id) return &machine->cpus[i];
    return NULL;
}

static enum ew_status choose_kind(const struct ew_machine *machine, const char *text, cpu_set_t *out,
                                  struct ew_error *err) {
    if (machine->kinds < 2)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: this machine's cores are all of one kind (all, or a list)",
                            text);
    int kind = strcmp(text, "big") == 0 ? 0 : machine->kinds - 1;
    CPU_ZERO(out);
    for (size_t i = 0; i < machine->n_cpus; i++)
        if (machine->cpus[i].usable && machine->cpus[i].kind == kind) CPU_SET((size_t)machine->cpus[i].id, out);
    if (CPU_COUNT(out) > 0) return EW_OK;
    return ew_error_set(err, EW_ERR_ARGUMENT, "%s: none of these cores may be used by this process", text);
}

/* Ranges of at least two as "0-3". false: does not fit. */
static bool print_set(const cpu_set_t *set, char *buf, size_t capacity) {
    size_t used = 0;
    for (int id = 0; id < CPU_SETSIZE && used < capacity; id++) {
        if (!CPU_ISSET((size_t)id, set)) continue;
        int last = id;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET((size_t)(last + 1), set)) last++;
        used +=
            (size_t)snprintf(buf + used, capacity - used, last > id ? "%s%d-%d" : "%s%d", used ? "," : "", id, last);
        id = last;
    }
    return used < capacity;
}

static int count_cores(const struct ew_machine *machine, const cpu_set_t *set) {
    int cores = 0;
    for (size_t i = 0; i < machine->n_cpus; i++) {
        const struct ew_machine_cpu *cpu = &machine->cpus[i];
        if (!CPU_ISSET((size_t)cpu->id, set)) continue;
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first = first && !(CPU_ISSET((size_t)machine->cpus[j].id, set) && cpu->core >= 0 &&
                               machine->cpus[j].core == cpu->core);
        cores += first;
    }
    return cores;
}

enum ew_status ew_core_set_find(const struct ew_machine *machine, const char *text, struct ew_core_set *out,
                                struct ew_error *err) {
    struct ew_core_set set;
    if (ew_core_set_is_name(text)) {
        enum ew_status status = choose_kind(machine, text, &set.cpus, err);
        if (status != EW_OK) return status;
    } else if (!ew_core_set_parse(text, &set.cpus)) {
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: is not a set of cores", text);
    }
    for (int id = 0; id < CPU_SETSIZE; id++) {
        if (!CPU_ISSET((size_t)id, &set.cpus)) continue;
        const struct ew_machine_cpu *cpu = cpu_at(machine, id);
        if (!cpu || !cpu->usable)
            return ew_error_set(err, EW_ERR_ARGUMENT, "%s: core %d %s", text, id,
                                cpu ? "may not be used by this process" : "is not a core of this machine");
    }
    if (!print_set(&set.cpus, set.text, sizeof set.text))
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: has too many pieces", text);
    set.n_cpus = CPU_COUNT(&set.cpus);
    set.n_cores = count_cores(machine, &set.cpus);
    *out = set;
    return EW_OK;
}
