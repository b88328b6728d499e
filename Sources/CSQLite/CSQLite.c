// SPDX-License-Identifier: Apache-2.0

#include "CSQLite.h"

#include <sqlite3.h>

int csqlite_without_memory_figures(void) {
    // Its arguments are variable, which Swift cannot call.
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}
