/* The tokenizer of a model folder, from whichever files it has. */
#ifndef EW_CONVERT_FOLDER_TOKENIZER_H
#define EW_CONVERT_FOLDER_TOKENIZER_H

#include "convert/vocabulary.h"
#include <jansson.h>

/* Fills an uninitialised vocabulary of n_vocab tokens. Looks for tokenizer.json, tokenizer.model, vocab.json with
 * merges.txt; then for tokenizer_config.json, special_tokens_map.json, added_tokens.json, generation_config.json and
 * chat_template.jinja. config: the folder's config.json. pre: as in tokenizer_json.h.
 * Errors: NOT_FOUND (no tokenizer), and what the readers give. */
enum ew_status ew_folder_tokenizer_read(const char *folder, const json_t *config, uint32_t n_vocab, const char *pre,
                                        struct ew_vocabulary *out, struct ew_error *err);

/* What tokens are for: gathered from these objects, of which any may be NULL. */
struct ew_token_role_files {
    const json_t *tokenizer_config, *special_tokens_map, *generation_config, *config;
};
/* Marks added tokens of tokenizer_config.json, makes the vocabulary n_vocab tokens long, finds begin, end, unknown and
 * padding tokens, and whether they are added to a text. Errors: FORMAT, MEMORY. */
enum ew_status ew_folder_token_roles_read(const char *folder, const struct ew_token_role_files *files, uint32_t n_vocab,
                                   struct ew_vocabulary *vocabulary, struct ew_error *err);

#endif
