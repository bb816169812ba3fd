/* The public cursor over rows (struct cqlua_rows), as the layers below the API make it. */
#ifndef CQLUA_PROTOCOL_ROWS_H
#define CQLUA_PROTOCOL_ROWS_H

#include "protocol/type.h"

/* A cursor over <rows_content> (v4 section 4.2.5.2): `rows` rows of `columns` [bytes] each. `types` has one type a column;
 * types and body outlive the cursor. `has_more`: the result goes on after these rows. */
struct cqlua_rows rows_over(const struct type *types, uint32_t columns, uint32_t rows, struct cqlua_slice body, bool has_more);

#endif
