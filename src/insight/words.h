/* Numbers and sizes in words, with as many digits as their interval allows; and the texts an insight owns. */
#ifndef EW_INSIGHT_WORDS_H
#define EW_INSIGHT_WORDS_H

#include "insight/insight.h"

enum { EW_NUMBER_SIZE = 40 };

/* Digits after the point such that the half-width of the interval shows its first digit and the value at least two;
 * three significant digits where there is no interval (half NAN or 0). */
int ew_words_decimals(double value, double half);

/* "64,800", "57.8", "2.2e-06", "–" for NAN. decimals < 0: three significant digits. */
void ew_words_number(char out[EW_NUMBER_SIZE], double value, int decimals);

/* value and interval of a figure in its shown unit: "57.8" and "± 0.4", or "+665 -20" where the interval is lopsided
 * (one side twice the other, and more than a tenth of the value); spread is "" without an interval. */
void ew_words_figure(const struct ew_figure *figure, double scale, char value[EW_NUMBER_SIZE],
                     char spread[EW_NUMBER_SIZE]);

void ew_words_size(char out[EW_NUMBER_SIZE], double bytes); /* "801 MiB", "1.3 GiB" */

/* Appends to a text, which is cut where it is full. */
__attribute__((format(printf, 3, 4))) void ew_words_add(char *text, size_t size, const char *format, ...);

/* printf into a text that lives as long as the insight; NULL when out of memory. */
__attribute__((format(printf, 2, 3))) const char *ew_words_keep(struct ew_insight *insight, const char *format, ...);
void ew_words_free(struct ew_insight *insight);

#endif
