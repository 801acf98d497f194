/* Owns what the firmware of a Raspberry Pi says of itself and of its supply: version, and the flags of get_throttled in
 * words. Bits of the flags: Raspberry Pi documentation, "vcgencmd get_throttled". */
#include "machine/facts.h"
#include "machine/pi_mailbox.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int bit;
    const char *words;
} flags[] = {
    {0, "under-voltage now"},
    {1, "frequency capped now"},
    {2, "throttled now"},
    {3, "soft temperature limit now"},
    {16, "under-voltage since boot"},
    {17, "frequency capped since boot"},
    {18, "throttled since boot"},
    {19, "soft temperature limit since boot"},
};

const char *ew_machine_pi_flag_name(int bit) {
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].bit == bit) return flags[i].words;
    return NULL;
}

void ew_machine_pi_flags_text(int64_t pi_flags, char *buf, size_t capacity) {
    buf[0] = 0;
    if (pi_flags < 0) return;
    size_t used = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags && used < capacity; i++) {
        if (!(pi_flags >> flags[i].bit & 1)) continue;
        used += (size_t)snprintf(buf + used, capacity - used, "%s%s", used ? ", " : "", flags[i].words);
    }
}

bool ew_pi_parse_throttled(const char *answer, int64_t *out) {
    static const char head[] = "throttled=0x";
    if (strncmp(answer, head, sizeof head - 1) != 0) return false;
    const char *digits = answer + sizeof head - 1;
    size_t n = strspn(digits, "0123456789abcdefABCDEF");
    if (n == 0 || n > 8 || digits[n + strspn(digits + n, " \r\n")]) return false;
    *out = (int64_t)strtoul(digits, NULL, 16);
    return true;
}

int64_t ew_facts_ask_pi_flags(const char *root) {
    char answer[EW_PI_ANSWER_BYTES];
    int64_t value = -1;
    if (ew_pi_mailbox_ask(root, "get_throttled", answer, NULL) == EW_OK) ew_pi_parse_throttled(answer, &value);
    return value;
}

/* Three lines: a date, a copyright, "version HASH (clean) (release)". */
void ew_facts_read_pi_firmware(struct ew_machine *m, const char *root) {
    char answer[EW_PI_ANSWER_BYTES];
    if (ew_pi_mailbox_ask(root, "version", answer, NULL) != EW_OK) return;
    for (char *p = answer; *p; p++)
        if (*p != '\n' && !isprint((unsigned char)*p)) *p = ' ';
    int date = (int)strcspn(answer, "\n");
    const char *version = strstr(answer, "\nversion ");
    while (date > 0 && answer[date - 1] == ' ') date--;
    if (!version) return;
    version += strlen("\nversion ");
    snprintf(m->firmware, sizeof m->firmware, "%.*s, %.*s", date < 40 ? date : 40, answer,
             (int)strcspn(version, " \n") < 12 ? (int)strcspn(version, " \n") : 12, version);
}
