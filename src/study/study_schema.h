// The tables of a study, and how older files become newer ones.
#pragma once

#include "study/database.h"

namespace fqlab {

/// Creates the tables in an empty file, or brings an older study to this version's tables (user_version).
/// kInput for a database of something else, or of a newer fqlab.
Result<void> prepare_schema(Database& database);

/// kInput for a file that is no study, or one of a newer fqlab; changes nothing.
Result<void> check_schema(Database& database);

/// False for a database without tables, such as an empty file; else as check_schema().
Result<bool> holds_study(Database& database);

}  // namespace fqlab
