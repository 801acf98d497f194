/* One energy figure in words, with interval, grade and boundary. */
#ifndef EW_CLI_ENERGY_WORDS_H
#define EW_CLI_ENERGY_WORDS_H

#include "meter/integrate.h"

/* "10.1 ± 0.3 J · average 5.05 W · peak 5.10 W · grade C: … · rapl: packages and DRAM (die)"; without a figure the
 * reason. info may be NULL. */
void ew_energy_words(char *buf, size_t capacity, const struct ew_energy *energy, const struct ew_meter_info *info);

/* "10.1 ± 0.3", digits as the interval allows; "–" for NAN. */
void ew_energy_value(char *buf, size_t capacity, double value, double error);

#endif
