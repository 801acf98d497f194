/* Owns what the computer calls itself: board, kernel, operating system, power mode. Refuses the words that makers leave
 * where a name should be. */
#include "machine/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static bool is_name(const char *text) {
    static const char *const blanks[] = {"To Be Filled",
                                         "To be filled",
                                         "Default string",
                                         "System Product Name",
                                         "System manufacturer",
                                         "Not Specified",
                                         "Not Applicable",
                                         "INVALID",
                                         "Unknown",
                                         "None"};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++)
        if (strncmp(text, blanks[i], strlen(blanks[i])) == 0) return false;
    return text[0] != 0;
}

static bool dmi(const char *root, char *buf, const char *maker, const char *product) {
    char a[64], b[64];
    ew_facts_text(root, a, sizeof a, "/sys/class/dmi/id/%s", maker);
    ew_facts_text(root, b, sizeof b, "/sys/class/dmi/id/%s", product);
    if (!is_name(b)) return false;
    bool named_twice = strncmp(a, b, strcspn(a, " ")) == 0; /* "HP" before "HP EliteBook" */
    if (!is_name(a) || named_twice)
        snprintf(buf, EW_MACHINE_TEXT, "%s", b);
    else
        snprintf(buf, EW_MACHINE_TEXT, "%s %s", a, b);
    return true;
}

/* Raspberry Pi kernels name the board at the end of /proc/cpuinfo, which containers and phones show without /sys. */
static void name_by_cpuinfo(const char *root, char *buf) {
    char *text = ew_facts_read_file(root, "/proc/cpuinfo");
    if (text) ew_facts_field(text, "Model", buf, EW_MACHINE_TEXT);
    free(text);
}

static void read_kernel(struct ew_machine *m, const char *root) {
    struct utsname u;
    if (!(root && *root) && uname(&u) == 0) {
        snprintf(m->kernel, sizeof m->kernel, "%.30s %.90s", u.sysname, u.release);
        snprintf(m->architecture, sizeof m->architecture, "%.15s", u.machine);
        return;
    }
    char version[EW_MACHINE_TEXT];
    if (ew_facts_text(root, version, sizeof version, "/proc/version") && strncmp(version, "Linux version ", 14) == 0)
        snprintf(m->kernel, sizeof m->kernel, "Linux %.*s", (int)strcspn(version + 14, " "), version + 14);
}

/* A recorded machine's architecture shows in its cpuinfo. */
static void read_architecture(struct ew_machine *m, const char *root) {
    if (m->architecture[0]) return;
    char *text = ew_facts_read_file(root, "/proc/cpuinfo");
    if (!text) return;
    char value[8192];
    const char *name = "";
    if (ew_facts_field(text, "flags", value, sizeof value))
        name = strstr(value, " lm ") ? "x86_64" : "i686";
    else if (ew_facts_field(text, "isa", value, sizeof value))
        name = strncmp(value, "rv64", 4) == 0 ? "riscv64" : "";
    else if (ew_facts_field(text, "CPU architecture", value, sizeof value))
        name = strcmp(value, "8") == 0 || strcmp(value, "AArch64") == 0 ? "aarch64" : "armv7l";
    snprintf(m->architecture, sizeof m->architecture, "%s", name);
    free(text);
}

static void read_os(struct ew_machine *m, const char *root) {
    char *text = ew_facts_read_file(root, "/etc/os-release");
    if (!text) text = ew_facts_read_file(root, "/usr/lib/os-release");
    const char *at = text ? strstr(text, "PRETTY_NAME=") : NULL;
    if (at) {
        at += strlen("PRETTY_NAME=");
        if (*at == '"' || *at == '\'') at++;
        snprintf(m->os, sizeof m->os, "%.*s", (int)strcspn(at, "\"'\n"), at);
    }
    free(text);
}

/* The name of mode `id` in nvpmodel.conf: "< POWER_MODEL ID=1 NAME=25W >". */
static void name_of_mode(const char *root, int id, char *buf, size_t capacity) {
    char *text = ew_facts_read_file(root, "/etc/nvpmodel.conf");
    buf[0] = 0;
    for (const char *p = text; p && (p = strstr(p, "POWER_MODEL ID=")); p++) {
        char *end;
        long found = strtol(p + strlen("POWER_MODEL ID="), &end, 10);
        if (found != id || strncmp(end, " NAME=", 6) != 0) continue;
        snprintf(buf, capacity, " %.*s", (int)strcspn(end + 6, " >\n"), end + 6);
        break;
    }
    free(text);
}

void ew_facts_read_power_mode(struct ew_machine *m, const char *root) {
    char status[64], name[64];
    int id;
    if (ew_facts_text(root, status, sizeof status, "/var/lib/nvpmodel/status") &&
        sscanf(status, "pmode:%d", &id) == 1) {
        name_of_mode(root, id, name, sizeof name);
        snprintf(m->power_mode, sizeof m->power_mode, "%d%s", id, name);
        return;
    }
    ew_facts_text(root, m->power_mode, sizeof m->power_mode, "/sys/firmware/acpi/platform_profile");
}

void ew_facts_read_board(struct ew_machine *m, const char *root) {
    if (!ew_facts_text(root, m->board, sizeof m->board, "/sys/firmware/devicetree/base/model") &&
        !ew_facts_text(root, m->board, sizeof m->board, "/proc/device-tree/model") &&
        !dmi(root, m->board, "sys_vendor", "product_name") && !dmi(root, m->board, "board_vendor", "board_name"))
        name_by_cpuinfo(root, m->board);
    read_kernel(m, root);
    read_architecture(m, root);
    read_os(m, root);
    ew_facts_text(root, m->hypervisor, sizeof m->hypervisor, "/sys/hypervisor/type");
    ew_facts_read_power_mode(m, root);
}
