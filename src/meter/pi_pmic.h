/* The power chip of a Raspberry Pi 5: what its figures do not say by themselves. */
#ifndef EW_METER_PI_PMIC_H
#define EW_METER_PI_PMIC_H

#include <stdbool.h>
#include <stddef.h>

/* The board's 5 V input below which the supply or its cable is too weak: USB's lower limit at the device. The firmware
 * itself warns at 4.63 V. Source: USB 2.0 specification 7.2.2; Raspberry Pi documentation, "Power supply". */
#define EW_PI_WEAK_SUPPLY_V 4.75

/* "EXT5V is at 4.62 V, below 4.75 V: …"; "" and false while the supply is strong enough, or volts is NAN. */
bool ew_pi_supply_caveat(double ext5v_volts, char *buf, size_t capacity);

#endif
