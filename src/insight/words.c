/* See words.h. web/src/format.js follows the same rule for digits. */
#include "insight/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int clamp(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

static int significant(double value, int digits) {
    if (!isfinite(value) || value == 0) return 0;
    return clamp(digits - 1 - (int)floor(log10(fabs(value))), 0, 6);
}

int ew_words_decimals(double value, double half) {
    if (!isfinite(half) || half <= 0) return significant(value, 3);
    int digits = clamp(-(int)floor(log10(half)), 0, 6);
    int most =
        significant(value, 3) + (fabs(value) < 1000 ? 1 : 0); /* a tight interval makes no fifth digit interesting */
    int least = significant(value, 2);
    return digits < least ? least : digits < most ? digits : most;
}

void ew_words_number(char out[EW_NUMBER_SIZE], double value, int decimals) {
    if (!isfinite(value)) {
        strcpy(out, "–");
        return;
    }
    if (decimals < 0 && value != 0 && fabs(value) < 1e-4) {
        snprintf(out, EW_NUMBER_SIZE, "%.1e", value);
        return;
    }
    char plain[EW_NUMBER_SIZE];
    if (fabs(value) > 1e18) {
        snprintf(out, EW_NUMBER_SIZE, "%.2e", value);
        return;
    }
    snprintf(plain, sizeof plain, "%.*f", decimals < 0 ? significant(value, 3) : decimals, value);
    size_t whole = strcspn(plain, "."), sign = plain[0] == '-', o = 0;
    for (size_t i = 0; plain[i] && o + 2 < EW_NUMBER_SIZE; i++) {
        if (i > sign && i < whole && (whole - i) % 3 == 0) out[o++] = ',';
        out[o++] = plain[i];
    }
    out[o] = 0;
}

static void put_spread(char out[EW_NUMBER_SIZE], double up, double down, double value, int decimals) {
    double half = fmax(up, down), step = decimals < 0 ? 0 : pow(10, -decimals);
    char high[EW_NUMBER_SIZE], low[EW_NUMBER_SIZE];
    if (half >= 2 * fmin(up, down) && half > fabs(value) / 10) {
        ew_words_number(high, up, decimals);
        ew_words_number(low, down, decimals);
        snprintf(out, EW_NUMBER_SIZE, "+%.16s -%.16s", high, low);
        return;
    }
    ew_words_number(high, half < step / 2 ? step : half, decimals);
    snprintf(out, EW_NUMBER_SIZE, "± %s%.30s", half < step / 2 ? "<" : "", high);
}

void ew_words_figure(const struct ew_figure *figure, double scale, char value[EW_NUMBER_SIZE],
                     char spread[EW_NUMBER_SIZE]) {
    spread[0] = 0;
    double shown = figure->value * scale, up = (figure->high - figure->value) * scale,
           down = (figure->value - figure->low) * scale;
    bool has_interval = isfinite(shown) && isfinite(up) && isfinite(down);
    int decimals = ew_words_decimals(shown, has_interval ? fmax(up, down) : NAN);
    if (shown != 0 && fabs(shown) < 1e-4) decimals = -1; /* 2.2e-06 */
    ew_words_number(value, shown, decimals);
    if (has_interval) put_spread(spread, up, down, shown, decimals);
}

void ew_words_size(char out[EW_NUMBER_SIZE], double bytes) {
    double mib = bytes / 1048576;
    char number[EW_NUMBER_SIZE];
    ew_words_number(number, mib >= 1024 ? mib / 1024 : mib, mib >= 1024 || mib < 10 ? 1 : 0);
    snprintf(out, EW_NUMBER_SIZE, "%.*s %s", EW_NUMBER_SIZE - 8, number, mib >= 1024 ? "GiB" : "MiB");
}

void ew_words_add(char *text, size_t size, const char *format, ...) {
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

struct kept {
    struct kept *next;
    char text[];
};

const char *ew_words_keep(struct ew_insight *insight, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    struct kept *kept = n < 0 ? NULL : malloc(sizeof *kept + (size_t)n + 1);
    if (!kept) return NULL;
    va_start(args, format);
    vsnprintf(kept->text, (size_t)n + 1, format, args);
    va_end(args);
    kept->next = insight->texts;
    insight->texts = kept;
    return kept->text;
}

void ew_words_free(struct ew_insight *insight) {
    for (struct kept *kept = insight->texts; kept;) {
        struct kept *next = kept->next;
        free(kept);
        kept = next;
    }
    insight->texts = NULL;
}
