#include "base/names.h"

int name_distance(struct cqlua_slice a, struct cqlua_slice b, int most)
{
    enum { CUT = 63 };
    const char *from = a.base, *to = b.base;
    size_t rows = a.len > CUT ? CUT : a.len, columns = b.len > CUT ? CUT : b.len;
    int line[CUT + 1];
    for (size_t j = 0; j <= columns; j++) line[j] = (int)j;
    for (size_t i = 1; i <= rows; i++) {
        int diagonal = line[0];
        line[0] = (int)i;
        for (size_t j = 1; j <= columns; j++) {
            int changed = diagonal + (from[i - 1] != to[j - 1]);
            diagonal = line[j];
            int inserted = (line[j - 1] < line[j] ? line[j - 1] : line[j]) + 1;
            line[j] = changed < inserted ? changed : inserted;
        }
    }
    return line[columns] < most ? line[columns] : most;
}
