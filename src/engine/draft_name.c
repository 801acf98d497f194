/* Owns the words for how many tokens are drafted: what options, study files and stores say. */
#include "edgewise/speculation.h"
#include "engine/draft_pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ew_draft_print(uint32_t n_draft, char *buf, size_t capacity) {
    if (n_draft == 0 || n_draft == EW_DRAFT_AUTO)
        snprintf(buf, capacity, "%s", n_draft == 0 ? "off" : "auto");
    else
        snprintf(buf, capacity, "%u", n_draft);
}

bool ew_draft_parse(const char *text, uint32_t *n_draft) {
    char *end;
    bool off = strcmp(text, "off") == 0, automatic = strcmp(text, "auto") == 0;
    if (!off && !automatic && (text[0] < '1' || text[0] > '9')) return false;
    unsigned long n = off ? 0 : automatic ? EW_DRAFT_AUTO : strtoul(text, &end, 10);
    if (!off && !automatic && (*end || n > EW_DRAFT_MOST)) return false;
    *n_draft = (uint32_t)n;
    return true;
}
