// SPDX-License-Identifier: Apache-2.0

#ifndef CSQLITE_H
#define CSQLITE_H

/// Has SQLite keep no figures of the memory that it uses, which cost a lock at each allocation. To be called before the
/// first database is opened; not 0 where that has been done already, and nothing is changed.
int csqlite_without_memory_figures(void);

#endif
