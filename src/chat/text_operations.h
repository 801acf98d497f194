/* What filters and string methods share: Python's operations on strings. Strings are values of kind STRING. */
#ifndef EW_CHAT_TEXT_OPERATIONS_H
#define EW_CHAT_TEXT_OPERATIONS_H

#include "chat/chat_print.h"

enum ew_text_sides { EW_TEXT_LEFT = 1, EW_TEXT_RIGHT = 2, EW_TEXT_BOTH = 3 };

/* Without what stands at its sides: characters of `chars`, or white space where that is MISSING or none. */
struct ew_chat_value ew_text_strip(struct ew_chat_machine *m, struct ew_chat_value s, struct ew_chat_value chars,
                                   enum ew_text_sides sides);

enum ew_text_case { EW_TEXT_LOWER, EW_TEXT_UPPER, EW_TEXT_CAPITALIZE, EW_TEXT_TITLE, EW_TEXT_SWAP };
struct ew_chat_value ew_text_change_case(struct ew_chat_machine *m, struct ew_chat_value s, enum ew_text_case how);

/* At most `count` replacements from the left; negative = all. */
struct ew_chat_value ew_text_replace(struct ew_chat_machine *m, struct ew_chat_value s, struct ew_chat_value old,
                                     struct ew_chat_value new_, int64_t count);

/* Lines without their ends, as str.splitlines. */
struct ew_chat_value ew_text_lines(struct ew_chat_machine *m, struct ew_chat_value s, bool keep_ends);

/* To `width` characters, `fill` (one character) on the given sides; both: the odd one as Python puts it. */
struct ew_chat_value ew_text_pad(struct ew_chat_machine *m, struct ew_chat_value s, int64_t width,
                                 struct ew_chat_value fill, enum ew_text_sides sides);

/* & < > ' " as HTML writes them, marked safe; what is so already stays. */
struct ew_chat_value ew_text_escape(struct ew_chat_machine *m, struct ew_chat_value s);

#endif
